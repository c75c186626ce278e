import { hash, verify } from '@node-rs/argon2';
import { HubError } from '../errors.js';

/** OWASP's second recommendation for argon2id, the library's default algorithm: 19 MiB, 2 passes. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Hashing runs on the threads that also do file I/O: no more than this many at a time, and no long queue. */
const MAX_RUNNING = 2;
const MAX_WAITING = 50;
const MAX_LENGTH = 1_024;

/** Hashes and verifies passwords with argon2id. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #dummy: Promise<string> | undefined;

  /** The hash to keep, with its parameters and salt. Throws 'invalid-request' for an empty password or one over 1,024 characters. */
  async hash(password: string): Promise<string> {
    if (password.length === 0) throw new HubError('invalid-request', 'The password is empty');
    if (password.length > MAX_LENGTH) throw new HubError('invalid-request', `The password is longer than ${MAX_LENGTH} characters`);
    return this.#limited(() => hash(password, COST));
  }

  /**
   * Whether `password` is the one of `kept`. Without `kept` (no such user, or one without a password) it takes as long and
   * is false. Throws 'rate-limited' when too many wait already.
   */
  async verify(kept: string | undefined, password: string): Promise<boolean> {
    if (password.length === 0 || password.length > MAX_LENGTH) return false;
    this.#dummy ??= hash('a password that nobody has', COST);
    const against = kept ?? (await this.#dummy);
    const matches = await this.#limited(() => verify(against, password).catch(() => false));
    return matches && kept !== undefined;
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) throw new HubError('rate-limited', 'Too many logins at the moment, try again later');
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // A waiter takes over this place; the count changes only when there is none.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
