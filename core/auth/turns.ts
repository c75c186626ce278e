/** How long somebody waits for his turn: less than clients wait for a greeting. */
const TURN_MS = 10_000;

/** Gives whether the place was taken. */
type Turn = () => boolean;

/** Those who wait until their address has a place again, first come, first served. */
export class Turns {
  readonly #queues = new Map<string, Set<Turn>>();
  readonly #timers = new Map<Turn, NodeJS.Timeout>();

  constructor(
    private readonly mostOfGroup: number,
    private readonly most: number,
  ) {}

  /**
   * Calls `turn` once: when next() comes to it, or after ten seconds. Gives what takes it out of the queue, or undefined
   * when too many wait already.
   */
  wait(group: string, turn: Turn): (() => void) | undefined {
    const queue = this.#queues.get(group) ?? new Set();
    if (queue.size >= this.mostOfGroup || this.#timers.size >= this.most) return undefined;
    queue.add(turn);
    this.#queues.set(group, queue);
    const late = () => void (this.#forget(group, turn) && turn());
    this.#timers.set(turn, setTimeout(late, TURN_MS).unref());
    return () => void this.#forget(group, turn);
  }

  /** A place is free: it goes to the first who takes it. */
  next(group: string): void {
    for (const turn of this.#queues.get(group) ?? []) {
      this.#forget(group, turn);
      if (turn()) return;
    }
  }

  /** Gives whether it was there. */
  #forget(group: string, turn: Turn): boolean {
    clearTimeout(this.#timers.get(turn));
    const queue = this.#queues.get(group);
    queue?.delete(turn);
    if (queue?.size === 0) this.#queues.delete(group);
    return this.#timers.delete(turn);
  }
}
