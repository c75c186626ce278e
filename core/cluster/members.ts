import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessRecord, ProcessRepository } from '../db/processes.js';
import { SoleUse } from '../db/sole-use.js';
import { HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import type { Logger } from '../log.js';
import type { Coordinator, ProcessNote } from './coordinator.js';

/** What this process is among those that work on the database. */
export interface MemberSettings {
  readonly node: string;
  /** Whether several nodes can work on the database. */
  readonly shareable: boolean;
  /** Whether this one is joined with others by Redis. */
  readonly joined: boolean;
  /** The same for the processes that one start of a hub made; undefined for a hub of one process. */
  readonly family?: string | undefined;
  /** Names the data directory of this process. */
  readonly installation?: (() => Promise<string>) | undefined;
  /** The database file that this process is to have for its hub alone. */
  readonly file?: string | undefined;
  readonly log: Logger;
}

const LOOK_MS = 3_000;
/** A process whose beat stands still for this long is dead. Told by the clock of whoever looks, so that clocks may differ. */
const DEAD_MS = 15_000;
/** Who was not seen for this long is not waited for. */
const LONG_AGO_MS = 120_000;
const ID_BYTES = 6;
/** Where the beats of a process begin that does not know yet whether it may stay. */
const ENTERING = -1_000_000;
/** Looks after which another Redis is not one that is just being started anew. */
const OTHER_REDIS_LOOKS = 3;

/**
 * The processes that work on the database: which of them live, and which died and left something. A hub of one process on a
 * database that nobody else can use is alone, and writes nothing.
 */
export class Members {
  /** Of this process; begins anew with each start. */
  readonly id = randomToken(ID_BYTES);
  readonly #seen = new Map<string, { beat: number; at: number; dead: boolean }>();
  readonly #machine = machineName();
  #living: readonly ProcessRecord[] = [];
  #entered = false;
  #beaten = performance.now();
  #soleUse: SoleUse | undefined;
  #installation = '';
  #otherRedis = 0;

  constructor(
    private readonly repository: ProcessRepository,
    private readonly coordinator: Coordinator,
    private readonly settings: MemberSettings,
  ) {}

  /** Whether there can be others. */
  get hasOthers(): boolean {
    return this.settings.shareable || this.settings.family !== undefined;
  }

  /** Whether other nodes can work on the database. */
  get isShared(): boolean {
    return this.settings.shareable;
  }

  /** How often look() is to be called. */
  get lookMs(): number {
    return LOOK_MS;
  }

  /** Whether others may take this process for dead: nothing of it was written for long. What it has under way may be taken over. */
  get isDoubtful(): boolean {
    return this.#entered && performance.now() - this.#beaten > DEAD_MS * 0.8;
  }

  /** The other processes that live, as far as this one knows. */
  get living(): readonly ProcessRecord[] {
    return this.#living;
  }

  /** Whether it is this process, or another that lives. */
  isAlive(id: string | undefined): boolean {
    return id === this.id || this.#living.some(other => other.id === id);
  }

  /**
   * Enters this process. `hub` names the database. Throws 'conflict' when other nodes are at work with which it cannot work
   * together, with a sentence that says what to set.
   */
  async enter(hub: string): Promise<void> {
    const { node, shareable, file, installation } = this.settings;
    if (file !== undefined) this.#soleUse = await SoleUse.take(file);
    this.#check(hub, (await this.coordinator.introduce?.({ node, hub, shareable })) ?? []);
    if (!this.hasOthers) return;
    this.#installation = (await installation?.()) ?? '';
    // First seen, then looking: of two that enter at the same moment, at least one sees the other.
    await this.#add(ENTERING);
    this.#entered = true;
    try {
      await this.look();
      await this.#refuseUnjoined();
      await this.repository.admit(this.id);
    } catch (error) {
      await this.leave().catch(() => undefined);
      throw error;
    }
  }

  /** Says that this process lives, and looks at the others. Resolves to those that have died since, until they are forgotten. */
  async look(): Promise<readonly ProcessRecord[]> {
    if (!this.hasOthers) return [];
    if (this.#entered) await this.#beat();
    const others = (await this.repository.list()).filter(({ id }) => id !== this.id);
    for (const id of this.#seen.keys()) if (!others.some(other => other.id === id)) this.#seen.delete(id);
    for (const other of others) this.#note(other);
    const isDead = ({ id }: ProcessRecord) => this.#seen.get(id)!.dead;
    this.#living = others.filter(other => !isDead(other));
    this.#warnOfOtherRedis();
    return others.filter(isDead);
  }

  /** Strikes out processes of which nothing is left. */
  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.repository.remove(ids);
  }

  /** Strikes out this one: it has nothing under way any more. */
  async leave(): Promise<void> {
    this.#soleUse?.release();
    if (!this.#entered) return;
    this.#entered = false;
    await this.repository.remove([this.id]);
  }

  get #family(): string {
    return this.settings.family ?? this.id;
  }

  get #redis(): string {
    return this.coordinator.identity?.() ?? '';
  }

  async #beat(): Promise<void> {
    if (!(await this.repository.beat(this.id, this.#redis))) {
      this.settings.log.warn({ process: this.id }, 'this process stood still for so long that others took it for dead');
      await this.#add(1);
    }
    this.#beaten = performance.now();
  }

  async #add(beat: number): Promise<void> {
    const { node, joined } = this.settings;
    const place = { family: this.#family, machine: this.#machine, pid: process.pid, installation: this.#installation };
    await this.repository.add({ id: this.id, node, ...place, joined, redis: this.#redis, beat, seenAt: this.repository.now() });
    this.#beaten = performance.now();
  }

  #note(other: ProcessRecord): void {
    const now = performance.now();
    const known = this.#seen.get(other.id);
    if (!known) this.#seen.set(other.id, { beat: other.beat, at: now, dead: this.#hasEnded(other) });
    else if (known.beat !== other.beat) this.#seen.set(other.id, { beat: other.beat, at: now, dead: false });
    else known.dead ||= now - known.at > DEAD_MS || this.#hasEnded(other);
  }

  /** What need not be waited for. */
  #hasEnded({ family, machine, pid }: ProcessRecord): boolean {
    const isHere = family === this.#family || (machine !== '' && machine === this.#machine);
    // What a killed hub left may take a moment to end, and to finish what it has under way.
    if (isHere) return pid !== process.pid && !isRunning(pid);
    return !this.settings.shareable;
  }

  /**
   * Several nodes without Redis, or with two: limits, bans and sessions of each would not hold for the others. One that is at work
   * stays; of those that enter together, the one whose id is lower.
   */
  async #refuseUnjoined(): Promise<void> {
    const first = new Map<string, number>();
    const began = performance.now();
    for (;;) {
      const strange = this.#living.filter(other => this.#isStrange(other) && other.seenAt > this.repository.now() - LONG_AGO_MS);
      if (strange.length === 0) return;
      for (const { id, beat } of strange) if (!first.has(id)) first.set(id, beat);
      const seen = strange.filter(({ id, beat, joined }) => Math.abs(beat - first.get(id)!) >= (joined && this.settings.joined ? 2 : 1));
      const before = seen.find(({ id, beat }) => beat > 0 || id < this.id);
      if (before) throw this.#refusal(before);
      if (performance.now() - began > DEAD_MS && seen.length === 0) return;
      await sleep(LOOK_MS / 3);
      await this.look();
    }
  }

  /** Of another hub, and not joined with this one. */
  #isStrange(other: ProcessRecord): boolean {
    const { node, joined } = this.settings;
    if (other.family === this.#family || (joined && other.joined && !this.#hasOtherRedis(other))) return false;
    const isOtherPlace = other.installation !== '' && this.#installation !== '' && other.installation !== this.#installation;
    return other.node !== node || isOtherPlace;
  }

  #hasOtherRedis({ redis }: ProcessRecord): boolean {
    return redis !== '' && this.#redis !== '' && redis !== this.#redis;
  }

  #refusal(other: ProcessRecord): HubError {
    const { node, joined } = this.settings;
    const who = other.node === node ? `Another hub that is called '${node}'` : `Node '${other.node}'`;
    if (joined && other.joined)
      return new HubError(
        'conflict',
        `${who} works on this database, too, but with another Redis: set the same \`redis.url\` and \`redis.keyPrefix\` on all nodes.`,
      );
    const lacking = joined ? `'${other.node}'` : 'this one';
    return new HubError(
      'conflict',
      `${who} works on this database, too. Several nodes need a Redis, the same for all: set \`redis.url\` on ${lacking}.`,
    );
  }

  /** Of nodes that started while one of the two was away. */
  #warnOfOtherRedis(): void {
    const other = this.settings.joined ? this.#living.find(one => one.joined && this.#hasOtherRedis(one)) : undefined;
    this.#otherRedis = other ? this.#otherRedis + 1 : 0;
    if (other && this.#otherRedis === OTHER_REDIS_LOOKS)
      this.settings.log.error(
        { node: other.node },
        'another node uses another Redis: limits hold for each by itself; `redis.url` and `redis.keyPrefix` are to be the same on all nodes',
      );
  }

  #check(hub: string, others: readonly ProcessNote[]): void {
    const { node, shareable } = this.settings;
    for (const other of others) {
      if (other.hub !== hub)
        throw new HubError(
          'conflict',
          `Node '${other.node}' uses this Redis with another database. Several nodes need one MySQL or PostgreSQL database (\`database.url\`); ` +
            'hubs that are to stay apart need a `redis.keyPrefix` each.',
        );
      if (other.node !== node && !(shareable && other.shareable))
        throw new HubError(
          'conflict',
          `Node '${other.node}' uses this Redis, too. SQLite serves one node: several need MySQL or PostgreSQL (\`database.url\`).`,
        );
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Equal only for processes that see each other's ids: the same boot of the same machine, and the same container. */
function machineName(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${hostname().slice(0, 100)} ${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}
