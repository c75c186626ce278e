import 'reflect-metadata';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import { SettingsRepository } from '#core/db/settings.js';
import { HubError } from '#core/errors.js';
import { Secrets } from '#core/secrets.js';
import { hubDatabase, temporaryDirectory } from './db/temporary-database.js';

const one = new Secrets(Buffer.alloc(32, 1));
const other = new Secrets(Buffer.alloc(32, 2));

test('opens what it sealed, for the same record only', t => {
  const sealed = one.seal('päss', 'record');
  t.is(one.open(sealed, 'record'), 'päss');
  t.not(one.seal('päss', 'record'), sealed);
  t.false(sealed.includes('päss'));
  t.throws(() => one.open(sealed, 'another'), { instanceOf: HubError, code: 'internal' });
  t.throws(() => other.open(sealed, 'record'), { instanceOf: HubError, code: 'internal' });
  t.is(one.open(one.seal('', ''), ''), '');
});

test('refuses a sealed text of which any character was changed, or any part is missing', t => {
  const sealed = one.seal('secret', 'record');
  // The last character may hold bits that base64 ignores.
  for (let index = 0; index < sealed.length - 1; index++) {
    const changed = sealed.slice(0, index) + (sealed[index] === 'A' ? 'B' : 'A') + sealed.slice(index + 1);
    t.throws(() => one.open(changed, 'record'), { code: 'internal' }, changed);
    t.throws(() => one.open(sealed.slice(0, index), 'record'), { code: 'internal' });
  }
});

test('makes a key file that only its owner can read, once', async t => {
  const dataDirectory = await temporaryDirectory(t);
  const made = await Promise.all([1, 2, 3].map(() => Secrets.load({ dataDirectory })));
  t.deepEqual(await readdir(dataDirectory), ['secret.key']);
  t.is((await stat(join(dataDirectory, 'secret.key'))).mode & 0o777, 0o600);
  for (const secrets of made) t.is(secrets.open(made[0]!.seal('x', 'r'), 'r'), 'x');
  const key = (await readFile(join(dataDirectory, 'secret.key'), 'utf8')).trim();
  t.is((await Secrets.load({ key, dataDirectory: '/nowhere' })).open(made[0]!.seal('x', 'r'), 'r'), 'x');
});

test('refuses a key file that others may read, one that holds no key, and a place where none can be made', async t => {
  const dataDirectory = await temporaryDirectory(t);
  const file = join(dataDirectory, 'secret.key');
  await writeFile(file, Buffer.alloc(32).toString('base64'), { mode: 0o600 });
  await chmod(file, 0o640);
  await t.throwsAsync(Secrets.load({ dataDirectory }), {
    instanceOf: HubError,
    code: 'permission-denied',
    message: /secret\.key may be read by other users: run 'chmod 600/,
  });
  await chmod(file, 0o600);
  await Secrets.load({ dataDirectory });
  await writeFile(file, 'short');
  await t.throwsAsync(Secrets.load({ dataDirectory }), { code: 'invalid-request', message: /secret\.key does not hold 32 bytes/ });
  await t.throwsAsync(Secrets.load({ dataDirectory: join(dataDirectory, 'missing') }), {
    code: 'unavailable',
    message: /missing\/secret\.key can be neither read nor made/,
  });
});

test('refuses a database that was sealed with another key', async t => {
  const settings = new SettingsRepository(await hubDatabase(t), new LocalCoordinator());
  await one.verify(settings);
  await one.verify(settings);
  await t.throwsAsync(other.verify(settings), { instanceOf: HubError, code: 'invalid-request', message: /sealed with another secret key/ });
});
