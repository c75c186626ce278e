import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { SettingsRepository } from '#core/db/settings.js';
import { OutboxEventBus } from '#core/events/outbox-event-bus.js';
import { ExpiryWarnings } from '#core/expiry-warnings.js';
import type { CertificatePair } from '#core/tls/pair.js';
import { Outbox } from '../conformance/outbox.js';
import { temporaryFolder } from '../support/children.js';
import { onEachDatabase } from '../support/databases.js';
import { startHub } from '../support/hub.js';
import { pem } from './tls/support.js';

const DAY_MS = 86_400_000;

async function startWith(t: ExecutionContext, days: number, dataDirectory?: string) {
  const file = join(await temporaryFolder('expiring'), 'pair.pem');
  await writeFile(file, await pem(['files.example.com'], days));
  const hub = await startHub(t, {
    values: { tls: { certificates: [{ certificate: file }] }, protocols: { sftp: { enabled: false } } },
    ...(dataDirectory && { dataDirectory }),
  });
  const warned = () => hub.events.filter(({ type }) => type === 'certificate.expiring');
  return { hub, file, warned, warnings: hub.hub.get(ExpiryWarnings) };
}

test('a certificate that ends in 30 days is warned of once a day, until it is replaced', async t => {
  const { hub, file, warned, warnings } = await startWith(t, 29.5);
  const { data } = await hub.event('certificate.expiring');
  t.like(data, { names: ['files.example.com'], file, daysLeft: 29 });
  t.regex(data.fingerprint, /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/);
  await warnings.run();
  t.is(warned().length, 1);
  await warnings.run(Date.now() + DAY_MS);
  t.deepEqual(
    warned().map(event => (event.data as { daysLeft: number }).daysLeft),
    [29, 28],
  );
  await warnings.run(Date.now() + 40 * DAY_MS);
  t.is((warned()[2]!.data as { daysLeft: number }).daysLeft, -11);
});

test('nothing is said of one that lasts', async t => {
  const { warned, warnings } = await startWith(t, 31);
  await warnings.run();
  t.is(warned().length, 0);
});

onEachDatabase(
  'nodes with certificates of their own do not forget what the others have warned of, and one that they share is told once',
  async t => {
    const outbox = await Outbox.open(t);
    const settings = new SettingsRepository(outbox.database, outbox.coordinator);
    const bus = new OutboxEventBus(outbox.events, outbox.rules, outbox.coordinator, outbox.settings);
    const notAfter = new Date(Date.now() + 5 * DAY_MS);
    const node = (...fingerprints: readonly string[]) => {
      const expiring = () =>
        fingerprints.map(fingerprint => ({ fingerprint, names: [], files: { certificate: '' }, notAfter }) as unknown as CertificatePair);
      return new ExpiryWarnings({ expiring }, settings, bus);
    };
    const [one, two] = [node('a', 'common'), node('b', 'common')];
    const warned = async () => {
      const { items } = await outbox.events.page({ type: 'certificate.expiring' }, undefined, 100);
      return items.map(event => (event.data as { readonly fingerprint: string }).fingerprint).sort();
    };
    await Promise.all([one.run(), two.run()]);
    for (let hour = 0; hour < 3; hour++) for (const each of [one, two]) await each.run();
    t.deepEqual(await warned(), ['a', 'b', 'common']);
    await one.run(Date.now() + DAY_MS);
    t.deepEqual(await warned(), ['a', 'a', 'b', 'common', 'common']);
    await one.run(Date.now() + 3 * DAY_MS);
    t.deepEqual(Object.keys((await settings.get('certificates.warned')) as object).sort(), ['a', 'common']);
  },
);
