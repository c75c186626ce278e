import test from 'ava';
import type { HubEvent } from '#core/events/types.js';
import { Throughput } from '#web/live/throughput.js';
import { startWeb } from './support.js';

const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '' };

test('measures what moves now, and what ended between two looks', t => {
  const throughput = new Throughput();
  const look = (bytes: number, now: number) =>
    throughput.look([{ ...session, lastActivity: '', transfers: [{ path: '/f', direction: 'upload', bytes }] }], now);
  t.is(look(1_000_000, 0), undefined);
  t.is(look(1_000_500, 500), undefined);
  t.deepEqual(look(1_002_000, 1_000), { upload: 2_000, download: 0 });
  throughput.ended({ type: 'upload.completed', data: { session, path: '/f', bytes: 1_003_000 } } as unknown as HubEvent);
  t.deepEqual(throughput.look([], 2_000), { upload: 1_000, download: 0 });
  t.deepEqual(throughput.look([], 3_000), { upload: 0, download: 0 });
});

test('shows the traffic of the last day from the records, after a restart too', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', '/files/content?path=/f', { body: '12345' });
  await hub.event('upload.completed');
  const ada = await hub.loggedIn('admin', 'ada');
  let bins: { uploadBytes: number }[] = [];
  for (let tries = 0; tries < 60 && bins.length === 0; tries++) {
    await new Promise(resolve => setTimeout(resolve, 100));
    const { body } = await ada.get('/traffic');
    t.true(body.complete as unknown as boolean);
    bins = body.bins as unknown as typeof bins;
  }
  t.is(
    bins.reduce((sum, { uploadBytes }) => sum + uploadBytes, 0),
    5,
  );
});

test('looks at the machine, the storages and the hooks as `entrepot doctor` does', async t => {
  const hub = await startWeb(t, { storage: 'disk' });
  const ada = await hub.loggedIn('admin', 'ada');
  const { status, body } = await ada.get('/doctor');
  t.is(status, 200);
  const found = body.items as unknown as { check: string; result: string }[];
  for (const check of ['node', 'data directory', 'disk space', 'disk sync', 'clock', 'storage data', `port ${hub.port('web')}`])
    t.true(
      found.some(one => one.check === check),
      check,
    );
  t.true(
    found.every(({ result }) => result !== 'fail'),
    JSON.stringify(found),
  );
});
