import type { Coordinator } from './cluster/coordinator.js';
import type { ProcessRecord } from './db/processes.js';
import type { PendingRecovery } from './events/recovery.js';
import { StorageSweep, type SweepParts } from './storage-sweep.js';

/** What is taken over, and by what. */
export interface TakeOverParts extends SweepParts {
  readonly coordinator: Coordinator;
  readonly recovery: PendingRecovery;
  /** Whether it is this process that takes over; others only say that they live. */
  readonly isHeir: boolean;
}

/**
 * What processes left that were killed: events whose operation may or may not have happened, then temporaries that nothing refers
 * to. At the start that is all that no living process has under way; later, on a database that is shared, what each process leaves
 * that dies, within 20 s. That this process lives is said all the while, however long a storage takes.
 */
export class TakeOver {
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #inheriting: Promise<void> | undefined;
  #sweep: StorageSweep | undefined;

  constructor(private readonly parts: TakeOverParts) {}

  /** To be called before clients are accepted. `hub` names the database, and begins the names of temporaries. Throws what Members.enter() throws. */
  async start(hub: string): Promise<void> {
    const { members, isHeir, uploads } = this.parts;
    this.#sweep = new StorageSweep(this.parts, hub);
    await members.enter(hub);
    if (members.hasOthers) this.#timer = setInterval(() => this.#look(), members.lookMs);
    try {
      await (isHeir ? this.#begin(() => this.#takeOver()) : uploads.kept());
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Resolves when nothing is under way; this process is then out of the list. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#inheriting?.catch(() => undefined);
    this.#sweep?.stop();
    await this.parts.recovery.stop();
  }

  async #takeOver(): Promise<void> {
    const { members, recovery, uploads } = this.parts;
    await recovery.start();
    const dead = await members.look();
    await uploads.start();
    await this.#sweep?.sweep();
    await members.forget(dead.map(({ id }) => id));
  }

  #look(): void {
    const { log } = this.parts;
    this.#looking ??= this.#lookOnce()
      .catch((error: unknown) => log.warn({ err: error }, 'the other processes could not be looked at'))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #lookOnce(): Promise<void> {
    const { members, log, isHeir } = this.parts;
    const dead = await members.look();
    if (dead.length === 0 || !isHeir || this.#inheriting) return;
    this.#begin(() => this.#inherit(dead)).catch((error: unknown) =>
      log.warn({ err: error }, 'what a dead process left could not be taken over; trying again'),
    );
  }

  #begin(work: () => Promise<void>): Promise<void> {
    this.#inheriting = work().finally(() => {
      this.#inheriting = undefined;
    });
    return this.#inheriting;
  }

  async #inherit(dead: readonly ProcessRecord[]): Promise<void> {
    const { members, recovery, log, coordinator } = this.parts;
    for (const { id, node } of dead)
      log.warn({ process: id, node }, 'a process ended in the middle of its work: what it left is taken over');
    const ids = dead.map(({ id }) => id);
    await recovery.look();
    await this.#sweep?.sweep(ids);
    await members.forget(ids);
    coordinator.broadcast('deliveries.waiting', {});
  }
}
