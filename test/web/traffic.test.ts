import test from 'ava';
import { Throughput } from '#web/live/throughput.js';
import { BIN_MS, TrafficHistory } from '#web/live/traffic-history.js';
import { startWeb } from './support.js';

type Events = ConstructorParameters<typeof TrafficHistory>[0];
type HubEvent = Awaited<ReturnType<Events['after']>>[number];

const NOW = Date.UTC(2026, 10, 2, 12, 1);

const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '' };

function ended(type: string, ms: number, bytes: number, durationMs: number): HubEvent {
  const data = { session, path: '/f', bytes, durationMs };
  return { id: String(ms).padStart(16, '0'), type, time: new Date(ms).toISOString(), data } as unknown as HubEvent;
}

/** Records that can be added to. */
function recorded(...events: HubEvent[]): Events & { readonly list: HubEvent[] } {
  return {
    list: events,
    after: async (id, { type, since = 0, until = Infinity }, limit) =>
      events
        .filter(event => event.id > id && event.type.startsWith(type!.slice(0, -1)))
        .filter(({ time }) => Date.parse(time) >= since && Date.parse(time) < until)
        .slice(0, limit),
  };
}

test('spreads what a transfer moved over the time that it took', async t => {
  const history = new TrafficHistory(recorded(ended('upload.completed', NOW, 6_000, 2 * BIN_MS)), () => NOW + 5_000);
  await history.update();
  const start = NOW - (NOW % BIN_MS);
  t.deepEqual(history.bins(), [
    { at: start - 2 * BIN_MS, uploadBytes: 2_400, downloadBytes: 0 },
    { at: start - BIN_MS, uploadBytes: 3_000, downloadBytes: 0 },
    { at: start, uploadBytes: 600, downloadBytes: 0 },
  ]);
});

test('reads what is new once, gives only the bins that changed, and forgets what is older than a day', async t => {
  let now = NOW + 5_000;
  const events = recorded(ended('upload.completed', NOW - 3_600_000, 10, 1), ended('download.failed', NOW, 20, 1));
  const history = new TrafficHistory(events, () => now);
  await history.update();
  t.is(history.bins().length, 2);
  const before = history.revision;
  events.list.push(ended('upload.failed', NOW + 1, 5, 1));
  await history.update();
  t.deepEqual(
    history.bins(before).map(({ uploadBytes, downloadBytes }) => [uploadBytes, downloadBytes]),
    [[5, 20]],
  );
  now += 24 * 3_600_000;
  await history.update();
  t.deepEqual(history.bins(), []);
});

test('measures what moves now, and what ended between two looks', t => {
  const throughput = new Throughput();
  const look = (bytes: number, now: number) =>
    throughput.look([{ ...session, lastActivity: '', transfers: [{ path: '/f', direction: 'upload', bytes }] }], now);
  t.is(look(1_000_000, 0), undefined);
  t.is(look(1_000_500, 500), undefined);
  t.deepEqual(look(1_002_000, 1_000), { upload: 2_000, download: 0 });
  throughput.ended(ended('upload.completed', NOW, 1_003_000, 1));
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
