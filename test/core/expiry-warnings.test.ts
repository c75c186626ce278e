import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ExpiryWarnings } from '#core/expiry-warnings.js';
import { temporaryFolder } from '../support/children.js';
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
