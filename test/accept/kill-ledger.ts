import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Received } from '../support/receiver.js';

/** One upload that was begun. Its size is unlike that of any other to its path, so an event names its upload by path and size. */
export interface Upload {
  readonly path: string;
  readonly sequence: number;
  readonly size: number;
  /** Whether the client was told that it is done. */
  acknowledged: boolean;
  /** Whether its content was seen under its final name; undefined until that is known. */
  happened: boolean | undefined;
}

/** What must be zero, and how much was tried. */
export interface Tally {
  acknowledged: number;
  /** Cut off by a kill after the content was in place and before the client heard of it. */
  unheard: number;
  lost: number;
  corrupt: number;
  partlyVisible: number;
  eventsMissing: number;
  phantom: number;
  severalIds: number;
  unverified: number;
  deliveries: number;
}

const EXTRA_BYTES = [0, 0, 0, 40_000, 262_144, 2_097_152];

/** Remembers every upload that was begun, and compares what is on disk and what was delivered with it. */
export class Ledger {
  readonly uploads: Upload[] = [];
  readonly #named = new Set<string>();
  /** The newest upload that is known to be in place, by path. */
  readonly #inPlace = new Map<string, Upload>();
  /** The one that runs or was cut off, by path. */
  readonly #open = new Map<string, Upload>();
  lost = 0;
  corrupt = 0;
  partlyVisible = 0;

  /** Begins an upload to a path that no other upload is under way to. */
  begin(path: string): Upload {
    const sequence = this.uploads.length;
    const extra = EXTRA_BYTES[Math.floor(Math.random() * EXTRA_BYTES.length)] ?? 0;
    let size = extra + 200 + sequence;
    while (this.#named.has(`${path} ${size}`)) size += 1;
    this.#named.add(`${path} ${size}`);
    const upload: Upload = { path, sequence, size, acknowledged: false, happened: undefined };
    this.uploads.push(upload);
    this.#open.set(path, upload);
    return upload;
  }

  /** The client was told OK. */
  acknowledge(upload: Upload): void {
    upload.acknowledged = true;
    upload.happened = true;
    this.#inPlace.set(upload.path, upload);
    this.#open.delete(upload.path);
  }

  get acknowledged(): number {
    return this.uploads.filter(upload => upload.acknowledged).length;
  }

  /** While no client writes: looks at every file, learns what became of the uploads that were cut off, and counts what is wrong. */
  async inspect(root: string): Promise<void> {
    for (const path of new Set([...this.#inPlace.keys(), ...this.#open.keys()])) {
      const content = await readFile(join(root, path)).catch(() => undefined);
      const [before, cut] = [this.#inPlace.get(path), this.#open.get(path)];
      const found = content === undefined ? undefined : this.#identify(content);
      if (cut !== undefined) {
        cut.happened = found === cut;
        if (cut.happened) this.#inPlace.set(path, cut);
        this.#open.delete(path);
      }
      if (found === 'partial') this.partlyVisible += 1;
      else if (found === 'corrupt') this.corrupt += 1;
      else if (found !== (cut?.happened ? cut : before)) this.lost += 1;
    }
  }

  /** While clients write: whether the file at `path` is one whole upload to it. */
  async glance(root: string, path: string): Promise<void> {
    const content = await readFile(join(root, path)).catch(() => undefined);
    const found = content === undefined ? undefined : this.#identify(content);
    if (found === 'partial') this.partlyVisible += 1;
    if (found === 'corrupt') this.corrupt += 1;
  }

  /** Those of which an event must have been delivered, and was not. */
  missing(accepted: readonly Received[]): Upload[] {
    const told = new Set(accepted.map(({ body }) => `${body.data.path} ${body.data.size}`));
    return this.uploads.filter(upload => upload.happened && !told.has(`${upload.path} ${upload.size}`));
  }

  /** Compares everything with what the receiver accepted. */
  tally(accepted: readonly Received[]): Tally {
    const byName = new Map(this.uploads.map(upload => [`${upload.path} ${upload.size}`, upload]));
    const ids = new Map<Upload, Set<string>>();
    let phantom = 0;
    for (const { id, body } of accepted) {
      const upload = byName.get(`${body.data.path} ${body.data.size}`);
      if (upload?.happened) ids.set(upload, (ids.get(upload) ?? new Set()).add(id));
      else phantom += 1;
    }
    return {
      acknowledged: this.acknowledged,
      unheard: this.uploads.filter(upload => upload.happened && !upload.acknowledged).length,
      lost: this.lost,
      corrupt: this.corrupt,
      partlyVisible: this.partlyVisible,
      eventsMissing: this.missing(accepted).length,
      phantom,
      severalIds: [...ids.values()].filter(set => set.size > 1).length,
      unverified: accepted.filter(({ verified }) => !verified).length,
      deliveries: accepted.length,
    };
  }

  #identify(content: Buffer): Upload | 'partial' | 'corrupt' {
    const sequence = /#(\d+)\n/.exec(content.subarray(0, 200).toString())?.[1];
    const upload = sequence === undefined ? undefined : this.uploads[Number(sequence)];
    if (upload === undefined) return content.length < 200 ? 'partial' : 'corrupt';
    const whole = contentOf(upload);
    if (content.equals(whole)) return upload;
    return content.length < whole.length ? 'partial' : 'corrupt';
  }
}

/** The content of an upload: its path and number, over and over. */
export function contentOf(upload: Upload): Buffer {
  return Buffer.alloc(upload.size, `${upload.path} #${upload.sequence}\n`);
}
