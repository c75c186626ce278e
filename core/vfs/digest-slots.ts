import { setImmediate } from 'node:timers/promises';
import { HubError } from '../errors.js';

type Read = (target: Uint8Array, position: number) => Promise<number>;

interface Waiter {
  readonly userId: string;
  readonly go: () => void;
}

/** How many digests are computed at once, and for how long: they cost the loop of the process, which everyone shares. */
export class DigestSlots {
  readonly #running = new Map<string, number>();
  #free: number;
  #waiting: Waiter[] = [];
  readonly #perUser: number;

  /** `total` at once in this process, half of them for one user at most; none for longer than `limitMs`. */
  constructor(
    total: number,
    private readonly limitMs: number,
  ) {
    this.#free = total;
    this.#perUser = Math.ceil(total / 2);
  }

  /**
   * Runs `compute` when there is a slot. It reads by what it makes of `read`, which lets others have their turns between two reads, and
   * throws 'aborted' when `signal` aborts, which ends the waiting too, and 'unavailable' beyond the limit.
   */
  async run<T>(userId: string, signal: AbortSignal, read: Read, compute: (read: Read) => Promise<T>): Promise<T> {
    await this.#take(userId, signal);
    const end = performance.now() + this.limitMs;
    try {
      return await compute(async (target, position) => {
        await setImmediate();
        requireGoing(signal);
        if (performance.now() > end) throw new HubError('unavailable', 'The digest takes too long');
        return read(target, position);
      });
    } finally {
      this.#give(userId);
    }
  }

  #take(userId: string, signal: AbortSignal): Promise<void> | undefined {
    requireGoing(signal);
    if (this.#mayRun(userId)) return this.#count(userId, 1);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter(other => other !== waiter);
        reject(gone());
      };
      const waiter = {
        userId,
        go: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #give(userId: string): void {
    this.#count(userId, -1);
    const next = this.#waiting.find(waiter => this.#mayRun(waiter.userId));
    if (!next) return;
    this.#waiting = this.#waiting.filter(other => other !== next);
    this.#count(next.userId, 1);
    next.go();
  }

  #mayRun(userId: string): boolean {
    return this.#free > 0 && (this.#running.get(userId) ?? 0) < this.#perUser;
  }

  #count(userId: string, change: 1 | -1): undefined {
    this.#free -= change;
    const running = (this.#running.get(userId) ?? 0) + change;
    if (running > 0) this.#running.set(userId, running);
    else this.#running.delete(userId);
  }
}

function requireGoing(signal: AbortSignal): void {
  if (signal.aborted) throw gone();
}

function gone(): HubError {
  return new HubError('aborted', 'Nobody waits for the digest any more');
}
