import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { RedisCoordinator } from '#core/cluster/redis.js';
import { createLogger, type Logger } from '#core/log.js';
import { type CoordinatorMember, snapshot, testCoordinator } from '../../conformance/coordinator.js';
import { until } from '../../conformance/outbox.js';
import { temporaryFolder } from '../../support/children.js';
import { freePort } from '../../support/free-port.js';
import { Relay } from '../../support/relay.js';
import { type Service, startRedis } from '../../support/services.js';
import { pem } from '../tls/support.js';

let redis: Service;
let prefixes = 0;
test.before(async () => {
  redis = await startRedis();
});
test.after.always(() => redis?.stop());

const silent = createLogger('silent');

/** Members over a way of their own to Redis, which a crash cuts. */
function cluster(t: ExecutionContext, port = redis.port, log: Logger = silent) {
  const keyPrefix = `test-${++prefixes}`;
  return async (): Promise<CoordinatorMember & { readonly coordinator: RedisCoordinator; readonly relay: Relay }> => {
    const relay = await new Relay(port).start();
    const coordinator = await RedisCoordinator.connect({ url: `redis://127.0.0.1:${relay.port}/3`, tls: {}, keyPrefix }, log);
    t.teardown(async () => {
      await coordinator.close();
      await relay.stop();
    });
    return { coordinator, relay, crash: () => relay.stop() };
  };
}

testCoordinator('Redis', t => cluster(t));

/** A Redis that the test may break. */
async function ownRedis(t: ExecutionContext): Promise<Service> {
  const own = await startRedis();
  t.teardown(() => own.stop());
  return own;
}

for (const [what, breakIt] of [
  ['was flushed', async ({ pid: _, ...own }: Service) => void (await send(own.port, 'FLUSHALL'))],
  ['was killed and started without its records', (own: Service) => own.restart()],
] as const) {
  test(`limits hold after Redis ${what}, for all processes`, async t => {
    const own = await ownRedis(t);
    const connect = cluster(t, own.port);
    const [one, other] = [await connect(), await connect()];
    const leases = await Promise.all([one, other, one].map(({ coordinator }, i) => coordinator.acquire('g', 3, snapshot(`s${i}`))));
    t.true(leases.every(lease => lease !== undefined));
    // With the next beat of each, they know of each other.
    await sleep(1_500);
    await breakIt(own);
    await until(() => one.coordinator.connected() && other.coordinator.connected());
    t.is(await one.coordinator.acquire('g', 3, snapshot('late')), undefined);
    t.is(await other.coordinator.acquire('g', 3, snapshot('late')), undefined);
    await leases[1]!.release();
    t.truthy(await one.coordinator.acquire('g', 3, snapshot('now')));
    t.is(await other.coordinator.acquire('g', 3, snapshot('late')), undefined);
  });
}

test('a process that starts just after Redis was flushed gives no slot before the others have told what they hold', async t => {
  const own = await ownRedis(t);
  const connect = cluster(t, own.port);
  const [one, other] = [await connect(), await connect()];
  t.truthy(await one.coordinator.acquire('g', 2, snapshot('a')));
  t.truthy(await other.coordinator.acquire('g', 2, snapshot('b')));
  await sleep(5_000);
  await send(own.port, 'FLUSHALL');
  const third = await connect();
  t.is(await third.coordinator.acquire('g', 2, snapshot('c')), undefined);
  t.truthy(await third.coordinator.acquire('g', 3, snapshot('c')));

  // Where everybody has told it, nobody waits.
  const fourth = await connect();
  const began = performance.now();
  t.truthy(await fourth.coordinator.acquire('other', 1, snapshot('d')));
  t.true(performance.now() - began < 1_500);
});

test('while Redis is away, sessions are let in by what the process itself holds, and work of one process waits; it is told once', async t => {
  const own = await ownRedis(t);
  const said: string[] = [];
  const log = { ...silent, warn: (_: unknown, message: string) => void said.push(message), info: () => undefined, error: () => t.fail() };
  const { coordinator, relay } = await cluster(t, own.port, log as unknown as Logger)();
  const before = await coordinator.acquire('g', 2, snapshot('before'));
  await relay.stop();
  await until(() => !coordinator.connected());
  const began = performance.now();
  const meanwhile = await coordinator.acquire('g', 2, snapshot('meanwhile'));
  t.truthy(meanwhile);
  t.is(await coordinator.acquire('g', 2, snapshot('third')), undefined);
  t.is(await coordinator.acquire('task/x', 1), undefined);
  t.deepEqual([await coordinator.count('k', 60_000), await coordinator.count('k', 60_000)], [1, 2]);
  t.deepEqual((await coordinator.holders('g')).map(({ id }) => id).sort(), ['before', 'meanwhile']);
  t.true(performance.now() - began < 500);
  await before!.release();
  await relay.start();
  await until(() => coordinator.connected());
  t.truthy(await coordinator.acquire('g', 2, snapshot('after')));
  t.is(await coordinator.acquire('g', 2, snapshot('third')), undefined);
  t.is(said.length, 1);
});

test('a Redis that falls silent delays nobody by more than a moment, and a new connection is made when it answers again', async t => {
  const own = await ownRedis(t);
  const connect = cluster(t, own.port);
  const [one, other] = [await connect(), await connect()];
  // A Redis that has just started gives the first slot when all had the time to come back.
  await one.coordinator.acquire('first', 1, snapshot('first'));
  one.relay.fallSilent();
  const began = performance.now();
  t.truthy(await one.coordinator.acquire('g', 2, snapshot('a')));
  t.true(performance.now() - began < 2_500);
  await one.relay.stop();
  await one.relay.start();
  await until(() => one.coordinator.connected());
  const heard: string[] = [];
  one.coordinator.listen('session.end', ({ session }) => void heard.push(session));
  await until(async () => {
    other.coordinator.broadcast('session.end', { session: 'x', reason: 'r' });
    await sleep(50);
    return heard.length > 0;
  });
  t.truthy(await other.coordinator.acquire('g', 2, snapshot('b')));
  t.is(await other.coordinator.acquire('g', 2, snapshot('c')), undefined);
});

test('who does not answer keeps a list waiting for less than a command that is given up', async t => {
  const own = await ownRedis(t);
  const { coordinator, relay } = await cluster(t, own.port)();
  relay.fallSilent();
  const first = await Promise.race([coordinator.count('k', 60_000).then(() => 'count'), coordinator.holders('g').then(() => 'holders')]);
  t.is(first, 'holders');
});

test('what may have changed unheard is read anew when the connection is back', async t => {
  const own = await ownRedis(t);
  const { coordinator, relay } = await cluster(t, own.port)();
  await sleep(100);
  const changed: string[] = [];
  coordinator.listen('records.changed', ({ table, id }) => void changed.push(`${table} ${id}`));
  await relay.stop();
  await until(() => !coordinator.connected());
  await relay.start();
  await until(() => changed.includes('users undefined') && changed.includes('rules undefined') && changed.includes('bans undefined'));
  t.pass();
});

test('a full Redis keeps no session out', async t => {
  const own = await ownRedis(t);
  const { coordinator } = await cluster(t, own.port)();
  await send(own.port, 'CONFIG SET maxmemory 1');
  t.truthy(await coordinator.acquire('g', 2, snapshot('a')));
  t.false(coordinator.connected());
  await send(own.port, 'CONFIG SET maxmemory 0');
  await until(() => coordinator.connected());
  t.truthy(await coordinator.acquire('g', 2, snapshot('b')));
  t.is(await coordinator.acquire('g', 2, snapshot('c')), undefined);
});

test('every key ends by itself', async t => {
  const own = await ownRedis(t);
  const { coordinator } = await cluster(t, own.port)();
  await coordinator.acquire('g', 2, snapshot('a'));
  await coordinator.count('k', 60_000);
  const { Redis } = await import('ioredis');
  const client = new Redis(`${own.url}/3`);
  t.teardown(() => client.disconnect());
  const keys = await client.keys('*');
  t.true(keys.length >= 6);
  for (const key of keys) t.true((await client.pttl(key)) > 0, key);
});

async function send(port: number, command: string): Promise<void> {
  const { Redis } = await import('ioredis');
  const client = new Redis(port);
  await client.call(...(command.split(' ') as [string]));
  client.disconnect();
}

test('speaks TLS with rediss://, and only with a server that the authority vouches for', async t => {
  const folder = await temporaryFolder('redis-tls');
  const [cert, other] = [join(folder, 'redis.pem'), join(folder, 'other.pem')];
  const text = await pem(['localhost']);
  await writeFile(cert, text, { mode: 0o600 });
  await writeFile(other, await pem(['localhost']), { mode: 0o600 });
  const port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', cert, '--tls-ca-cert-file', cert, '--tls-auth-clients', 'no'];
  const own = await startRedis('--tls-port', String(port), ...files);
  t.teardown(() => own.stop());
  const connect = async (ca: string) => {
    const coordinator = await RedisCoordinator.connect({ url: `rediss://localhost:${port}`, tls: { ca }, keyPrefix: 'tls' }, silent);
    t.teardown(() => coordinator.close());
    return coordinator;
  };
  const trusting = await connect(cert);
  await until(() => trusting.connected());
  t.truthy(await trusting.acquire('g', 1));
  const doubting = await connect(other);
  await sleep(500);
  t.false(doubting.connected());
  await t.throwsAsync(connect(join(folder, 'absent.pem')), { code: 'invalid-request', message: /^redis\.tls\.ca: .*absent\.pem/ });
});
