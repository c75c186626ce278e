import 'reflect-metadata';
import { chmod, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { InjectionToken } from 'tsyringe';
import { Backups } from '#core/backup/backups.js';
import { nextBackupAt } from '#core/backup/due.js';
import { checkBackup, type RestoreOptions, restore } from '#core/backup/restore.js';
import { Database } from '#core/db/database.js';
import { SettingsRepository } from '#core/db/settings.js';
import { StorageRepository } from '#core/db/storages.js';
import { rowsOf, tablesOf } from '#core/db/tables.js';
import { UserRepository } from '#core/db/users.js';
import { HubError } from '#core/errors.js';
import { createLogger } from '#core/log.js';
import { migrations } from '../../../migrations/index.js';
import { startHub, type TestHub } from '../../support/hub.js';
import { openDatabase, temporaryDirectory } from '../db/temporary-database.js';

const log = createLogger('silent');
const HOUR = 3_600_000;

/** A hub on disk with some of everything, and its backup in `file`. */
async function backedUp(t: ExecutionContext, values: Readonly<Record<string, unknown>> = {}) {
  const directory = await temporaryDirectory(t);
  const hostKeys = join(directory, 'keys');
  const hub = await startHub(t, {
    databaseFile: true,
    storage: 'disk',
    dataDirectory: join(directory, 'data'),
    values: { ...values, protocols: { sftp: { host: '127.0.0.1', port: 0, hostKeys } } },
    users: { alice: { description: 'ä 🙂 "quoted"\nline' }, bob: { patterns: [], maxSessions: 3 } },
  });
  const files = await hub.files('alice');
  await files.mkdir('/in');
  await hub.hub.get(StorageRepository).create({ name: 'archive', kind: 'memory', options: { secret: 'sealed' } });
  const file = join(directory, 'backup.gz');
  return { hub, directory, hostKeys, file, backups: hub.hub.get(Backups) };
}

/** Restores into a data directory of its own that holds the key of `hub`. */
async function restoring(t: ExecutionContext, hub: TestHub, file: string, more: Partial<RestoreOptions> = {}) {
  const dataDirectory = await temporaryDirectory(t);
  await copyFile(join(hub.dataDirectory, 'secret.key'), join(dataDirectory, 'secret.key'));
  const options: RestoreOptions = {
    file,
    database: { url: 'sqlite:hub.db', durability: 'process', dataDirectory, log },
    migrations,
    key: undefined,
    keyFiles: { dataDirectory, hostKeyDirectory: join(dataDirectory, 'host-keys') },
    replace: false,
    ...more,
  };
  return { dataDirectory, options };
}

/** Everything in a database, as texts. */
async function contents(database: Database, without: readonly string[] = []): Promise<Readonly<Record<string, readonly string[]>>> {
  return database.snapshot(async trx => {
    const all: Record<string, string[]> = {};
    for (const table of await tablesOf(trx)) {
      if (without.includes(table.name)) continue;
      const rows: string[] = [];
      for await (const batch of rowsOf(trx, table)) rows.push(...batch.map(row => JSON.stringify(row)));
      all[table.name] = rows.sort();
    }
    return all;
  });
}

test('brings back every record, the host keys and the certificate that the hub made', async t => {
  const { hub, file, backups, hostKeys } = await backedUp(t);
  await mkdir(join(hub.dataDirectory, 'tls'), { recursive: true });
  await writeFile(join(hub.dataDirectory, 'tls', 'self-signed.pem'), 'made by the hub');
  const before: Readonly<Record<string, readonly string[]>> = {
    ...(await contents(hub.hub.get(Database as InjectionToken<Database>))),
    processes: [],
  };
  const report = await backups.create(file);
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.is((await stat(file)).size, report.bytes);
  const { dataDirectory, options } = await restoring(t, hub, file);
  const restored = await restore(options);
  t.is(restored.rows, report.rows);
  const database = await openDatabase(t, dataDirectory);
  t.deepEqual(await contents(database), before);
  t.true(before.users!.length === 2 && before.events!.length > 0 && before.storages!.length === 2);
  for (const name of await readdir(hostKeys))
    t.is(await readFile(join(dataDirectory, 'host-keys', name), 'utf8'), await readFile(join(hostKeys, name), 'utf8'), name);
  t.is(await readFile(join(dataDirectory, 'tls', 'self-signed.pem'), 'utf8'), 'made by the hub');
  t.true(restored.files.includes('host-keys/ssh_host_ed25519_key'));
});

test('gives no key and no secret away', async t => {
  const { file, backups, hostKeys } = await backedUp(t);
  await backups.create(file);
  const text = gunzipSync(await readFile(file)).toString();
  const key = (await readFile(join(hostKeys, 'ssh_host_ed25519_key'), 'utf8')).split('\n')[1]!;
  for (const secret of ['PRIVATE KEY', key, '"sealed"}']) t.false(text.includes(secret), secret);
  t.true(text.includes('host-keys/ssh_host_ed25519_key'));
});

test('sees one moment while records are written', async t => {
  const { hub, directory, backups } = await backedUp(t);
  const database = hub.hub.get(Database as InjectionToken<Database>);
  let stop = false;
  const writing = (async () => {
    for (let n = 0; !stop; n++) {
      await database.transaction(async trx => {
        for (const name of ['left', 'right']) await trx('settings').insert({ key: `${name}-${n}`, value: String(n), updated_at: n });
      });
    }
    return true;
  })();
  for (const round of [1, 2, 3]) {
    const file = join(directory, `${round}.gz`);
    await backups.create(file);
    const text = gunzipSync(await readFile(file)).toString();
    const count = (name: string) => text.split(`["${name}-`).length;
    t.is(count('left'), count('right'));
  }
  stop = true;
  t.true(await writing);
});

test('a damaged or cut backup is refused, and changes nothing', async t => {
  const { hub, file, backups } = await backedUp(t);
  await backups.create(file);
  const whole = await readFile(file);
  const lines = gunzipSync(whole).toString().split('\n');
  const { dataDirectory, options } = await restoring(t, hub, `${file}.bad`, { replace: true });
  const database = await openDatabase(t, dataDirectory);
  await database.migrate(migrations);
  await database.knex('settings').insert({ key: 'mine', value: '1', updated_at: 1 });
  await database.close();
  const before = await readFile(join(dataDirectory, 'hub.db'));
  const bad: Buffer[] = [0, 1, 9, 10, 100, whole.length >> 1, whole.length - 9, whole.length - 1].map(length => whole.subarray(0, length));
  for (let at = 10; at < whole.length; at += Math.ceil(whole.length / 40)) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 0x20;
    bad.push(flipped);
  }
  const row = lines.findIndex(line => line.startsWith('[') && line.includes('alice'));
  bad.push(gzipSync(lines.toSpliced(row, 1).join('\n')));
  bad.push(gzipSync(lines.with(row, lines[row]!.replace('alice', 'mallory')).join('\n')));
  bad.push(gzipSync(lines.slice(0, -2).join('\n')));
  bad.push(gzipSync(`${lines.join('\n')}\n[]\n`));
  bad.push(gzipSync('{"format":"something"}\n'), gzipSync('hello\n'), Buffer.from('hello'), whole.subarray(0, 0));
  for (const [index, bytes] of bad.entries()) {
    await writeFile(options.file, bytes);
    await t.throwsAsync(restore(options), { instanceOf: HubError, code: 'invalid-request' }, `${index}`);
    t.true(before.equals(await readFile(join(dataDirectory, 'hub.db'))), `${index}`);
  }
  t.deepEqual((await readdir(dataDirectory)).sort(), ['hub.db', 'secret.key']);
});

test('refuses the key of another hub, and a missing one, before anything is changed', async t => {
  const { hub, file, backups } = await backedUp(t);
  await backups.create(file);
  const { dataDirectory, options } = await restoring(t, hub, file);
  const other = Buffer.alloc(32, 7).toString('base64');
  await t.throwsAsync(restore({ ...options, key: other }), { code: 'invalid-request', message: /another secret key/ });
  const empty = await temporaryDirectory(t);
  const elsewhere = { ...options, database: { ...options.database, dataDirectory: empty } };
  await t.throwsAsync(restore(elsewhere), { code: 'invalid-request', message: /Put the secret key/ });
  t.deepEqual(await readdir(empty), []);
  t.deepEqual(await readdir(dataDirectory), ['secret.key']);
  const key = (await readFile(join(dataDirectory, 'secret.key'), 'utf8')).trim();
  await restore({ ...elsewhere, key });
  t.true((await readdir(empty)).includes('hub.db'));
});

test('replaces a database that holds something only when told to, and keeps it', async t => {
  const { hub, file, backups, hostKeys } = await backedUp(t);
  await backups.create(file);
  const { dataDirectory, options } = await restoring(t, hub, file);
  await restore(options);
  await mkdir(join(dataDirectory, 'host-keys'), { recursive: true });
  await writeFile(join(dataDirectory, 'host-keys', 'ssh_host_ed25519_key'), 'another');
  await t.throwsAsync(restore(options), { code: 'conflict', message: /--replace/ });
  t.is(await readFile(join(dataDirectory, 'host-keys', 'ssh_host_ed25519_key'), 'utf8'), 'another');
  const changed = await openDatabase(t, dataDirectory);
  await changed.knex('settings').insert({ key: 'later', value: '1', updated_at: 1 });
  await changed.close();
  const report = await restore({ ...options, replace: true });
  const now = await openDatabase(t, dataDirectory);
  t.is((await now.knex('settings').where({ key: 'later' })).length, 0);
  const kept = await openDatabase(t, '/', `sqlite:${report.before}`);
  t.is((await kept.knex('settings').where({ key: 'later' })).length, 1);
  t.is(
    await readFile(join(dataDirectory, 'host-keys', 'ssh_host_ed25519_key'), 'utf8'),
    await readFile(join(hostKeys, 'ssh_host_ed25519_key'), 'utf8'),
  );
  t.true((await readdir(join(dataDirectory, 'host-keys'))).some(name => /^ssh_host_ed25519_key\.before-restore-/.test(name)));
});

test('takes a backup of an older schema and brings it up to date, and refuses one of a newer', async t => {
  const { hub, directory, file, backups } = await backedUp(t);
  const older = await openDatabase(t, directory, 'sqlite:older.db');
  await older.migrate(migrations.slice(0, 4));
  await older.knex('settings').insert({ key: 'old', value: '"yes"', updated_at: 1 });
  const check = await hub.hub
    .get(Database as InjectionToken<Database>)
    .knex('settings')
    .where({ key: 'secrets.check' })
    .first();
  await older.knex('settings').insert(check);
  const parts = backups as unknown as Record<string, unknown>;
  const of = new Backups(
    older,
    new SettingsRepository(older, { broadcast: () => undefined } as never),
    parts.secrets as never,
    parts.storages as never,
    { publish: async () => undefined } as never,
    parts.options as never,
  );
  await of.create(file);
  const { dataDirectory, options } = await restoring(t, hub, file);
  await restore(options);
  const database = await openDatabase(t, dataDirectory);
  t.deepEqual(
    await database.knex('migrations').orderBy('name').pluck('name'),
    migrations.map(({ name }) => name),
  );
  t.is((await database.knex('settings').where({ key: 'old' }).first()).value, '"yes"');
  const next = await restoring(t, hub, file, { migrations: migrations.slice(0, 3) });
  await t.throwsAsync(restore(next.options), { code: 'unsupported', message: /newer version/ });
});

test('backups without a file go to the storage, hidden from users, and the oldest go', async t => {
  const { hub, backups } = await backedUp(t, { backup: { keep: 2 } });
  const made: string[] = [];
  for (let n = 0; n < 3; n++) made.push((await backups.create()).file);
  t.deepEqual(
    (await backups.list()).map(({ file }) => file),
    made.slice(1),
  );
  const folder = join(hub.dataDirectory, 'files', '.backups');
  const names = await readdir(folder);
  t.is(names.length, 2);
  for (const name of names) t.is((await stat(join(folder, name))).mode & 0o777, 0o600);
  t.is((await checkBackup(join(folder, names[1]!))).tables.users, 2);
  t.is((await hub.event('backup.completed')).data.file, made[0]!);
  const users = hub.hub.get(UserRepository);
  const bob = await users.findByUsername('bob');
  await users.update(bob!.id, { mounts: [{ path: '/', storage: 'data', directory: '/' }] }, bob!.version);
  const files = await hub.files('bob');
  const seen: string[] = [];
  for await (const batch of files.list('/')) seen.push(...batch.map(({ name }) => name));
  t.true(seen.includes('alice') && !seen.includes('.backups'));
  for (const path of ['/.backups', `/.backups/${names[0]}`, '/.BACKUPS']) await t.throwsAsync(files.stat(path), { code: 'not-found' });
  await t.throwsAsync(files.removeFile(`/.backups/${names[0]}`), { code: 'not-found' });
  await t.throwsAsync(files.mkdir('/.backups'), { code: 'not-found' });
});

test('a backup that fails says so, leaves nothing behind, and the next one works', async t => {
  const { hub, directory, backups, file } = await backedUp(t);
  const closed = join(directory, 'closed');
  await mkdir(closed);
  await t.throwsAsync(backups.create(join(closed, 'missing', 'x.gz')), { code: 'unavailable', message: /cannot be written/ });
  t.regex((await hub.event('backup.failed')).data.reason, /cannot be written/);
  await backups.create(file);
  await t.throwsAsync(backups.create(file), { code: 'already-exists' });
  t.deepEqual((await readdir(directory)).sort(), ['backup.gz', 'closed', 'data', 'keys']);
  await chmod(closed, 0o700);
  const [first, second] = await Promise.allSettled([backups.create(join(directory, 'a')), backups.create(join(directory, 'b'))]);
  t.is(first.status, 'fulfilled');
  t.is(second.status === 'rejected' && second.reason.code, 'conflict');
});

test('is made when it is due, and not before; a failure waits an hour', async t => {
  const { hub, backups } = await backedUp(t);
  const now = Date.now();
  await backups.runWhenDue(now);
  await backups.runWhenDue(now + 23 * HOUR);
  t.is((await backups.list()).length, 0);
  t.is(await backups.lastAt(), undefined);
  await backups.runWhenDue(now + 24 * HOUR);
  t.is((await backups.list()).length, 1);
  t.true((await backups.lastAt())! >= now);
  await writeFile(join(hub.dataDirectory, 'files', 'x'), '');
  const place = (backups as unknown as { options: { place: { directory: string } } }).options.place;
  Object.assign(place, { directory: '/x/backups' });
  await backups.runWhenDue(now + 72 * HOUR);
  t.is(hub.events.filter(({ type }) => type === 'backup.failed').length, 1);
  await backups.runWhenDue(now + 72 * HOUR + HOUR / 2);
  t.is(hub.events.filter(({ type }) => type === 'backup.failed').length, 1);
  await backups.runWhenDue(now + 73 * HOUR);
  t.is(hub.events.filter(({ type }) => type === 'backup.failed').length, 2);
});

test('the time of the day is kept, whatever the last backup took', t => {
  const at = (text: string) => new Date(text).getTime();
  t.is(nextBackupAt(at('2026-03-10T03:00:20'), 24 * HOUR, 180), at('2026-03-11T03:00:00'));
  t.is(nextBackupAt(at('2026-03-10T02:59:59'), 24 * HOUR, 180), at('2026-03-11T03:00:00'));
  t.is(nextBackupAt(at('2026-03-10T14:00:00'), 24 * HOUR, 180), at('2026-03-11T03:00:00'));
  t.is(nextBackupAt(at('2026-03-10T16:00:00'), 24 * HOUR, 180), at('2026-03-12T03:00:00'));
  t.is(nextBackupAt(at('2026-03-10T03:01:00'), 168 * HOUR, 180), at('2026-03-17T03:00:00'));
  t.is(nextBackupAt(at('2026-03-10T14:00:00'), 6 * HOUR, undefined), at('2026-03-10T20:00:00'));
});
