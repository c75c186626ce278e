import { Coordinator } from '../cluster/coordinator.js';
import { addressGroup } from '../net.js';

/** What defence() goes by: `limits` of the configuration. */
export interface DefenceLimits {
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  readonly failedLogins: number;
  readonly failedLoginsWindow: number;
}

/** A connection that has not logged in yet, as admit() counted it. */
export interface Admission {
  /** Frees its place; safe to call twice. */
  release(): void;
}

/** Keeps guessers and floods out before they cost anything. */
export class Defence {
  readonly #waiting = new Map<string, number>();
  readonly #blockedUntil = new Map<string, number>();
  #total = 0;

  constructor(
    private readonly coordinator: Coordinator,
    private readonly limits: DefenceLimits,
  ) {}

  /** Counts a connection until it is released. Undefined when it must be dropped: the address is turned away, or too many have not logged in yet. */
  admit(remoteAddress: string): Admission | undefined {
    const group = addressGroup(remoteAddress);
    const waiting = this.#waiting.get(group) ?? 0;
    if (this.isBlocked(remoteAddress) || this.#total >= this.limits.unauthenticated || waiting >= this.limits.unauthenticatedPerAddress)
      return undefined;
    this.#waiting.set(group, waiting + 1);
    this.#total++;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#total--;
        const left = this.#waiting.get(group)! - 1;
        if (left === 0) this.#waiting.delete(group);
        else this.#waiting.set(group, left);
      },
    };
  }

  /** Whether the address failed to log in too often of late. */
  isBlocked(remoteAddress: string): boolean {
    const group = addressGroup(remoteAddress);
    const until = this.#blockedUntil.get(group);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#blockedUntil.delete(group);
    return false;
  }

  /** Counts a failed login; from the limit on, the address is turned away for the length of the window. */
  async failed(remoteAddress: string): Promise<void> {
    const group = addressGroup(remoteAddress);
    const failures = await this.coordinator.count(`failed-logins/${group}`, this.limits.failedLoginsWindow);
    if (failures < this.limits.failedLogins) return;
    this.#forgetPast();
    this.#blockedUntil.set(group, performance.now() + this.limits.failedLoginsWindow);
  }

  /** Blocks are as long as each other and kept in the order in which they end. */
  #forgetPast(): void {
    const now = performance.now();
    for (const [group, until] of this.#blockedUntil) {
      if (until > now) return;
      this.#blockedUntil.delete(group);
    }
  }
}
