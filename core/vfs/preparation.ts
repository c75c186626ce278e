import type { PendingEvent } from '../events/bus.js';

/** What must be done before a staged upload may appear: its content flushed and its event recorded. Neither waits for the other. */
export class Preparation {
  readonly #pending: Promise<PendingEvent>;
  readonly #done: Promise<void>;
  #dropped: Promise<void> | undefined;

  /** `revision` says of which state of the file it is. */
  constructor(
    readonly revision: number,
    flushing: Promise<unknown> | undefined,
    pending: Promise<PendingEvent>,
  ) {
    this.#pending = pending;
    this.#done = settleBoth(flushing, pending);
    // Whoever needs it hears of the failure by `done`.
    this.#done.catch(() => undefined);
  }

  /** Resolves when both are done; throws what the first that failed threw. */
  get done(): Promise<void> {
    return this.#done;
  }

  /** Whether drop() was called, and has not failed. */
  get isDropping(): boolean {
    return this.#dropped !== undefined;
  }

  /** The upload has appeared: its event may be delivered. Only after `done`. */
  async settle(): Promise<void> {
    (await this.#pending).settle();
  }

  /** The upload will not appear as it is: resolves when no event of it remains. Throws when that cannot be reached now; may be repeated. */
  drop(): Promise<void> {
    this.#dropped ??= this.#drop().catch((error: unknown) => {
      this.#dropped = undefined;
      throw error;
    });
    return this.#dropped;
  }

  async #drop(): Promise<void> {
    await this.#done.catch(() => undefined);
    const pending = await this.#pending.catch(() => undefined);
    await pending?.drop();
  }
}

/** Waits for all, then throws what the first that failed threw. */
export async function settleBoth(...work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
