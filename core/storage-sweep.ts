import type { Members } from './cluster/members.js';
import type { EventRepository } from './db/events.js';
import { toHubError } from './errors.js';
import type { Logger } from './log.js';
import type { StorageRegistry } from './storage/registry.js';
import { withinTime } from './time-limit.js';
import type { ResumableUploads } from './vfs/resume.js';
import { sweepStaging } from './vfs/sweep.js';

/** What is swept, and what is left alone. */
export interface SweepParts {
  readonly members: Members;
  readonly events: EventRepository;
  readonly uploads: ResumableUploads;
  readonly storages: StorageRegistry;
  readonly log: Logger;
}

/** For one storage; it goes on after that, and nobody waits for it. */
const LIMIT_MS = 5_000;
const AGAIN_MS = 60_000;

/** Removes temporaries of processes that are dead from all storages. One that does not answer is swept later, and holds up nobody. */
export class StorageSweep {
  /** Beginnings of names that are still to be swept, by storage. */
  readonly #left = new Map<string, Set<string>>();
  readonly #sweeping = new Set<string>();
  /** Storages that failed, of which was told. */
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** `hub` begins the names of all temporaries. */
  constructor(
    private readonly parts: SweepParts,
    private readonly hub: string,
  ) {}

  /**
   * Sweeps what `dead` processes left, or all that do not live. Resolves when that is done, or after 5 s: the storages that have not
   * answered by then, or cannot be reached, are tried again every minute. Throws only when the database cannot be read.
   */
  async sweep(dead?: readonly string[]): Promise<void> {
    const prefixes = dead?.map(id => `${this.hub}-${id}`) ?? [this.hub];
    for (const { name } of await this.parts.storages.definitions()) {
      const left = this.#left.get(name) ?? new Set();
      for (const prefix of prefixes) left.add(prefix);
      this.#left.set(name, left);
    }
    await this.#sweepLeft(await this.#kept());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#left.clear();
  }

  async #sweepLeft(keep: ReadonlySet<string>): Promise<void> {
    const storages = [...this.#left.keys()].filter(storage => !this.#sweeping.has(storage));
    await Promise.all(storages.map(storage => this.#sweepOne(storage, keep)));
    clearTimeout(this.#timer);
    if (this.#left.size > 0) this.#timer = setTimeout(() => this.#again(), AGAIN_MS).unref();
  }

  #again(): void {
    this.#kept()
      .then(keep => this.#sweepLeft(keep))
      .catch((error: unknown) => {
        this.parts.log.warn({ err: error }, 'what unfinished uploads left could not be looked for');
        this.#timer = setTimeout(() => this.#again(), AGAIN_MS).unref();
      });
  }

  async #sweepOne(storage: string, keep: ReadonlySet<string>): Promise<void> {
    this.#sweeping.add(storage);
    const prefixes = [...this.#left.get(storage)!];
    const swept = this.#sweep(storage, prefixes, keep).finally(() => this.#sweeping.delete(storage));
    try {
      await withinTime(swept, LIMIT_MS);
      this.#told.delete(storage);
    } catch (error) {
      // What is gone has nothing left to remove.
      if (toHubError(error).code === 'not-found') this.#left.delete(storage);
      this.parts.log[this.#told.has(storage) ? 'debug' : 'warn']({ err: error, storage }, 'storage cannot be reached');
      this.#told.add(storage);
    }
  }

  async #sweep(storage: string, prefixes: readonly string[], keep: ReadonlySet<string>): Promise<void> {
    const { storages, log } = this.parts;
    const backend = await storages.backend(storage);
    const left = this.#left.get(storage);
    let files = 0;
    for (const prefix of prefixes) {
      files += await sweepStaging(backend, prefix, log, keep, () => this.#living());
      left?.delete(prefix);
    }
    if (left?.size === 0) this.#left.delete(storage);
    if (files > 0) log.info({ storage, files }, 'removed what unfinished uploads left');
  }

  /** What could not be decided yet, because its storage did not answer, is decided by whether the temporary is still there. */
  async #kept(): Promise<ReadonlySet<string>> {
    const undecided = (await this.parts.events.pending()).map(({ proof }) => proof.path);
    return new Set([...undecided, ...(await this.parts.uploads.kept())]);
  }

  /** A process may have begun meanwhile. */
  async #living(): Promise<readonly string[]> {
    const { members } = this.parts;
    await members.look();
    return [members.id, ...members.living.map(({ id }) => id)].map(id => `${this.hub}-${id}-`);
  }
}
