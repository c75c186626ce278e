import { type FileInfo, HubError, type VirtualFileSystem } from '#core/api.js';
import { layOutNameEntry, nameEntryBound } from './attributes.js';
import { layOutNamesHeader, layOutNamesId, NAMES_HEADER_BYTES } from './packets.js';

/** Bytes of one reply, unless a single name is longer: few clients expect more. */
const MAX_BYTES = 32 * 1024;
/** As many as OpenSSH's server puts into a reply. */
const MAX_NAMES = 100;

/** A directory that a client reads, batch by batch: never more of it is in memory than one batch of the storage and one reply. */
export class Listing {
  readonly kind = 'directory';
  readonly #batches: AsyncIterator<readonly FileInfo[]>;
  #batch: readonly FileInfo[] = [];
  #at = 0;
  #ended = false;
  #tail: Promise<unknown> = Promise.resolve();
  /** The next reply, which is made while the client looks at the last one. */
  #ahead: Promise<Buffer | undefined> | undefined;

  private constructor(
    readonly path: string,
    batches: AsyncIterator<readonly FileInfo[]>,
  ) {
    this.#batches = batches;
  }

  /** Opens the directory and reads its first batch, so that what is missing or forbidden fails here. */
  static async open(files: Pick<VirtualFileSystem, 'list'>, path: string): Promise<Listing> {
    const listing = new Listing(path, files.list(path)[Symbol.asyncIterator]());
    await listing.#fill();
    return listing;
  }

  /** The next NAME reply for request `id`, or undefined at the end. Calls are answered in their order. */
  next(id: number): Promise<Buffer | undefined> {
    const reply = this.#tail.then(() => this.#next(id));
    this.#tail = reply.catch(() => undefined);
    return reply;
  }

  /** Lets the storage close the directory. Never throws. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#batch = [];
    await this.#batches.return?.().catch(() => undefined);
  }

  async #next(id: number): Promise<Buffer | undefined> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const reply = await (ahead ?? this.#reply());
    if (!reply) return undefined;
    // After the reply has left.
    setImmediate(() => this.#lookAhead());
    return layOutNamesId(reply, id);
  }

  #lookAhead(): void {
    if (this.#ended || this.#ahead) return;
    this.#ahead = this.#reply();
    // Whoever asks for it hears of the failure.
    this.#ahead.catch(() => undefined);
  }

  /** A NAME reply, for a request that is still to come. */
  async #reply(): Promise<Buffer | undefined> {
    // What is there is sent before the storage is asked for more.
    if (this.#at === this.#batch.length) await this.#fill();
    const first = this.#batch[this.#at];
    if (this.#ended) return undefined;
    if (!first) throw new HubError('internal', 'Internal error');
    const bytes = Buffer.allocUnsafe(Math.max(MAX_BYTES, NAMES_HEADER_BYTES + nameEntryBound(first)));
    let end = NAMES_HEADER_BYTES;
    const start = this.#at;
    const last = start + MAX_NAMES;
    for (
      let info = this.#batch[start];
      info && this.#at < last && end + nameEntryBound(info) <= bytes.length;
      info = this.#batch[this.#at]
    ) {
      end = layOutNameEntry(info, bytes, end);
      this.#at++;
    }
    layOutNamesHeader(bytes, end, this.#at - start);
    return bytes.subarray(0, end);
  }

  async #fill(): Promise<void> {
    while (!this.#ended && this.#at === this.#batch.length) {
      const result = await this.#batches.next();
      this.#at = 0;
      this.#batch = result.done ? [] : result.value;
      if (result.done) this.#ended = true;
    }
  }
}
