import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { answered, guardSockets, type RedisSettings, redisClient } from '../cluster/redis-connection.js';
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
/** Without an answer for this long, BullMQ or the client waits for something that will not come. */
const FORGOTTEN_MS = COMMAND_MS + 1_000;
/** A worker that waits for a job asks anew after this long. */
const BLOCK_S = 2;
const RETRY_MS = 1_000;
/** No failure of a command is told before. */
const FAILURE_MS = 300;
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
    pace(redis).on('error', error => options.onError(error));
    redis.on('ready', () => void this.#rebuild());
    const duplicate = redis.duplicate.bind(redis);
    redis.duplicate = override => {
      const copy = pace(guardSockets(duplicate(override)));
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
    const bulk = jobs.map(data => ({ name: data.event.type, data, opts: { ...options, jobId: jobId(data) } }));
    await answered(this.#queue.addBulk(bulk), FORGOTTEN_MS);
  }

  /** Throws when Redis does not answer. */
  async stateOf(delivery: Pick<DeliveryJob, 'id' | 'attempt'>): Promise<JobState> {
    if (!this.#queue) throw new Error('Redis is away');
    const job = (await answered(this.#queue.getJob(jobId(delivery)), FORGOTTEN_MS)) as Job | undefined;
    const state = job ? await answered(job.getState(), FORGOTTEN_MS) : 'unknown';
    if (state === 'unknown') return { state };
    if (state === 'active') return { state: 'running', runsOn: job?.processedBy ?? '' };
    return { state: state === 'completed' || state === 'failed' ? 'ended' : 'waiting' };
  }

  /** Takes no more jobs, and resolves when BullMQ knows of those that ended, or nothing is heard of it any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#building;
    // BullMQ waits for the end of the connections on which workers wait, which one that is lost just then never tells of.
    await this.#endWorker(!this.ready || [...this.#waiting].some(({ status }) => status !== 'ready'));
  }

  /** Ends the connections; after close(). */
  async disconnect(): Promise<void> {
    await this.#queue?.close().catch(() => undefined);
    this.redis.disconnect();
  }

  async #endWorker(force: boolean): Promise<void> {
    if (this.#worker) await answered(this.#worker.close(force), FORGOTTEN_MS).catch(() => undefined);
    for (const client of this.#waiting) {
      // A worker that was waiting for its connection to come back makes one anew when it hears that it has ended.
      client.connect = () => Promise.reject(new Error('The worker has ended'));
      client.disconnect();
    }
    this.#waiting.clear();
  }

  #rebuild(): Promise<void> {
    this.#building = this.#building.then(() => this.#build()).catch((error: Error) => this.options.onError(error));
    return this.#building;
  }

  async #build(): Promise<void> {
    if (this.#closed || this.redis.status !== 'ready') return;
    const { Queue, Worker } = await import('bullmq');
    const { node, concurrency, process, onError, onReady } = this.options;
    await this.#endWorker(true);
    await this.#queue?.close().catch(() => undefined);
    this.#queue = undefined;
    const common = { connection: this.redis, prefix: this.settings.keyPrefix };
    const queue = new Queue(QUEUE, { ...common, streams: { events: { maxLen: KEEP.count } } });
    queue.on('error', onError);
    const worker = new Worker(QUEUE, job => process(job.data as DeliveryJob), {
      ...common,
      name: node,
      autorun: false,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      // Whether a try is lost is not BullMQ's to say.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      drainDelay: BLOCK_S,
      runRetryDelay: RETRY_MS,
    });
    worker.on('error', onError);
    this.#worker = worker;
    try {
      await answered(Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]), FORGOTTEN_MS);
    } catch (error) {
      // BullMQ asks for the version of Redis once, and a worker that did not hear it would ask for jobs without a pause.
      onError(error as Error);
      await queue.close().catch(() => undefined);
      this.#buildLater();
      return;
    }
    void worker.run().catch(onError);
    this.#queue = queue;
    onReady();
  }

  /** Where the connection was lost, there is another one to build on soon. */
  #buildLater(): void {
    const { redis } = this;
    const lost = () => clearTimeout(timer);
    const timer = setTimeout(() => {
      redis.off('close', lost);
      void this.#rebuild();
    }, RETRY_MS).unref();
    redis.once('close', lost);
  }
}

/**
 * Tells of failures a moment late: BullMQ's worker asks for a job again as soon as a question has failed, and where questions fail at
 * once, as they do while the connection is lost, the process would do nothing else for ever.
 */
function pace(client: Redis): Redis {
  const send: Redis['sendCommand'] = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    const answer = send(command, stream) as Promise<unknown>;
    // Of a pipeline, nobody waits for what each command gives.
    if (stream) return answer;
    const paced = answer.catch(async (error: unknown) => {
      await sleep(FAILURE_MS);
      throw error;
    });
    paced.catch(() => undefined);
    return paced;
  };
  return client;
}

/** BullMQ allows no colon in it. */
function jobId({ id, attempt }: Pick<DeliveryJob, 'id' | 'attempt'>): string {
  return `${id}-${attempt}`;
}
