import type { Held } from './held.js';
import { type Calls, statDescriptor, THREADED } from './io.js';

/** How long a directory stays open after its last use: long enough for a client that sends many files, short enough not to hinder an unmount. */
const KEEP_MS = 2_000;
const MAX_KEPT = 256;
/** How long a look at a path holds for those that follow: what other programs of the machine move may be seen that much later, what this process moves never. */
const FRESH_MS = 5;

/** A directory that was walked to a moment ago. */
export interface RecentDirectory {
  /** Holds it once more. */
  take(): Held;
  /** The names from the root to it, without links. */
  readonly above: readonly string[];
  /** Whether it is on the device of the root. */
  readonly onRootDevice: boolean;
  /** Whether its path still leads to it. One look, whatever the depth. */
  confirm(): Promise<boolean>;
}

interface Kept {
  readonly held: Held;
  readonly above: readonly string[];
  readonly dev: bigint;
  readonly ino: bigint;
  users: number;
  usedAt: number;
  confirmedAt: number;
  forgotten: boolean;
}

/**
 * Directories that were walked to lately. To walk again, name by name, would cost a round trip to the disk threads for
 * each; instead the whole path is looked up once, and must lead to the very directory that the walk found. So a path
 * that was swapped for another since then is walked anew, and nothing is reached that a walk had not reached.
 */
export class RecentDirectories {
  readonly #kept = new Map<string, Kept>();
  #timer: NodeJS.Timeout | undefined;
  /** Rises when this process moves a directory: a look that began before then tells nothing. */
  #moves = 0;

  /** `device` is the root's, and `calls` how what is on it is best reached. */
  constructor(
    private readonly root: Held,
    private readonly device: bigint,
    private readonly calls: Calls,
  ) {}

  find(path: string): RecentDirectory | undefined {
    const kept = this.#kept.get(path);
    if (!kept) return undefined;
    kept.usedAt = performance.now();
    return { take: () => take(kept), above: kept.above, onRootDevice: kept.dev === this.device, confirm: () => this.#confirm(path, kept) };
  }

  /** Keeps a directory that was just walked to; gives the caller a hold on it in place of his own. */
  share(path: string, held: Held, above: readonly string[]): Held {
    // A hold without a descriptor costs nothing to get again.
    if (held.fd < 0) return held;
    const owned = {
      held,
      above: [...above],
      dev: 0n,
      ino: 0n,
      users: 1,
      usedAt: performance.now(),
      confirmedAt: Number.NEGATIVE_INFINITY,
      forgotten: true,
    };
    void statDescriptor(held.fd).then(
      ({ dev, ino }) => this.#add(path, Object.assign(owned, { dev, ino })),
      () => undefined,
    );
    return hold(owned);
  }

  /** To be called when this process has moved or removed a directory: every path is looked at anew. */
  moved(): void {
    this.#moves++;
    for (const kept of this.#kept.values()) kept.confirmedAt = Number.NEGATIVE_INFINITY;
  }

  /** Forgets all; what is still used is released by its users. */
  close(): void {
    clearInterval(this.#timer);
    for (const path of [...this.#kept.keys()]) this.#forget(path);
  }

  #add(path: string, kept: Kept): void {
    if (this.#kept.has(path) || kept.users === 0) return;
    kept.forgotten = false;
    this.#kept.set(path, kept);
    if (this.#kept.size > MAX_KEPT) this.#forget(this.#kept.keys().next().value!);
    this.#timer ??= setInterval(() => this.#expire(), KEEP_MS).unref();
  }

  async #confirm(path: string, kept: Kept): Promise<boolean> {
    const [began, moves] = [performance.now(), this.#moves];
    if (began - kept.confirmedAt < FRESH_MS) return true;
    const calls = kept.dev === this.device ? this.calls : THREADED;
    const now = await calls.lookThrough(`${this.root.path}${path}`).catch(() => undefined);
    if (now?.ino === kept.ino && now.dev === kept.dev) {
      if (moves === this.#moves) kept.confirmedAt = began;
      return true;
    }
    if (this.#kept.get(path) === kept) this.#forget(path);
    return false;
  }

  #expire(): void {
    const limit = performance.now() - KEEP_MS;
    for (const [path, { usedAt }] of this.#kept) if (usedAt < limit) this.#forget(path);
    if (this.#kept.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forget(path: string): void {
    const kept = this.#kept.get(path)!;
    this.#kept.delete(path);
    kept.forgotten = true;
    if (kept.users === 0) kept.held.release();
  }
}

function take(kept: Kept): Held {
  kept.users++;
  return hold(kept);
}

/** One user's hold, which counts already. */
function hold(kept: Kept): Held {
  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    if (--kept.users === 0 && kept.forgotten) kept.held.release();
  };
  return { path: kept.held.path, fd: kept.held.fd, release };
}
