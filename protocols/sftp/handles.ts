import { HubError } from '#core/api.js';
import type { Listing } from './listing.js';
import type { OpenFile } from './open-file.js';

/** What a handle stands for. */
export type Opened = OpenFile | Listing;

/** Counts the handles of one connection, over all its channels. */
export class HandleBudget {
  #used = 0;

  constructor(readonly limit: number) {}

  get used(): number {
    return this.#used;
  }

  /** Takes a place. Throws 'unavailable' when all are taken. */
  take(): void {
    if (this.#used >= this.limit) throw new HubError('unavailable', `Too many open files: at most ${this.limit} in a session`);
    this.#used++;
  }

  give(): void {
    this.#used--;
  }
}

/**
 * The open files and listings of one channel. A handle is the eight bytes of a counter that starts at a random number;
 * what another channel or a guess offers is looked up in this channel's table and not found.
 */
export class HandleTable {
  readonly #opened = new Map<string, Opened>();
  #next = Math.floor(Math.random() * 2 ** 40);

  constructor(private readonly budget: HandleBudget) {}

  get size(): number {
    return this.#opened.size;
  }

  /** How many the connection may have open. */
  get limit(): number {
    return this.budget.limit;
  }

  /** Takes a place for what is about to be opened. Throws 'unavailable' when there is none. */
  reserve(): void {
    this.budget.take();
  }

  /** Gives the reserved place back: nothing was opened. */
  forgo(): void {
    this.budget.give();
  }

  /** Puts `opened` at the reserved place; gives its handle. */
  add(opened: Opened): Buffer {
    const handle = Buffer.allocUnsafe(8);
    handle.writeBigUInt64BE(BigInt(this.#next++));
    this.#opened.set(handle.toString('latin1'), opened);
    return handle;
  }

  /** Throws 'conflict', which clients see as a plain failure, when the handle is none of this channel's. */
  get(handle: Buffer): Opened {
    const opened = handle.length === 8 ? this.#opened.get(handle.toString('latin1')) : undefined;
    if (!opened) throw new HubError('conflict', 'No such handle');
    return opened;
  }

  /** Takes `handle` out: it is unknown from now on. Throws like get(). */
  remove(handle: Buffer): Opened {
    const opened = this.get(handle);
    this.#opened.delete(handle.toString('latin1'));
    this.budget.give();
    return opened;
  }

  /** Takes all out. */
  clear(): readonly Opened[] {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    for (const _ of all) this.budget.give();
    return all;
  }
}
