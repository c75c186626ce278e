import { type FileInfo, HubError, type VirtualFileSystem } from '#core/api.js';
import { nameEntry } from './attributes.js';
import { PACKET, packet, uint32Field } from './packets.js';

/** Entries and bytes of names in one reply: OpenSSH sends as many entries, and few clients expect more bytes. */
const MAX_ENTRIES = 100;
const MAX_BYTES = 32 * 1024;

/** What a NAME reply holds. */
interface Names {
  readonly count: number;
  readonly entries: readonly Buffer[];
}

/** A directory that a client reads, batch by batch: never more of it is in memory than one batch of the storage and one reply. */
export class Listing {
  readonly kind = 'directory';
  readonly #batches: AsyncIterator<readonly FileInfo[]>;
  #batch: readonly FileInfo[] = [];
  #at = 0;
  #ended = false;
  #tail: Promise<unknown> = Promise.resolve();
  /** The next reply, which is made while the client looks at the last one. */
  #ahead: Promise<Names | undefined> | undefined;

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
    const names = await (ahead ?? this.#names());
    if (!names) return undefined;
    // After the reply has left.
    setImmediate(() => this.#lookAhead());
    return packet(PACKET.NAME, id, uint32Field(names.count), ...names.entries);
  }

  #lookAhead(): void {
    if (this.#ended || this.#ahead) return;
    this.#ahead = this.#names();
    // Whoever asks for it hears of the failure.
    this.#ahead.catch(() => undefined);
  }

  async #names(): Promise<Names | undefined> {
    const entries: Buffer[] = [];
    let bytes = 0;
    let count = 0;
    while (count < MAX_ENTRIES && bytes < MAX_BYTES) {
      if (this.#at === this.#batch.length) {
        // What is there is sent before the storage is asked for more.
        if (count > 0) break;
        await this.#fill();
        if (this.#ended) return undefined;
      }
      const info = this.#batch[this.#at++];
      if (!info) throw new HubError('internal', 'Internal error');
      const entry = nameEntry(info);
      entries.push(entry);
      bytes += entry.length;
      count++;
    }
    return { count, entries };
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
