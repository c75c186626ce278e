import 'reflect-metadata';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { BullEventQueue } from '#core/events/bull-queue.js';
import type { ClaimedDelivery } from '#core/events/delivery.js';
import type { EventQueue } from '#core/events/queue.js';
import { Outbox, stopAtEnd, until } from '../../conformance/outbox.js';
import { endNow, start } from '../../support/children.js';
import { Relay } from '../../support/relay.js';
import { type Service, startRedis } from '../../support/services.js';

/** From when Redis is back until deliveries go on. */
const BACK_MS = 15_000;

interface Parts {
  readonly outbox: Outbox;
  readonly redis: Service;
  readonly relay: Relay;
  readonly tries: ClaimedDelivery[];
  /** Opens what every try waits for. */
  readonly open: () => void;
  readonly queue: EventQueue;
}

/** A queue on a Redis of its own, whose tries wait until they are let go. */
async function begin(t: ExecutionContext, options = {}): Promise<Parts> {
  const redis = await startRedis();
  const relay = await new Relay(redis.port).start();
  const outbox = await Outbox.open(t, options);
  let open = () => {};
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  const tries: ClaimedDelivery[] = [];
  const { deliveries, rules, coordinator, settings, directory } = outbox;
  const place = { url: `redis://127.0.0.1:${relay.port}`, tls: {}, keyPrefix: basename(directory) };
  const queue = stopAtEnd(t, new BullEventQueue(deliveries, rules, coordinator, settings, place));
  await queue.start(async delivery => {
    tries.push(delivery);
    await opened;
    const outcome = { startedAt: Date.now(), durationMs: 1, succeeded: true, summary: 'ok', answer: undefined };
    await deliveries.finish(delivery.id, delivery.attempt, outcome);
  });
  t.teardown(async () => {
    await relay.stop();
    await redis.stop();
  });
  return { outbox, redis, relay, tries, open, queue };
}

async function command(redis: Service, ...words: [string, ...string[]]): Promise<unknown> {
  const { Redis } = await import('ioredis');
  const client = new Redis(redis.port);
  const answer = await client.call(...words);
  client.disconnect();
  return answer;
}

async function succeeded({ outbox }: Parts): Promise<number> {
  return (await outbox.deliveries.page({ state: 'succeeded' }, undefined, 1)).total;
}

const FAULTS: Readonly<Record<string, { spoil(parts: Parts): Promise<unknown>; mend(parts: Parts): Promise<unknown> | unknown }>> = {
  'is flushed': { spoil: ({ redis }) => command(redis, 'FLUSHALL'), mend: () => undefined },
  'is killed, and comes back without its records': { spoil: ({ redis }) => redis.kill(), mend: ({ redis }) => redis.restart() },
  'is full': {
    spoil: ({ redis }) => command(redis, 'CONFIG', 'SET', 'maxmemory', '1'),
    mend: ({ redis }) => command(redis, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  'stands still': {
    spoil: async ({ redis }) => process.kill(redis.pid, 'SIGSTOP'),
    mend: ({ redis }) => process.kill(redis.pid, 'SIGCONT'),
  },
  'cannot be reached': { spoil: ({ relay }) => relay.stop(), mend: ({ relay }) => relay.start() },
  'answers nothing any more': {
    spoil: async ({ relay }) => relay.fallSilent(),
    mend: async ({ relay }) => {
      await relay.stop();
      await relay.start();
    },
  },
};

for (const [what, { spoil, mend }] of Object.entries(FAULTS)) {
  test(`delivers everything when Redis ${what}`, async t => {
    const parts = await begin(t, { concurrency: 8 });
    for (let i = 0; i < 15; i++) await parts.outbox.publish('a', 'b', 'c');
    await until(() => parts.tries.length >= 4);
    await spoil(parts);
    for (let i = 0; i < 15; i++) await parts.outbox.publish('a', 'b', 'c');
    parts.outbox.wake();
    await new Promise(resolve => setTimeout(resolve, 6_000));
    parts.open();
    await mend(parts);
    const back = performance.now();
    await until(async () => (await succeeded(parts)) === 90);
    const took = performance.now() - back;
    t.log(`${Math.round(took)} ms after it was back; ${parts.tries.length} tries`);
    t.true(took < BACK_MS);
  });
}

test('leaves alone a job whose delivery is no longer in that try', async t => {
  const parts = await begin(t);
  parts.open();
  const event = await parts.outbox.publish('a');
  parts.outbox.wake();
  await until(async () => (await succeeded(parts)) === 1);
  const { Queue } = await import('bullmq');
  const { Redis } = await import('ioredis');
  const connection = new Redis(parts.redis.port, { maxRetriesPerRequest: null });
  const queue = new Queue('deliveries', { connection, prefix: basename(parts.outbox.directory) });
  const late = await queue.add(event.type, parts.tries[0], { jobId: 'late' });
  await until(async () => (await late.getState()) === 'completed');
  t.is(parts.tries.length, 1);
  await queue.close();
  connection.disconnect();
});

test('other programs read the deliveries with a plain Redis client, and ended jobs do not pile up', async t => {
  const parts = await begin(t);
  parts.open();
  const consumer = fileURLToPath(new URL('../../../../test/fixtures/read-deliveries.mjs', import.meta.url));
  const child = start(process.execPath, [consumer, parts.redis.url, basename(parts.outbox.directory)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => endNow(child));
  const read: { type: string; delivery: ClaimedDelivery }[] = [];
  createInterface({ input: child.stdout! }).on('line', line => void read.push(JSON.parse(line)));
  const event = await parts.outbox.publish('a', 'b');
  parts.outbox.wake();
  await until(() => read.length === 2);
  t.deepEqual(read.map(({ delivery }) => delivery.target).sort(), ['a', 'b']);
  for (const { type, delivery } of read) {
    t.is(type, event.type);
    t.deepEqual(delivery.event, event);
    t.deepEqual([delivery.attempt, delivery.failures], [1, 0]);
  }
  const key = `${basename(parts.outbox.directory)}:deliveries:completed`;
  for (let i = 0; i < 300; i++) await parts.outbox.publish('a', 'b', 'c', 'd');
  parts.outbox.wake();
  await until(async () => (await succeeded(parts)) === 1_202);
  await until(async () => Number(await command(parts.redis, 'ZCARD', key)) <= 1_000);
  t.pass();
});

test("a target's share of the slots is for all nodes together", async t => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const first = await Outbox.open(t, { node: 'one', concurrency: 8 });
  const second = await Outbox.open(t, { node: 'two', concurrency: 8 }, first.directory);
  for (let i = 0; i < 30; i++) await first.publish('a');
  let [running, most, done] = [0, 0, 0];
  const place = { url: redis.url, tls: {}, keyPrefix: basename(first.directory) };
  for (const { deliveries, rules, settings } of [first, second]) {
    const queue = stopAtEnd(t, new BullEventQueue(deliveries, rules, first.coordinator, settings, place));
    await queue.start(async ({ id, attempt }) => {
      most = Math.max(most, ++running);
      await new Promise(resolve => setTimeout(resolve, 20));
      running--;
      done++;
      await deliveries.finish(id, attempt, { startedAt: Date.now(), durationMs: 1, succeeded: true, summary: 'ok', answer: undefined });
    });
  }
  await until(() => done === 30);
  t.is(most, 2);
});

test('what a node had claimed that was killed before Redis had it is tried by another one, long before the claim ends', async t => {
  const parts = await begin(t);
  parts.open();
  await parts.outbox.publish('a');
  const [claimed] = await parts.outbox.deliveries.claim(new Map([['a', 1]]), 'killed/x', 3_600_000);
  t.is(claimed?.attempt, 1);
  await until(async () => (await succeeded(parts)) === 1);
  t.deepEqual(
    parts.tries.map(({ id, attempt }) => ({ id, attempt })),
    [{ id: claimed!.id, attempt: 2 }],
  );
});

test('what another node has just claimed, or runs, is left to it', async t => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const first = await Outbox.open(t, { node: 'one' });
  const second = await Outbox.open(t, { node: 'two' }, first.directory);
  // Before there is a queue that would claim it.
  await first.publish('b');
  const [claimed] = await first.deliveries.claim(new Map([['b', 1]]), 'three/x', 3_600_000);
  const place = { url: redis.url, tls: {}, keyPrefix: basename(first.directory) };
  let tries = 0;
  let open = () => {};
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  for (const { deliveries, rules, settings } of [first, second]) {
    const queue = stopAtEnd(t, new BullEventQueue(deliveries, rules, first.coordinator, settings, place));
    await queue.start(async ({ id, attempt }) => {
      tries++;
      await opened;
      await deliveries.finish(id, attempt, { startedAt: Date.now(), durationMs: 1, succeeded: true, summary: 'ok', answer: undefined });
    });
  }
  t.teardown(() => open());
  await first.publish('a');
  first.wake();
  await until(() => tries === 1);
  await new Promise(resolve => setTimeout(resolve, 9_000));
  t.is(tries, 1);
  t.true(await first.deliveries.isRunning(claimed!.id, 1));
  open();
  await until(async () => (await first.deliveries.page({ state: 'succeeded' }, undefined, 1)).total >= 1);
  t.pass();
});

test('ends in time although the connection on which workers wait was lost just then', async t => {
  const { redis, relay, queue } = await begin(t);
  const waiting = await until(async () => {
    const clients = String(await command(redis, 'CLIENT', 'LIST')).split('\n');
    return /id=(\d+)/.exec(clients.find(client => client.includes('cmd=bzpopmin')) ?? '')?.[1];
  });
  relay.refuse();
  await command(redis, 'CLIENT', 'KILL', 'ID', waiting);
  await new Promise(resolve => setTimeout(resolve, 30));
  await queue.stop(AbortSignal.abort());
  t.pass();
});

test('delivers when Redis did not answer the first question on a new connection, and answers later', async t => {
  const parts = await begin(t);
  parts.open();
  await parts.relay.stop();
  // The client asks for INFO when it has connected, and BullMQ asks anew: once, and gives up before the connection does.
  parts.relay.holdAt('\r\ninfo\r\n', 2, 4_400);
  await parts.relay.start();
  await parts.outbox.publish('a');
  parts.outbox.wake();
  await until(async () => (await succeeded(parts)) === 1);
  t.pass();
});

test('a process whose slots are all taken when Redis is lost goes on with everything else', async t => {
  const parts = await begin(t, { concurrency: 4 });
  await parts.outbox.publish('a', 'b', 'c', 'd', 'e', 'f');
  parts.outbox.wake();
  await until(() => parts.tries.length === 4);
  await parts.relay.stop();
  parts.open();
  await until(async () => (await succeeded(parts)) === 4);
  let turns = 0;
  const counting = setInterval(() => turns++, 10);
  await new Promise(resolve => setTimeout(resolve, 1_000));
  clearInterval(counting);
  t.true(turns > 10);
  await parts.relay.start();
  await until(async () => (await succeeded(parts)) === 6);
});

test('leaves no connection behind when Redis was away', async t => {
  const { redis, relay, outbox, tries, open } = await begin(t);
  open();
  for (let round = 1; round <= 2; round++) {
    await relay.stop();
    // By then the worker has given up its question, and waits for the connection.
    await new Promise(resolve => setTimeout(resolve, 4_500));
    await relay.start();
    await outbox.publish('a');
    await until(() => tries.length === round);
  }
  await new Promise(resolve => setTimeout(resolve, 3_000));
  const clients = String(await command(redis, 'CLIENT', 'LIST'))
    .trim()
    .split('\n');
  // One for questions, one on which the worker waits, and that of this command.
  t.is(clients.length, 3, clients.join('\n'));
});
