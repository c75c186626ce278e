import test from 'ava';
import { BIN_MS, TrafficHistory } from '#core/events/traffic-history.js';

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
