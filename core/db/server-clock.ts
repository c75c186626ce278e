const MEASURE_MS = 10_000;
/** An answer that took longer says too little. */
const MAX_ANSWER_MS = 1_000;

/** The clock of a server as this process knows it: asked again and again, and by the process's own steady clock in between. */
export class ServerClock {
  /** What to add to the steady clock. */
  #offset = Date.now() - performance.now();
  #timer: NodeJS.Timeout | undefined;

  /** `ask` resolves to the time on the server, in milliseconds since 1970. */
  constructor(private readonly ask: () => Promise<number>) {}

  /** Resolves when the time is known. Throws what `ask` throws. */
  async start(): Promise<void> {
    let limitMs = Number.POSITIVE_INFINITY;
    // The first answer is late by what the server does for a connection that is new.
    for (let i = 0; i < 3; i++) limitMs = Math.min(limitMs, await this.#measure(limitMs));
    this.#timer = setInterval(() => void this.#measure(MAX_ANSWER_MS).catch(() => undefined), MEASURE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** In whole milliseconds since 1970. */
  now(): number {
    return Math.round(performance.now() + this.#offset);
  }

  /** Takes the answer if it came within the limit. Resolves to how long it took. */
  async #measure(limitMs: number): Promise<number> {
    const asked = performance.now();
    const time = await this.ask();
    const answered = performance.now();
    if (Number.isFinite(time) && answered - asked <= limitMs) this.#offset = time - (asked + answered) / 2;
    return answered - asked;
  }
}
