import type { EventRepository } from '../db/events.js';
import type { HubEvent } from './types.js';

/** Length of a bin. */
export const BIN_MS = 300_000;
const BINS = 288;
const BATCH = 1_000;
/** Events of the last moments are read next time: one whose id was given earlier may still be on its way into the records. */
const SETTLE_MS = 2_000;
const FAMILIES = ['upload.*', 'download.*'] as const;

/** What was moved within five minutes. */
export interface TrafficBin {
  /** Its beginning, in ms since 1970. */
  readonly at: number;
  readonly uploadBytes: number;
  readonly downloadBytes: number;
}

/** A bin, and by which reading it last changed. */
interface KeptBin {
  at: number;
  uploadBytes: number;
  downloadBytes: number;
  revision: number;
}

/**
 * What was moved within the last 24 hours, in 288 bins. It is read from the recorded transfers of all nodes, the bytes of
 * each spread over its duration: so it survives a restart, and takes memory for the bins only.
 */
export class TrafficHistory {
  #bins: KeptBin[] = [];
  /** For each family, the id of the event up to which it was read. */
  readonly #read = new Map<string, string>();
  #reading: Promise<void> | undefined;
  #complete = false;
  /** Rises with each reading. */
  #revision = 0;

  constructor(
    private readonly events: Pick<EventRepository, 'after'>,
    private readonly now: () => number = Date.now,
  ) {}

  get revision(): number {
    return this.#revision;
  }

  /** False while the records of the last day are still being read. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Reads what was recorded since the last reading; readings at once are one. */
  update(): Promise<void> {
    this.#reading ??= this.#update().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** The bins that changed after `revision`, oldest first; all with traffic unless told. */
  bins(revision = 0): readonly TrafficBin[] {
    const oldest = this.#oldest();
    return this.#bins
      .filter(bin => bin.at >= oldest && bin.revision > revision)
      .map(({ at, uploadBytes, downloadBytes }) => ({ at, uploadBytes, downloadBytes }));
  }

  async #update(): Promise<void> {
    this.#revision += 1;
    const oldest = this.#oldest();
    this.#bins = this.#bins.filter(({ at }) => at >= oldest);
    for (const family of FAMILIES) await this.#readFamily(family, oldest);
    this.#complete = true;
  }

  async #readFamily(type: string, since: number): Promise<void> {
    const until = this.now() - SETTLE_MS;
    for (;;) {
      const batch = await this.events.after(this.#read.get(type) ?? '', { type, since, until }, BATCH);
      for (const event of batch) this.#count(event);
      if (batch.length > 0) this.#read.set(type, batch.at(-1)!.id);
      if (batch.length < BATCH) return;
    }
  }

  #count({ type, time, data }: HubEvent): void {
    const direction = directionOf(type);
    if (!direction || !('bytes' in data) || data.bytes <= 0) return;
    const end = Date.parse(time);
    const durationMs = 'durationMs' in data ? Math.max(1, data.durationMs) : 1;
    const begin = Math.max(end - durationMs, this.#oldest());
    for (let at = begin - (begin % BIN_MS); at < end; at += BIN_MS) {
      const shareMs = Math.min(end, at + BIN_MS) - Math.max(begin, at);
      const bin = this.#bin(at);
      bin[`${direction}Bytes`] += Math.round((data.bytes * shareMs) / durationMs);
      bin.revision = this.#revision;
    }
  }

  #bin(at: number): KeptBin {
    const place = this.#bins.findLastIndex(bin => bin.at <= at);
    const found = this.#bins[place];
    if (found?.at === at) return found;
    const made = { at, uploadBytes: 0, downloadBytes: 0, revision: this.#revision };
    this.#bins.splice(place + 1, 0, made);
    return made;
  }

  #oldest(): number {
    const now = this.now();
    return now - (now % BIN_MS) - (BINS - 1) * BIN_MS;
  }
}

/** Whether a type of event is the end of an upload or of a download. */
export function directionOf(type: string): 'upload' | 'download' | undefined {
  const noun = type.slice(0, type.indexOf('.'));
  return noun === 'upload' || noun === 'download' ? noun : undefined;
}
