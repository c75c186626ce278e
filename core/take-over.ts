import type { Coordinator } from './cluster/coordinator.js';
import type { Members } from './cluster/members.js';
import type { EventRepository } from './db/events.js';
import type { PendingRecovery } from './events/recovery.js';
import type { Logger } from './log.js';
import type { StorageRegistry } from './storage/registry.js';
import type { ResumableUploads } from './vfs/resume.js';
import { sweepStaging } from './vfs/sweep.js';

/** What is taken over, and by what. */
export interface TakeOverParts {
  readonly members: Members;
  readonly coordinator: Coordinator;
  readonly recovery: PendingRecovery;
  readonly events: EventRepository;
  readonly uploads: ResumableUploads;
  readonly storages: StorageRegistry;
  /** Whether it is this process that takes over; others only say that they live. */
  readonly isHeir: boolean;
  readonly log: Logger;
}

/**
 * What processes left that were killed: events whose operation may or may not have happened, then temporaries that nothing refers
 * to. At the start that is all that no living process has under way; later, on a database that is shared, what each process leaves
 * that dies, within 20 s.
 */
export class TakeOver {
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #hub = '';

  constructor(private readonly parts: TakeOverParts) {}

  /** To be called before clients are accepted. `hub` names the database, and begins the names of temporaries. Throws what Members.enter() throws. */
  async start(hub: string): Promise<void> {
    const { members, isHeir, uploads } = this.parts;
    this.#hub = hub;
    await members.enter(hub);
    if (isHeir) await this.#takeOver();
    else await uploads.kept();
    if (members.hasOthers) this.#timer = setInterval(() => this.#look(), members.lookMs);
  }

  /** Resolves when nothing is under way; this process is then out of the list. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.parts.recovery.stop();
  }

  async #takeOver(): Promise<void> {
    const { members, recovery, uploads } = this.parts;
    await recovery.start();
    const dead = await members.look();
    await this.#sweepAll(new Set(await uploads.start()));
    await members.forget(dead.map(({ id }) => id));
  }

  #look(): void {
    const { log } = this.parts;
    this.#looking = this.#looking
      .then(() => this.#lookOnce())
      .catch((error: unknown) => log.warn({ err: error }, 'the other processes could not be looked at'));
  }

  async #lookOnce(): Promise<void> {
    const { members, recovery, uploads, log, coordinator, isHeir } = this.parts;
    const dead = await members.look();
    if (dead.length === 0 || !isHeir) return;
    for (const { id, node } of dead)
      log.warn({ process: id, node }, 'a process ended in the middle of its work: what it left is taken over');
    await recovery.look();
    await this.#sweepAll(
      new Set(await uploads.kept()),
      dead.map(({ id }) => id),
    );
    await members.forget(dead.map(({ id }) => id));
    coordinator.broadcast('deliveries.waiting', {});
  }

  /** Sweeps every storage of what processes left: `dead` ones, or all that do not live. */
  async #sweepAll(kept: ReadonlySet<string>, dead?: readonly string[]): Promise<void> {
    const { events, storages } = this.parts;
    // What could not be decided yet, because its storage did not answer, is decided by whether the temporary is still there.
    const undecided = (await events.pending()).map(({ proof }) => proof.path);
    const keep = new Set([...undecided, ...kept]);
    // Together, so that a storage that does not answer keeps nobody waiting but itself.
    const all = await storages.definitions();
    await Promise.all(all.map(({ name }) => this.#sweep(name, keep, dead)));
  }

  async #sweep(storage: string, keep: ReadonlySet<string>, dead: readonly string[] | undefined): Promise<void> {
    const { members, storages, log } = this.parts;
    // A process may have begun meanwhile.
    const living = async () => {
      await members.look();
      return [members.id, ...members.living.map(({ id }) => id)].map(id => `${this.#hub}-${id}-`);
    };
    try {
      const backend = await storages.backend(storage);
      let files = 0;
      for (const prefix of dead?.map(id => `${this.#hub}-${id}`) ?? [this.#hub])
        files += await sweepStaging(backend, prefix, log, keep, living);
      if (files > 0) log.info({ storage, files }, 'removed what unfinished uploads left');
    } catch (error) {
      log.warn({ err: error, storage }, 'storage cannot be reached');
    }
  }
}
