import { EventEmitter } from 'eventemitter3';
import type { Redis } from 'ioredis';
import { randomToken } from '../ids.js';
import type { Logger } from '../log.js';
import type { SessionSnapshot } from '../session-info.js';
import { type Broadcasts, Coordinator, type Lease, type ProcessNote, SHARED_TABLES } from './coordinator.js';
import { HeldLeases, type Snapshot } from './held-leases.js';
import { LocalCoordinator } from './local.js';
import { RedisChannel } from './redis-channel.js';
import { describeRedis, type RedisSettings, redisClient } from './redis-connection.js';
import { type Scripts, scriptsOf } from './redis-scripts.js';

/** See hubRegister. */
type RegisterAnswer = readonly [epoch: string, ageMs: number, told: number, there: number];

const BEAT_MS = 1_000;
/** A process of which nothing is heard for this long has lost its leases. */
const LIFE_MS = 8_000;
/** Keys end by themselves after this; they are written anew long before. */
const KEEP_MS = 3_600_000;
const WRITE_ANEW_BEATS = 600;
/** After Redis lost what it knew, every process has told it again what it holds within this time; until then no slot is given. */
const SETTLING_MS = 3 * BEAT_MS;
const COMMAND_MS = 1_000;
/** Without an answer for this long, the client has forgotten the command. */
const FORGOTTEN_MS = COMMAND_MS + 500;
/** While nothing is heard of changes, what others may have changed is read anew this often. */
const READ_ANEW_MS = 10_000;
const MAX_COUNTED = 1_000;
const MAX_TRIES = 20;

/**
 * The coordinator of many nodes, by Redis. A process that dies loses its leases within 10 s. While Redis is away, nobody is kept
 * out: a lease with a snapshot, a session, is granted by what this process alone holds; one without, which stands for work that one
 * process does at a time, is refused until Redis is back. Then every process tells Redis what it holds, and takes as changed
 * whatever others may have changed. Needs one Redis, not a Redis Cluster.
 */
export class RedisCoordinator extends Coordinator {
  readonly #id = randomToken(9);
  readonly #held = new HeldLeases();
  readonly #asking = new Set<Promise<unknown>>();
  readonly #topics = new EventEmitter();
  /** Counts while Redis is away. */
  readonly #alone = new LocalCoordinator();
  readonly #scripts: Scripts;
  readonly #channel: RedisChannel;
  readonly #timers: NodeJS.Timeout[];
  #note: ProcessNote | undefined;
  #epoch = '';
  #others = 0;
  #up = false;
  #toldLost = false;
  #settledAt = 0;
  #beats = 0;
  #registering: Promise<void> | undefined;
  #closed = false;

  private constructor(
    private readonly redis: Redis,
    subscriber: Redis,
    private readonly settings: RedisSettings,
    private readonly log: Logger,
  ) {
    super();
    const prefix = `${settings.keyPrefix}:`;
    this.#scripts = scriptsOf(redis, prefix, this.#id, FORGOTTEN_MS);
    // Channels do not belong to a database of Redis, as keys do.
    this.#channel = new RedisChannel(redis, subscriber, `${prefix}${redis.options.db ?? 0}:`, this.#id, {
      message: (topic, message) => this.#topics.emit(topic, message),
      holders: group => this.#held.snapshots(group),
    });
    for (const client of [redis, subscriber]) client.on('error', error => this.#lose(error));
    redis.on('close', () => this.#lose(new Error('The connection ended')));
    redis.on('ready', () => void this.#register());
    // What was sent in between was not heard.
    subscriber.on('ready', () => this.#readAnew());
    this.#timers = [setInterval(() => void this.#beat(), BEAT_MS), setInterval(() => this.#up || this.#readAnew(), READ_ANEW_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  /** Connects, and resolves when that has worked or failed once: it goes on in the background. Throws only for settings that cannot work. */
  static async connect(settings: RedisSettings, log: Logger): Promise<RedisCoordinator> {
    const client = await redisClient(settings, { commandTimeout: COMMAND_MS });
    const coordinator = new RedisCoordinator(client, await redisClient(settings), settings, log);
    await coordinator.#channel.open();
    await client.connect().catch(() => undefined);
    await coordinator.#register();
    return coordinator;
  }

  override async introduce(note: ProcessNote): Promise<readonly ProcessNote[]> {
    this.#note = note;
    await this.#register();
    const told = (await this.#scripts.hubProcesses().catch(() => [])) as string[];
    return told.map(one => JSON.parse(one) as ProcessNote | null).filter(one => one !== null);
  }

  override connected(): boolean {
    return this.#up;
  }

  override identity(): string | undefined {
    return this.#up ? this.#epoch : undefined;
  }

  async acquire(group: string, limit: number, snapshot?: Snapshot): Promise<Lease | undefined> {
    const id = randomToken(9);
    for (let tries = 0; tries < MAX_TRIES && !this.#closed; tries++) {
      // While Redis is away, nobody waits for it to be told what is held.
      if (this.#up) await this.#registering;
      if (!this.#up) return snapshot !== undefined && this.#held.size(group) < limit ? this.#grant(group, id, snapshot) : undefined;
      await this.#settled();
      const answer = await this.#ask(group, id, limit);
      if (this.#closed) return undefined;
      if (answer === 1) return this.#grant(group, id, snapshot);
      if (answer === 0) return undefined;
      if (answer === -1) await this.#register();
    }
    return undefined;
  }

  async holders(group: string): Promise<readonly SessionSnapshot[]> {
    const own = this.#held.snapshots(group);
    return this.#up ? [...own, ...(await this.#channel.ask(group))] : own;
  }

  async count(key: string, windowMs: number): Promise<number> {
    const counting = this.#up ? this.#scripts.hubCount(key, windowMs, randomToken(9), MAX_COUNTED) : Promise.reject(new Error('away'));
    return counting.then(Number, () => this.#alone.count(key, windowMs));
  }

  broadcast<T extends keyof Broadcasts>(topic: T, message: Broadcasts[T]): void {
    if (this.#closed) return;
    this.#topics.emit(topic, message);
    this.#channel.send(topic, message);
  }

  listen<T extends keyof Broadcasts>(topic: T, listener: (message: Broadcasts[T]) => void): () => void {
    this.#topics.on(topic, listener);
    return () => void this.#topics.off(topic, listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#topics.removeAllListeners();
    this.#held.clear();
    await Promise.allSettled(this.#asking);
    if (this.#up) await this.#scripts.hubLeave().catch(() => undefined);
    this.#channel.close();
    this.redis.disconnect();
  }

  #grant(group: string, id: string, snapshot: Snapshot): Lease {
    this.#held.add(group, id, snapshot);
    return {
      update: next => this.#held.update(group, id, next),
      release: async () => {
        if (!this.#held.remove(group, id) || !this.#up) return;
        // What Redis does not hear now it learns by the next registration.
        await this.#scripts.hubRelease(group, id).catch((error: unknown) => this.#lose(error));
      },
    };
  }

  /** 1 when the slot is this process's, 0 when none is free, -1 when Redis does not know this process; undefined when it does not answer. */
  async #ask(group: string, id: string, limit: number): Promise<number | undefined> {
    const wanted = this.#scripts.hubAcquire(this.#epoch, group, id, Math.min(limit, Number.MAX_SAFE_INTEGER), KEEP_MS);
    const asking = wanted.then(
      answer => Number(answer),
      (error: unknown) => void this.#lose(error),
    );
    this.#asking.add(asking);
    return asking.finally(() => this.#asking.delete(asking));
  }

  async #settled(): Promise<void> {
    const waitMs = this.#settledAt - performance.now();
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs).unref());
  }

  async #beat(): Promise<void> {
    if (this.redis.status !== 'ready' || this.#closed) return;
    this.#channel.beat();
    if (!this.#up || ++this.#beats % WRITE_ANEW_BEATS === 0) return this.#register();
    const known = await this.#scripts.hubBeat(this.#epoch, LIFE_MS, KEEP_MS).catch((error: unknown) => this.#lose(error));
    if (known === 0) await this.#register();
    else if (known !== undefined) this.#others = Number(known) - 1;
  }

  /** Tells Redis all that this process holds, in place of what it knew. Never rejects. */
  #register(): Promise<void> {
    this.#registering ??= this.#tellAll()
      .catch((error: unknown) => this.#lose(error))
      .finally(() => {
        this.#registering = undefined;
      });
    return this.#registering;
  }

  async #tellAll(): Promise<void> {
    if (this.#closed || this.redis.status !== 'ready') return;
    // A slot that is being given must be among those that are told.
    await Promise.allSettled(this.#asking);
    let told: RegisterAnswer;
    let version: number;
    do {
      version = this.#held.version;
      const held = this.#held.toJson();
      const note = JSON.stringify(this.#note ?? null);
      told = (await this.#scripts.hubRegister(LIFE_MS, KEEP_MS, note, randomToken(9), held, this.#channel.all)) as RegisterAnswer;
      // What was granted or released meanwhile must be told as well before Redis is asked again.
    } while (!this.#up && version !== this.#held.version);
    this.#settle(told);
    if (this.#up) return;
    this.#up = true;
    if (this.#toldLost) this.log.info({ redis: describeRedis(this.settings.url) }, 'Redis is back: limits are exact again');
    this.#toldLost = false;
    this.#readAnew();
  }

  /** Where Redis has forgotten what others hold, no slot is given until they have told it again; that they are there, a new process sees by who listens. */
  #settle([epoch, ageMs, told, there]: RegisterAnswer): void {
    if (this.#epoch === '' ? there > told : epoch !== this.#epoch && this.#others > 0)
      this.#settledAt = performance.now() + SETTLING_MS - (this.#epoch === '' ? ageMs : 0);
    this.#epoch = epoch;
    this.#others = Math.max(this.#others, there - 1);
  }

  #lose(error: unknown): void {
    this.#up = false;
    if (this.#toldLost || this.#closed) return;
    this.#toldLost = true;
    const fields = { err: error, redis: describeRedis(this.settings.url) };
    this.log.warn(fields, 'Redis does not serve: uploads and sessions go on, limits hold for each process by itself, deliveries wait');
  }

  /** Tells this process of every change that it may have missed. */
  #readAnew(): void {
    for (const table of SHARED_TABLES) this.#topics.emit('records.changed', { table });
    this.#topics.emit('deliveries.waiting', {});
  }
}
