import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import Sqlite from 'better-sqlite3';
import type { Migration } from '#core/db/database.js';
import { HubError } from '#core/errors.js';
import { migrations } from '../../../migrations/index.js';
import { hubDatabase, openDatabase, temporaryDirectory } from './temporary-database.js';

const table = (name: string): Migration => ({
  name,
  up: async knex => {
    await knex.schema.createTable(name, columns => columns.integer('id').primary());
  },
});

test('makes a file that only its owner can read, its journal too', async t => {
  const directory = await temporaryDirectory(t);
  await (await openDatabase(t, directory)).migrate(migrations);
  for (const name of await readdir(directory)) t.is((await stat(join(directory, name))).mode & 0o777, 0o600, name);
});

test('runs each migration once, in order, and keeps the file as it was before', async t => {
  const directory = await temporaryDirectory(t);
  const database = await openDatabase(t, directory);
  await database.migrate([table('0001_a'), table('0002_b')]);
  t.deepEqual(
    (await readdir(directory)).filter(name => name.includes('before')),
    [],
  );
  await database.knex('0001_a').insert({ id: 7 });
  await database.migrate([table('0001_a'), table('0002_b'), table('0003_c')]);
  await database.migrate([table('0001_a'), table('0002_b'), table('0003_c')]);
  t.deepEqual(await database.knex('migrations').orderBy('name').pluck('name'), ['0001_a', '0002_b', '0003_c']);

  t.deepEqual(
    (await readdir(directory)).filter(name => name.includes('before')),
    ['hub.db.before-0003_c'],
  );
  t.is((await stat(join(directory, 'hub.db.before-0003_c'))).mode & 0o777, 0o600);
  const copy = new Sqlite(join(directory, 'hub.db.before-0003_c'), { readonly: true });
  t.teardown(() => copy.close());
  t.deepEqual(copy.prepare('SELECT name FROM migrations ORDER BY name').pluck().all(), ['0001_a', '0002_b']);
  t.is(copy.prepare('SELECT id FROM "0001_a"').pluck().get(), 7);
});

test('leaves the schema as it was when a migration fails', async t => {
  const database = await openDatabase(t, await temporaryDirectory(t));
  const broken: Migration = { name: '0002_b', up: async () => Promise.reject(new Error('broken')) };
  await t.throwsAsync(database.migrate([table('0001_a'), broken]), { message: 'broken' });
  t.false(await database.knex.schema.hasTable('0001_a'));
  await database.migrate([table('0001_a'), table('0002_b')]);
  t.true(await database.knex.schema.hasTable('0002_b'));
});

test('migrates once when two processes start together', async t => {
  const directory = await temporaryDirectory(t);
  const [one, other] = [await openDatabase(t, directory), await openDatabase(t, directory)];
  let runs = 0;
  const step: Migration = {
    name: '0001_a',
    up: async knex => {
      runs++;
      await table('0001_a').up(knex);
    },
  };
  await Promise.all([one.migrate([step]), other.migrate([step])]);
  t.is(runs, 1);
});

test('refuses a database from a newer version, in one sentence, and leaves it alone', async t => {
  const directory = await temporaryDirectory(t);
  const database = await openDatabase(t, directory);
  await database.migrate([table('0001_a'), table('0009_z')]);
  const error = await t.throwsAsync(database.migrate([table('0001_a'), table('0002_b')]), { instanceOf: HubError, code: 'unsupported' });
  t.regex(error?.message ?? '', /hub\.db belongs to a newer version of Entrepot \(it has 0009_z\)/);
  t.false(await database.knex.schema.hasTable('0002_b'));
});

test('says which file cannot be opened, and why', async t => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'text.db'), 'no database\n'.repeat(500));
  await mkdir(join(directory, 'folder.db'));
  const refused = (url: string, message: RegExp) =>
    t.throwsAsync(openDatabase(t, directory, url), { instanceOf: HubError, code: 'unavailable', message });
  await refused('sqlite:text.db', /text\.db is damaged, or is not an SQLite database/);
  await refused('sqlite:folder.db', /folder\.db is a directory/);
  await refused('sqlite:missing/hub.db', /missing\/hub\.db cannot be made: its directory does not exist/);
  const holder = new Sqlite(join(directory, 'held.db'));
  t.teardown(() => holder.close());
  holder.pragma('journal_mode = WAL');
  holder.exec('BEGIN EXCLUSIVE');
  await refused('sqlite:held.db', /held\.db is locked by another process/);
});

test("answers 'unavailable' while another process holds the lock, without SQL in the message, and recovers", async t => {
  const directory = await temporaryDirectory(t);
  const database = await openDatabase(t, directory);
  await database.migrate([table('a')]);
  const holder = new Sqlite(join(directory, 'hub.db'));
  t.teardown(() => holder.close());
  holder.exec('BEGIN IMMEDIATE');
  const busy = { instanceOf: HubError, code: 'unavailable', message: 'The database is busy' };
  let ran = false;
  const transaction = database.transaction(async () => {
    ran = true;
  });
  await t.throwsAsync(transaction, busy);
  t.false(ran);
  await t.throwsAsync(database.atomically([{ sql: 'INSERT INTO a VALUES (1)', bindings: [] }]), busy);
  holder.exec('ROLLBACK');
  await database.knex('a').insert({ id: 2 });
  t.deepEqual(await database.reader('a').pluck('id'), [2]);
});

test('reads by a connection that cannot write and does not wait for the writing one', async t => {
  const database = await openDatabase(t, await temporaryDirectory(t));
  await database.migrate([table('a')]);
  await t.throwsAsync(database.reader('a').insert({ id: 1 }).then(), { code: 'unavailable' });
  await database.transaction(async trx => {
    await trx('a').insert({ id: 1 });
    t.deepEqual(await database.reader('a').pluck('id'), []);
  });
  t.deepEqual(await database.reader('a').pluck('id'), [1]);
});

test('keeps databases in memory apart, and reads them by the connection that writes', async t => {
  const [one, other] = [await hubDatabase(t), await hubDatabase(t)];
  t.is(one.reader, one.knex);
  await one.knex('settings').insert({ key: 'a', value: '1', updated_at: 0 });
  t.deepEqual(await other.knex('settings'), []);
});

test('enforces foreign keys', async t => {
  const database = await hubDatabase(t);
  const orphan = database.knex('mounts').insert({ user_id: 'nobody', position: 0, path: '/', storage: 'data', directory: '/' });
  await t.throwsAsync(orphan.then(), { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' });
});

test('has migrations with numbered names in order', t => {
  t.deepEqual(
    migrations.map(({ name }) => name.slice(0, 4)),
    migrations.map((_, index) => String(index + 1).padStart(4, '0')),
  );
});
