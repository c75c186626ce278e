import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { addWebhook } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { Relay } from '../support/relay.js';
import { type Service, startRedis } from '../support/services.js';
import type { AcceptScript } from './script.js';

const TYPE = 'upload.completed';
const PASSWORD = 'a long password';
/** Ten uploads a second. */
const EVERY_MS = 100;
/** Every so many uploads the client logs in anew. */
const LOGIN_EVERY = 5;
/** So many uploads before the fault, no node may begin what it hands to Redis: that much is in it then. */
const PAUSED_UPLOADS = 8;
const PREFIX = 'entrepot';
/** From when Redis is back until everything is delivered. */
const BACK_MS = 15_000;

interface Plan {
  readonly uploads: number;
  readonly outageMs: number;
}

/** What is between the hub and Redis. */
interface Parts {
  readonly redis: Service;
  readonly relay: Relay;
}

interface Fault {
  readonly name: string;
  /** Redis has no records afterwards, so that what waits in it is lost. */
  readonly forgets?: true;
  /** What the gauge shows meanwhile; 0 unless told. */
  readonly gauge?: '1';
  spoil(parts: Parts): Promise<unknown> | unknown;
  /** Whatever is not mended is over as soon as it was done. */
  mend?(parts: Parts): Promise<unknown> | unknown;
}

const FAULTS: readonly Fault[] = [
  { name: 'killed, and away for a while', forgets: true, spoil: ({ redis }) => redis.kill(), mend: ({ redis }) => redis.restart() },
  { name: 'started anew without its records', forgets: true, spoil: ({ redis }) => redis.restart() },
  { name: 'FLUSHALL', forgets: true, spoil: ({ redis }) => command(redis, 'FLUSHALL') },
  {
    name: 'SIGSTOP',
    spoil: ({ redis }) => process.kill(redis.pid, 'SIGSTOP'),
    mend: ({ redis }) => process.kill(redis.pid, 'SIGCONT'),
  },
  {
    name: 'maxmemory 1mb',
    spoil: ({ redis }) => command(redis, 'CONFIG', 'SET', 'maxmemory', '1mb'),
    mend: ({ redis }) => command(redis, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'takes everything but deliveries',
    gauge: '1',
    spoil: ({ redis }) => command(redis, 'ACL', 'SETUSER', 'default', 'resetkeys', `~${PREFIX}:[^d]*`),
    mend: ({ redis }) => command(redis, 'ACL', 'SETUSER', 'default', 'allkeys'),
  },
  {
    name: 'cut off by a proxy, which goes on to accept',
    spoil: ({ relay }) => relay.fallSilent(),
    mend: async ({ relay }) => {
      await relay.stop();
      await relay.start();
    },
  },
];

const script: AcceptScript = {
  id: '05.2',
  title: 'Redis lost, flushed, full and slow, with uploads at 10/s: none fails, and every event is delivered',
  async run(report, scale) {
    const plan = scale === 'full' ? { uploads: 1_000, outageMs: 60_000 } : { uploads: 100, outageMs: 5_000 };
    const key = await (await Clients.create()).makeKey('alice');
    // Some at a time, since each of them mostly waits.
    for (let i = 0; i < FAULTS.length; i += 4) {
      const runs = FAULTS.slice(i, i + 4).map(fault => ({ fault, run: suffer(fault, plan, key) }));
      for (const { run } of runs) run.catch(() => undefined);
      for (const { fault, run } of runs) await report.check(fault.name, () => run);
    }
    await report.check('without Redis from the start, the hub serves, and delivers when there is one', () => lateRedis(key));
  },
};

/** Uploads at an even pace, with the fault in the middle. Gives the figures. */
async function suffer(fault: Fault, { uploads, outageMs }: Plan, key: string): Promise<string> {
  const redis = await startRedis();
  const relay = await new Relay(redis.port).start();
  const receiver = await Receiver.listen();
  const hub = await startHub(relay.port);
  const faultAt = Math.round(uploads * 0.2);
  let failed = 0;
  let gauge: string | undefined;
  let waiting = 0;
  let [back, backAt] = [0, 0];
  try {
    await hub.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    await addWebhook(hub, receiver, TYPE);
    const client = new Uploader(hub.port, await readFile(key));
    const parts = { redis, relay };
    let suffering: Promise<void> | undefined;
    const running: Promise<void>[] = [];
    for (let i = 0; i < uploads; i++) {
      if (fault.forgets && i === faultAt - PAUSED_UPLOADS) await pauseJobs(redis);
      if (i === faultAt)
        suffering = (async () => {
          if (fault.forgets) waiting = await until('jobs wait in Redis', () => countWaiting(redis));
          await fault.spoil(parts);
          if (fault.mend) {
            await sleep(outageMs);
            gauge = await metric(hub);
            await fault.mend(parts);
          }
          [back, backAt] = [performance.now(), Date.now()];
        })();
      const put = client.put(i).catch((error: Error) => {
        failed++;
        console.log(`     ${fault.name}: upload ${i}: ${error.message}`);
      });
      running.push(put);
      await sleep(EVERY_MS);
    }
    await Promise.all(running);
    await suffering;
    const uploaded = performance.now();
    const paths = () => new Set(receiver.accepted(TYPE).map(({ body }) => body.data.path));
    await until('every event', () => paths().size >= uploads, 45_000).catch(() => undefined);
    const behindMs = Math.max(0, performance.now() - Math.max(back, uploaded));
    client.end();
    const resumedMs = Math.round(Math.min(...receiver.received.filter(({ at }) => at >= backAt).map(({ at }) => at)) - backAt);
    const missing = uploads - paths().size;
    const ids = new Set(receiver.accepted(TYPE).map(({ id }) => id)).size;
    const figures = `${uploads} uploads, failed ${failed}, missing events ${missing}, several ids ${ids - paths().size}; ${fault.forgets ? `${waiting} jobs lost in Redis; ` : ''}first delivery ${resumedMs} ms after it was back, the last ${Math.round(behindMs)} ms after the last upload`;
    assert.deepEqual([failed, missing, ids], [0, 0, uploads], figures);
    assert.ok(Math.max(resumedMs, behindMs) <= BACK_MS, figures);
    if (fault.mend) assert.equal(gauge, fault.gauge ?? '0', 'entrepot_redis_up meanwhile');
    assert.equal(await until('entrepot_redis_up', async () => (await metric(hub)) === '1' && '1'), '1');
    return figures;
  } finally {
    await hub.stop();
    await receiver.close();
    await relay.stop();
    await redis.stop();
  }
}

async function lateRedis(key: string): Promise<string> {
  const redis = await startRedis();
  await redis.kill();
  const receiver = await Receiver.listen();
  const hub = await startHub(redis.port);
  try {
    await hub.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    await addWebhook(hub, receiver, TYPE);
    const client = new Uploader(hub.port, await readFile(key));
    for (let i = 0; i < 5; i++) await client.put(i);
    client.end();
    await redis.restart();
    const back = performance.now();
    await until('every event', () => receiver.accepted(TYPE).length >= 5, BACK_MS);
    return `delivered ${Math.round(performance.now() - back)} ms after it was there; the log says so ${hub.log.split('Redis does not serve').length - 1} time`;
  } finally {
    await hub.stop();
    await receiver.close();
    await redis.stop();
  }
}

function startHub(redisPort: number): Promise<HubProcess> {
  return HubProcess.start({
    env: {
      ENTREPOT_REDIS__URL: `redis://127.0.0.1:${redisPort}`,
      ENTREPOT_DURABILITY: 'process',
      ENTREPOT_EVENTS__RETRY: '["300ms","300ms","300ms"]',
    },
  });
}

/** A client that logs in anew every few uploads. */
class Uploader {
  #client: Promise<RawSftp> | undefined;
  #puts: Promise<unknown>[] = [];

  constructor(
    private readonly port: number,
    private readonly key: Buffer,
  ) {}

  async put(number: number): Promise<void> {
    if (number % LOGIN_EVERY === 0) {
      this.end();
      this.#client = RawSftp.connect({ port: this.port, user: 'alice', privateKey: this.key });
    }
    const put = this.#client!.then(client => client.put(`/f-${number}`, Buffer.from(`content of ${number}`)));
    this.#puts.push(put);
    await put;
  }

  /** Leaves when what is under way has ended. */
  end(): void {
    const [client, puts] = [this.#client, this.#puts];
    this.#puts = [];
    const leave = async () => (await client)?.end();
    void Promise.allSettled(puts)
      .then(leave)
      .catch(() => undefined);
  }
}

/** As an operator may by BullMQ's own means: jobs are added, and no worker takes one. It ends with Redis' records. */
async function pauseJobs(redis: Service): Promise<void> {
  await withJobs(redis, jobs => jobs.pause());
}

async function countWaiting(redis: Service): Promise<number> {
  return withJobs(redis, jobs => jobs.getWaitingCount());
}

async function withJobs<T>({ port }: Service, work: (jobs: Queue) => Promise<T>): Promise<T> {
  const { Queue } = await import('bullmq');
  const jobs = new Queue('deliveries', { connection: { port }, prefix: PREFIX });
  try {
    return await work(jobs);
  } finally {
    await jobs.close();
  }
}

async function metric(hub: HubProcess): Promise<string | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${hub.portOf('web')}/metrics`)).text();
  return /^entrepot_redis_up (\d)$/m.exec(text)?.[1];
}

async function command({ port }: Service, ...words: [string, ...string[]]): Promise<void> {
  const { Redis } = await import('ioredis');
  const client = new Redis(port);
  await client.call(...words);
  client.disconnect();
}

export default script;
