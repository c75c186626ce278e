import type { Coordinator } from '../cluster/coordinator.js';
import type { DueTarget } from '../db/deliveries.js';
import type { RuleTable } from './rules.js';
import type { EventSettings } from './settings.js';

/** How often it is told again which targets are unknown here. */
const TELL_MS = 20_000;
/** What somebody said that he does not know is not handed to him for this long. */
const REMEMBERED_MS = 10 * 60_000;
/** As much of the time between two looks counts as waiting: a process that stood still has asked nobody meanwhile. */
const MAX_STEP_MS = 5_000;
/** As many as one message names. */
const MAX_TOLD = 200;

/**
 * Which targets this process may take. Hooks differ from node to node, and while versions follow each other so do handlers and
 * actions: what is unknown here may be known elsewhere. It is left to the others, who are told of it, and answer. What nobody knew for
 * `unknownTargetMs` is taken after all, so that it fails with a reason. Where that is 0, everything may be taken at once.
 */
export class KnownTargets {
  /** Of targets that are due and unknown here: how long nobody was found who knows them. */
  readonly #waited = new Map<string, number>();
  /** Of targets that somebody else does not know: until when that holds. */
  readonly #unknownElsewhere = new Map<string, number>();
  readonly #unlisten: readonly (() => void)[];
  #lookedAt = performance.now();
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly rules: Pick<RuleTable, 'canRun'>,
    private readonly coordinator: Coordinator,
    private readonly settings: Pick<EventSettings, 'process' | 'unknownTargetMs'>,
  ) {
    const { process } = settings;
    this.#unlisten = [
      coordinator.listen('targets.unknown', ({ by, targets }) => by !== process && this.#answer(targets)),
      coordinator.listen('targets.known', ({ by, targets }) => by !== process && this.#hear(targets)),
    ];
  }

  /** Those of everything that is due that may be taken now. Tells the others of those that are unknown here. */
  among(due: readonly DueTarget[]): readonly DueTarget[] {
    if (this.settings.unknownTargetMs <= 0) return due;
    this.#count(due.map(({ target }) => target).filter(target => !this.rules.canRun(target)));
    return due.filter(({ target }) => this.mayTake(target));
  }

  /** Whether it can be run here, or nowhere. */
  mayTake(target: string): boolean {
    const { unknownTargetMs } = this.settings;
    return unknownTargetMs <= 0 || this.rules.canRun(target) || (this.#waited.get(target) ?? 0) >= unknownTargetMs;
  }

  /** Whether what is taken must be run by this process, because another one would not know it. */
  isOnlyHere(target: string): boolean {
    if (this.settings.unknownTargetMs <= 0) return false;
    return !this.rules.canRun(target) || (this.#unknownElsewhere.get(target) ?? 0) > performance.now();
  }

  /** Tells the others what came to this process and is unknown here. */
  tell(targets: readonly string[]): void {
    this.coordinator.broadcast('targets.unknown', { by: this.settings.process, targets: targets.slice(0, MAX_TOLD) });
  }

  stop(): void {
    for (const unlisten of this.#unlisten) unlisten();
  }

  #count(unknown: readonly string[]): void {
    const now = performance.now();
    const step = this.coordinator.connected() === false ? 0 : Math.min(now - this.#lookedAt, MAX_STEP_MS);
    this.#lookedAt = now;
    for (const target of this.#waited.keys()) if (!unknown.includes(target)) this.#waited.delete(target);
    const isNew = unknown.some(target => !this.#waited.has(target));
    for (const target of unknown) {
      const before = this.#waited.get(target);
      this.#waited.set(target, before === undefined ? 0 : before + step);
    }
    if (unknown.length === 0 || (!isNew && now - this.#toldAt < TELL_MS)) return;
    this.#toldAt = now;
    this.tell(unknown);
  }

  #answer(targets: readonly string[]): void {
    const known = targets.filter(target => this.rules.canRun(target));
    if (known.length === 0) return;
    const now = performance.now();
    for (const [target, until] of this.#unknownElsewhere) if (until <= now) this.#unknownElsewhere.delete(target);
    for (const target of known) this.#unknownElsewhere.set(target, now + REMEMBERED_MS);
    this.coordinator.broadcast('targets.known', { by: this.settings.process, targets: known });
    // What another one gave back is due.
    this.coordinator.broadcast('deliveries.waiting', {});
  }

  #hear(targets: readonly string[]): void {
    for (const target of targets) if (this.#waited.has(target)) this.#waited.set(target, 0);
  }
}
