/** Claims while there may be more, one pass at a time; whoever wakes it in the middle of a pass gets another one after it. */
export class ClaimCycle {
  #again = false;
  #passing: Promise<void> | undefined;

  /** `pass` resolves to whether there may be more; `failed` hears of one that rejects, which ends the round. */
  constructor(
    private readonly pass: () => Promise<boolean>,
    private readonly failed: (error: unknown) => void,
  ) {}

  wake(): void {
    this.#again = true;
    this.#passing ??= this.#round()
      .catch(this.failed)
      .finally(() => {
        this.#passing = undefined;
      });
  }

  /** Resolves when no pass is under way. */
  async ended(): Promise<void> {
    await this.#passing;
  }

  async #round(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      if (await this.pass()) this.#again = true;
    }
  }
}

/** A try that this process makes. */
export interface RunningWork {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** Waits for all that runs, and aborts it when `signal` does. */
export async function endAll(running: readonly RunningWork[], signal: AbortSignal): Promise<void> {
  const abort = (): void => {
    for (const { controller } of running) controller.abort(signal.reason);
  };
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  await Promise.all(running.map(({ done }) => done));
  signal.removeEventListener('abort', abort);
}
