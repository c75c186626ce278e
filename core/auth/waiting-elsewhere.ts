import type { Coordinator } from '../cluster/coordinator.js';
import { randomToken } from '../ids.js';

/** Connections that have not logged in yet, by the group of their address. */
type Counts = readonly (readonly [group: string, count: number])[];

interface Heard {
  readonly counts: ReadonlyMap<string, number>;
  readonly total: number;
  readonly at: number;
}

/** Changes of this time are told together: during it, each process may admit more than the limit allows them together. */
const TELL_MS = 20;
const TELL_AGAIN_MS = 2_000;
/** Of whom nothing was heard for this long, nothing is counted. */
const FORGET_MS = 6_000;

/**
 * What other processes have admitted and not logged in yet, as they last told. Limits that go by it are right within the moment that a
 * message takes: asking before each admission would cost more than the admission.
 */
export class WaitingElsewhere {
  readonly #id = randomToken(6);
  readonly #heard = new Map<string, Heard>();
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  /** `own` gives what this process has; `freed` is called with each group of which another process has less than before. */
  constructor(
    private readonly coordinator: Coordinator,
    private readonly own: () => Counts,
    private readonly freed: (group: string) => void,
  ) {
    if (coordinator.isShared) coordinator.listen('admissions.counted', ({ by, counts }) => by !== this.#id && this.#hear(by, counts));
  }

  of(group: string): number {
    return this.#sum(({ counts }) => counts.get(group) ?? 0);
  }

  get total(): number {
    return this.#sum(({ total }) => total);
  }

  /** To be called when what `own` gives has changed. */
  changed(): void {
    if (!this.coordinator.isShared || this.#timer) return;
    this.#timer = setTimeout(() => this.#tell(), TELL_MS).unref();
  }

  #tell(): void {
    this.#timer = undefined;
    clearTimeout(this.#again);
    const counts = this.own();
    this.coordinator.broadcast('admissions.counted', { by: this.#id, counts });
    if (counts.length > 0) this.#again = setTimeout(() => this.#tell(), TELL_AGAIN_MS).unref();
  }

  #hear(by: string, counts: Counts): void {
    const before = this.#heard.get(by);
    const now = new Map(counts);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    if (total === 0) this.#heard.delete(by);
    else this.#heard.set(by, { counts: now, total, at: performance.now() });
    for (const [group, count] of before?.counts ?? []) if ((now.get(group) ?? 0) < count) this.freed(group);
  }

  #sum(of: (heard: Heard) => number): number {
    if (this.#heard.size === 0) return 0;
    let sum = 0;
    const oldest = performance.now() - FORGET_MS;
    for (const [by, heard] of this.#heard) {
      if (heard.at < oldest) this.#heard.delete(by);
      else sum += of(heard);
    }
    return sum;
  }
}
