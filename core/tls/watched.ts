import { stat } from 'node:fs/promises';
import { toHubError } from '../errors.js';

/** What is read from files, and read anew when they change; what cannot be used leaves the last that could in use. */
export class Watched<T> {
  #state: string | undefined;
  /** A state that could not be used once: files that belong together are seldom written at the same time. */
  #suspect: string | undefined;
  #value: T | undefined;
  /** Why the files as they are now are not in use. */
  problem: string | undefined;

  /** `read` gets what is in use until then, and throws HubError for what should not replace it. */
  constructor(
    private readonly files: readonly string[],
    private readonly read: (inUse: T | undefined) => Promise<T>,
  ) {}

  /** What is in use. Throws when nothing was read yet. */
  get value(): T {
    if (this.#value === undefined) throw new Error(`${this.files.join(', ')} was not read`);
    return this.#value;
  }

  /** Reads the files. Throws what `read` throws. */
  async load(): Promise<void> {
    this.#state = await stateOf(this.files);
    this.#value = await this.read(undefined);
  }

  /** Looks whether the files changed. 'broken' is told once for each state of them, when it was seen twice. */
  async check(): Promise<'same' | 'changed' | 'broken'> {
    const state = await stateOf(this.files);
    if (state === this.#state) return 'same';
    try {
      this.#value = await this.read(this.#value);
    } catch (error) {
      if (state !== this.#suspect) {
        this.#suspect = state;
        return 'same';
      }
      this.#state = state;
      this.problem = toHubError(error).message;
      return 'broken';
    }
    this.#state = state;
    this.problem = undefined;
    return 'changed';
  }
}

async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(
    files.map(file =>
      stat(file, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(),
        (error: NodeJS.ErrnoException) => String(error.code),
      ),
    ),
  );
  return states.join(';');
}
