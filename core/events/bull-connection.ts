import type { Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { guardSockets, type RedisSettings, redisClient } from '../cluster/redis-connection.js';
import type { ClaimedDelivery } from './delivery.js';

/** What a job carries: the delivery, and which node's relay put it there. */
export interface DeliveryJob extends ClaimedDelivery {
  readonly node: string;
}

/** What BullMQ knows of a job: it waits, `runsOn` a node, has ended, or is unknown. */
export type JobState = { readonly state: 'waiting' | 'ended' | 'unknown' } | { readonly state: 'running'; readonly runsOn: string };

/** How jobs are run. */
export interface BullOptions {
  readonly node: string;
  readonly concurrency: number;
  readonly process: (job: DeliveryJob) => Promise<void>;
  /** Called when Redis serves, at first and whenever it is back. */
  readonly onReady: () => void;
  /** Called for what goes wrong between BullMQ and Redis. */
  readonly onError: (error: Error) => void;
}

const QUEUE = 'deliveries';
/** Longer than the longest command that waits, by far. */
const COMMAND_MS = 4_000;
/** A worker that waits for a job asks anew after this long. */
const BLOCK_S = 2;
const RETRY_MS = 1_000;
/** A job whose worker died is given to another one after this long, at most twice as long. */
const LOCK_MS = 10_000;
const STALLED_MS = 5_000;
/** Ended jobs that other consumers may still read. */
const KEEP = { count: 1_000, age: 3_600 } as const;

/**
 * BullMQ's queue and worker on one Redis. They are made anew whenever the connection is: what they waited for is lost with
 * the old one.
 */
export class BullConnection {
  #queue: Queue | undefined;
  #worker: Worker | undefined;
  /** The connections on which workers wait: one that BullMQ leaves while it is lost would try to come back for ever. */
  readonly #waiting = new Set<Redis>();
  #building: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(
    private readonly redis: Redis,
    private readonly settings: RedisSettings,
    private readonly options: BullOptions,
  ) {
    redis.on('error', error => options.onError(error));
    redis.on('ready', () => void this.#rebuild());
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = override => {
      const copy = guardSockets(duplicate(override));
      copy.on('error', error => options.onError(error));
      this.#waiting.add(copy);
      return copy;
    };
  }

  /** Resolves when the first try to connect has ended, whether it worked or not. */
  static async open(settings: RedisSettings, options: BullOptions): Promise<BullConnection> {
    const redis = await redisClient(settings, { commandTimeout: COMMAND_MS, maxRetriesPerRequest: null });
    const connection = new BullConnection(redis, settings, options);
    await redis.connect().catch(() => undefined);
    await connection.#building;
    return connection;
  }

  get ready(): boolean {
    return this.redis.status === 'ready' && this.#queue !== undefined;
  }

  /** Throws when Redis takes nothing now. */
  async probe(): Promise<void> {
    await this.redis.set(`${this.settings.keyPrefix}:probe`, '1', 'PX', 1_000);
  }

  /** Adds a job for each; one that is there already stays as it is. Throws when Redis does not take them, and then may have taken some. */
  async add(jobs: readonly DeliveryJob[]): Promise<void> {
    if (!this.#queue) throw new Error('Redis is away');
    const options = { attempts: 1, removeOnComplete: KEEP, removeOnFail: KEEP };
    await answered(this.#queue.addBulk(jobs.map(data => ({ name: data.event.type, data, opts: { ...options, jobId: jobId(data) } }))));
  }

  /** Throws when Redis does not answer. */
  async stateOf(delivery: Pick<DeliveryJob, 'id' | 'attempt'>): Promise<JobState> {
    if (!this.#queue) throw new Error('Redis is away');
    const job = (await answered(this.#queue.getJob(jobId(delivery)))) as Job | undefined;
    const state = job ? await answered(job.getState()) : 'unknown';
    if (state === 'unknown') return { state };
    if (state === 'active') return { state: 'running', runsOn: job?.processedBy ?? '' };
    return { state: state === 'completed' || state === 'failed' ? 'ended' : 'waiting' };
  }

  /** Takes no more jobs, and resolves when those that run have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#building;
    await this.#endWorker(!this.ready);
  }

  /** Ends the connections; after close(). */
  async disconnect(): Promise<void> {
    await this.#queue?.close().catch(() => undefined);
    this.redis.disconnect();
  }

  async #endWorker(force: boolean): Promise<void> {
    await this.#worker?.close(force).catch(() => undefined);
    for (const client of this.#waiting) client.disconnect();
    this.#waiting.clear();
  }

  #rebuild(): Promise<void> {
    this.#building = this.#building.then(() => this.#build()).catch((error: Error) => this.options.onError(error));
    return this.#building;
  }

  async #build(): Promise<void> {
    if (this.#closed) return;
    const { Queue, Worker } = await import('bullmq');
    const { node, concurrency, process, onError, onReady } = this.options;
    await this.#endWorker(true);
    await this.#queue?.close().catch(() => undefined);
    const common = { connection: this.redis, prefix: this.settings.keyPrefix };
    const queue = new Queue(QUEUE, { ...common, streams: { events: { maxLen: KEEP.count } } });
    queue.on('error', onError);
    const worker = new Worker(QUEUE, job => process(job.data as DeliveryJob), {
      ...common,
      name: node,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      // Whether a try is lost is not BullMQ's to say.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      drainDelay: BLOCK_S,
      runRetryDelay: RETRY_MS,
    });
    worker.on('error', onError);
    this.#queue = queue;
    this.#worker = worker;
    onReady();
  }
}

/** What `command` gives, or a failure soon after the client should have told of one: deliveries must not hang on a client that does not. */
async function answered<T>(command: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis did not answer')), COMMAND_MS + 1_000);
  });
  try {
    return await Promise.race([command, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** BullMQ allows no colon in it. */
function jobId({ id, attempt }: Pick<DeliveryJob, 'id' | 'attempt'>): string {
  return `${id}-${attempt}`;
}
