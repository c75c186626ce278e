import { HubError } from '../errors.js';

/** Counts what users have open, over all their sessions in this process. */
export class OpenPlaces {
  readonly #taken = new Map<string, number>();

  constructor(
    readonly perSession: number,
    readonly perUser: number,
  ) {}

  /** Takes a place for a user whose session has `inSession` open already. Throws 'unavailable', naming the limit, when session or user may have no more. */
  take(userId: string, inSession: number): void {
    if (inSession >= this.perSession) throw new HubError('unavailable', `Too many open files: at most ${this.perSession} in a session`);
    const taken = this.#taken.get(userId) ?? 0;
    if (taken >= this.perUser) throw new HubError('unavailable', `Too many open files: at most ${this.perUser} of a user`);
    this.#taken.set(userId, taken + 1);
  }

  /** Gives a place back that was taken. */
  give(userId: string): void {
    const left = (this.#taken.get(userId) ?? 0) - 1;
    if (left > 0) this.#taken.set(userId, left);
    else this.#taken.delete(userId);
  }

  /** How many users have something open. */
  get users(): number {
    return this.#taken.size;
  }
}
