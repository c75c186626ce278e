import 'reflect-metadata';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import ssh2 from 'ssh2';
import type { InjectionToken } from 'tsyringe';
import { SessionRegistry } from '#core/auth/session.js';
import { Coordinator } from '#core/cluster/coordinator.js';
import { Members } from '#core/cluster/members.js';
import { AdminRepository } from '#core/db/admins.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { ProcessRepository } from '#core/db/processes.js';
import { UserRepository } from '#core/db/users.js';
import { LiveRelay } from '#core/events/live-relay.js';
import { RuleTable } from '#core/events/rules.js';
import { createLogger } from '#core/log.js';
import { until } from '../../conformance/outbox.js';
import { type DatabaseKind, onEachDatabase } from '../../support/databases.js';
import { openSession, startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';
import { type Service, startRedis } from '../../support/services.js';
import { put } from '../vfs/support.js';

let redis: Service;
let prefixes = 0;
test.before(async () => {
  redis = await startRedis();
});
test.after.always(() => redis?.stop());

const KEY = Buffer.alloc(32, 7).toString('base64');

/** Two nodes on one database and one storage. A file of SQLite serves both, since they are one process, which the hubs are not told. */
async function twoNodes(t: ExecutionContext, kind: DatabaseKind, options: TestHubOptions = {}): Promise<readonly [TestHub, TestHub]> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-nodes-'));
  const url = kind.dialect === 'sqlite' ? `sqlite:${folder}/hub.db` : await kind.fresh();
  const keyPrefix = `nodes-${++prefixes}`;
  const node = (name: string, users: TestHubOptions['users'] = {}) =>
    startHub(t, {
      ...options,
      users,
      storage: 'disk',
      databaseFile: true,
      values: {
        ...options.values,
        node: name,
        database: { url },
        secrets: { key: KEY },
        redis: { url: redis.url, keyPrefix },
      },
      configure: container => {
        if (kind.dialect !== 'sqlite') return;
        const settings = { node: name, shareable: true, joined: true, log: createLogger('silent') };
        const coordinator = container.resolve(Coordinator as InjectionToken<Coordinator>);
        container.registerInstance(Members, new Members(container.resolve(ProcessRepository), coordinator, settings));
      },
    });
  const one = await node('one', options.users ?? { alice: {} });
  const other = await node('other');
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return [one, other];
}

const registry = ({ hub }: TestHub) => hub.get(SessionRegistry);

onEachDatabase('the limit of a user holds for all nodes, whatever is tried at the same time', async (t, kind) => {
  const nodes = await twoNodes(t, kind, { users: { alice: { maxSessions: 5 } } });
  let most = 0;
  let open = 0;
  let opened = 0;
  const attempt = async (i: number): Promise<void> => {
    const session = await openSession(nodes[i % 2]!.hub, 'alice').catch(() => undefined);
    if (!session) return;
    opened++;
    most = Math.max(most, ++open);
    await new Promise(resolve => setTimeout(resolve, 3));
    open--;
    await session.end();
  };
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 20 }, (_, i) => attempt(i)));
  t.is(most, 5);
  t.true(opened >= 50);
  await until(async () => (await registry(nodes[0]).list()).length === 0);
});

onEachDatabase(
  'a user who is disabled on one node is out on the other within a second, and so is a session that is ended',
  async (t, kind) => {
    const [one, other] = await twoNodes(t, kind, { users: { alice: {}, bob: {} } });
    const [alice, bob] = [await openSession(other.hub, 'alice'), await openSession(other.hub, 'bob')];
    const ended = (session: typeof alice) =>
      new Promise<number>(resolve => session.signal.addEventListener('abort', () => resolve(performance.now())));
    const ends = [ended(alice), ended(bob)];
    await until(async () => (await registry(one).list()).length === 2);
    const began = performance.now();
    const users = one.hub.get(UserRepository);
    const found = await users.findByUsername('alice');
    await users.update(found!.id, { status: 'disabled' }, found!.version);
    await registry(one).end(bob.info.id, 'Enough');
    for (const end of ends) t.true((await end) - began < 1_000);
    t.is(bob.signal.reason, 'Enough');
    await t.throwsAsync(registry(one).end(bob.info.id, 'Again'), { code: 'not-found' });
  },
);

onEachDatabase('what happens on one node is seen live on the other, while somebody looks', async (t, kind) => {
  const [one, other] = await twoNodes(t, kind);
  const seen: string[] = [];
  const stop = one.hub
    .get(LiveRelay)
    .watch({ event: ({ type, source }) => void seen.push(`${type} ${source}`), delivery: () => undefined });
  const files = await other.files('alice');
  await until(async () => {
    await put(files, '/f', 'x');
    return seen.includes('upload.completed entrepot/other');
  });
  stop();
  const before = seen.length;
  await put(files, '/g', 'x');
  t.is(seen.length, before);
});

onEachDatabase('an upload that was cut off on one node goes on at the other', async (t, kind) => {
  const [one, other] = await twoNodes(t, kind);
  const session = await openSession(one.hub, 'alice');
  const begun = await session.files.open('/big', { write: true, create: true, truncate: true });
  await begun.write(Buffer.from('0123456789'), 0);
  await session.end('The client was lost');
  const files = await other.files('alice');
  await until(async () => (await files.stat('/big').catch(() => undefined)) !== undefined);
  t.is((await files.stat('/big')).size, 10);
  const goesOn = await files.open('/big', { write: true, create: true });
  await goesOn.write(Buffer.from('abc'), 10);
  await goesOn.close();
  t.is((await files.stat('/big')).size, 13);
});

onEachDatabase(
  'clients know every node by the same host keys, also after a rotation; a key that an operator put there stays',
  async (t, kind) => {
    if (kind.dialect === 'sqlite') {
      t.pass();
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-host-keys-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const url = await kind.fresh();
    const node = (name: string) =>
      startHub(t, {
        databaseFile: true,
        storage: 'disk',
        users: {},
        values: {
          node: name,
          database: { url },
          secrets: { key: KEY },
          redis: { url: redis.url, keyPrefix: `keys-${url.slice(-8).replace(/\W/g, '-')}` },
          protocols: { sftp: { host: '127.0.0.1', port: 0, hostKeys: join(folder, name) } },
        },
      });
    const offered = async ({ hub }: TestHub) =>
      (await hub.hostKeys!.list()).filter(({ state }) => state === 'offered').map(({ fingerprint }) => fingerprint);
    const one = await node('one');
    const other = await node('other');
    const before = await offered(one);
    t.is(before.length, 3);
    t.deepEqual(await offered(other), before);
    await other.stop();
    await one.hub.hostKeys!.rotate('ed25519');
    const after = await offered(one);
    t.notDeepEqual(after, before);
    const again = await node('other');
    t.deepEqual(await offered(again), after);
    await again.stop();
    const file = join(folder, 'other', 'ssh_host_ecdsa_key');
    const own = operatorsKey();
    await writeFile(file, own, { mode: 0o600 });
    const third = await node('other');
    t.is(await readFile(file, 'utf8'), own);
    t.notDeepEqual(await offered(third), after);
  },
);

onEachDatabase('nodes that start together with the first admin in their configuration both serve, and there is one', async (t, kind) => {
  if (kind.dialect === 'sqlite') return void t.pass();
  const values = { database: { url: await kind.fresh() }, secrets: { key: KEY }, admin: { username: 'root', password: 'correct-horse' } };
  const keyPrefix = `owners-${++prefixes}`;
  const nodes = await Promise.all(
    ['one', 'other'].map(node =>
      startHub(t, { databaseFile: true, storage: 'disk', values: { ...values, node, redis: { url: redis.url, keyPrefix } } }),
    ),
  );
  for (const { hub } of nodes) t.is((await hub.get(AdminRepository).list()).length, 1);
});

onEachDatabase('a node that has another key prefix in Redis is refused', async (t, kind) => {
  if (kind.dialect === 'sqlite') return void t.pass();
  const values = { database: { url: await kind.fresh() }, secrets: { key: KEY } };
  const node = (name: string, keyPrefix: string) =>
    startHub(t, { databaseFile: true, storage: 'disk', values: { ...values, node: name, redis: { url: redis.url, keyPrefix } } });
  await node('one', `prefix-${++prefixes}`);
  await t.throwsAsync(node('other', `prefix-${++prefixes}`), { code: 'conflict', message: /Node 'one' .* with another Redis/ });
});

function operatorsKey(): string {
  const { private: text } = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
  return text;
}

onEachDatabase('what only one node knows is delivered there, and nothing of it fails on the other', async (t, kind) => {
  const [one] = await twoNodes(t, kind);
  const got: string[] = [];
  one.hub.get(RuleTable).handler('hooks/only-here', ['upload.completed'], async event => {
    got.push(event.id);
  });
  const files = await one.files('alice');
  for (let i = 0; i < 20; i++) await put(files, `/file-${i}`, 'x');
  const states = async () => new Map((await one.hub.get(DeliveryRepository).counts()).map(({ state, count }) => [state, count]));
  await until(async () => (await states()).get('succeeded') === 20);
  t.is(new Set(got).size, 20);
  t.is(got.length, 20);
  t.deepEqual([...(await states()).keys()], ['succeeded']);
});
