import type { Logger } from '../log.js';

const AGAIN_MS = 2_000;
/** So often an event is dropped after the database answers again: a server that was stopped may write late what it was sent before. */
const TIMES = 3;

/** Pending events whose operation does not take place, and of which nobody knows whether the database has them: dropped until it answers. */
export class DoubtfulEvents {
  readonly #left = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly drop: (ids: readonly string[]) => Promise<void>,
    private readonly log: Logger,
  ) {}

  add(id: string): void {
    this.#left.set(id, TIMES);
    this.#timer ??= setInterval(() => void this.clear(), AGAIN_MS).unref();
  }

  /** Drops those that there are, once. Never throws. */
  async clear(): Promise<void> {
    const ids = [...this.#left.keys()];
    try {
      if (ids.length > 0) await this.drop(ids);
      for (const id of ids) this.#dropped(id);
    } catch (error) {
      this.log.debug({ err: error, events: ids.length }, 'events that did not take place cannot be dropped yet');
    }
    if (this.#left.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #dropped(id: string): void {
    const left = (this.#left.get(id) ?? 1) - 1;
    if (left > 0) this.#left.set(id, left);
    else this.#left.delete(id);
  }
}
