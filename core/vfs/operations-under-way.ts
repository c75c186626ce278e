import { type HubError, toHubError } from '../errors.js';

/** Counts what is under way on something that is open, so that whoever closes it can wait for the end of that. */
export class OperationsUnderWay {
  #count = 0;
  #quiet: (() => void) | undefined;

  /** `enter` is called before each operation, and throws when none may begin. */
  constructor(private readonly enter: () => void) {}

  get count(): number {
    return this.#count;
  }

  /** Runs `operation`; what it throws becomes what `failure` makes of it. Throws what `enter` throws. */
  async run<T>(operation: () => Promise<T>, failure: (error: unknown) => HubError = toHubError): Promise<T> {
    this.#begin();
    try {
      return await operation();
    } catch (error) {
      throw failure(error);
    } finally {
      this.#finish();
    }
  }

  /** Like run(), within the call. */
  runNow<T>(operation: () => T, failure: (error: unknown) => HubError = toHubError): T {
    this.#begin();
    try {
      return operation();
    } catch (error) {
      throw failure(error);
    } finally {
      this.#finish();
    }
  }

  /** Resolves when nothing is under way. */
  async quiet(): Promise<void> {
    if (this.#count > 0) await new Promise<void>(resolve => (this.#quiet = resolve));
  }

  #begin(): void {
    this.enter();
    this.#count++;
  }

  #finish(): void {
    if (--this.#count === 0) this.#quiet?.();
  }
}
