import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import type { InjectionToken } from 'tsyringe';
import { Database } from '#core/db/database.js';
import { servicesOf } from '#core/operations/hub-services.js';
import { runOperation } from '#core/operations/index.js';
import type { StorageView } from '#core/operations/storages.js';
import { pattern } from '../conformance/storage-case.js';
import { startHub } from '../support/hub.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Relay } from '../support/relay.js';

/** A hub that keeps the files of 'bob' on another hub, where 'store' has them; 'alice' has hers in memory. */
async function startPair(t: ExecutionContext) {
  const behind = await startHub(t, { users: { store: { password: 'kept there' } } });
  const relay = await new Relay(behind.port('sftp')).start();
  t.teardown(() => relay.stop());
  const front = await startHub(t, {
    users: {
      alice: { password: 'secret' },
      bob: { password: 'secret', mounts: [{ path: '/', storage: 'remote', directory: '/bob' }] },
    },
  });
  await (await behind.files('store')).mkdir('/bob');
  const options = {
    host: '127.0.0.1',
    port: `${relay.port}`,
    username: 'store',
    password: 'kept there',
    hostKey: 'any',
    requestTimeout: '2s',
  };
  const shown = (await runOperation(servicesOf(front.hub), 'storages.add', { name: 'remote', kind: 'sftp', options })) as StorageView;
  const login = async (user: string) => {
    const client = await RawSftp.connect({ port: front.port('sftp'), user, password: 'secret' });
    t.teardown(() => client.cut());
    return client;
  };
  return { behind, front, relay, shown, login };
}

async function contentOf(hub: Awaited<ReturnType<typeof startHub>>, user: string, path: string): Promise<Buffer> {
  const transfer = await (await hub.files(user)).open(path, { read: true });
  const target = Buffer.alloc(4_000_000);
  let done = 0;
  for (let count = -1; count !== 0; done += count) count = await transfer.read(target.subarray(done), done);
  await transfer.close();
  return target.subarray(0, done);
}

test('keeps what a user uploads on the other server, and tells of it', async t => {
  const { behind, front, login } = await startPair(t);
  const bob = await login('bob');
  const content = Buffer.from(pattern(1_500_000));
  await bob.put('/report.bin', content);
  const event = await front.event('upload.completed');
  t.like(event.data, { path: '/report.bin', size: content.length });
  t.true((await contentOf(behind, 'store', '/bob/report.bin')).equals(content));
  t.true((await bob.get('/report.bin')).equals(content));
  await bob.put('/report.bin', Buffer.from('a newer one'));
  t.is((await bob.get('/report.bin')).toString(), 'a newer one');
  t.deepEqual((await bob.list('/')).map(String), ['report.bin']);
});

test('shows no secret of a storage, and keeps none in the clear', async t => {
  const { front, shown } = await startPair(t);
  t.like(shown.options, { username: 'store', password: '(hidden)' });
  const listed = await runOperation(servicesOf(front.hub), 'storages.list', {});
  t.false(JSON.stringify(listed).includes('kept there'));
  t.false(
    JSON.stringify(
      await front.hub
        .get(Database as InjectionToken<Database>)
        .knex('storages')
        .select(),
    ).includes('kept there'),
  );
});

test('keeps nobody waiting for a server that does not answer but those whose files it has', async t => {
  const { relay, login } = await startPair(t);
  const [alice, bob] = [await login('alice'), await login('bob')];
  await bob.put('/before', Buffer.from('kept'));
  relay.fallSilent();
  const order: string[] = [];
  const failing = bob.put('/late', Buffer.from('x')).then(
    () => order.push('bob was served'),
    () => order.push('bob was told'),
  );
  await alice.put('/a', Buffer.from('at once'));
  order.push('alice was served');
  await failing;
  t.deepEqual(order, ['alice was served', 'bob was told']);
  await relay.stop();
  await relay.start();
  for (;;) {
    const content = await bob.get('/before').catch(() => undefined);
    if (content === undefined) continue;
    t.is(content.toString(), 'kept');
    return;
  }
});
