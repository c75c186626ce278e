import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Knex } from 'knex';
import type { Database, Migration } from '#core/db/database.js';
import { tablesOf } from '#core/db/tables.js';
import { UserRepository } from '#core/db/users.js';
import { migrations } from '../../../migrations/index.js';
import { freshDatabase } from '../../conformance/outbox.js';
import { onEachDatabase } from '../../support/databases.js';
import { openSession, startHub } from '../../support/hub.js';
import { REPOSITORY } from '../../support/hub-process.js';
import { put } from '../vfs/support.js';
import { openDatabase, temporaryDirectory } from './temporary-database.js';

const adding: Migration = {
  name: '9001_adding',
  up: async knex => {
    await knex.schema.createTable('later', table => table.integer('id').primary());
    await knex.schema.alterTable('users', table => {
      table.string('nickname', 64);
    });
  },
};
const breaking: Migration = { name: '9002_breaking', oldest: '9001_adding', up: async knex => knex.schema.dropTable('rules') };

onEachDatabase('a version goes on, and starts anew, on a schema of a newer one that only added; not on one that took away', async t => {
  const dataDirectory = await temporaryDirectory(t);
  const url = (await freshDatabase(t)) ?? 'sqlite:hub.db';
  const start = () =>
    startHub(t, { dataDirectory, databaseFile: true, storage: 'disk', values: { database: { url }, secrets: { key: KEY } } });
  const before = await start();
  const newer = await openDatabase(t, dataDirectory, url);
  t.deepEqual(await newer.migrate([...migrations, adding]), ['9001_adding']);
  await before.stop();

  const again = await startHub(t, {
    dataDirectory,
    databaseFile: true,
    storage: 'disk',
    users: { alice: {} },
    values: { database: { url }, secrets: { key: KEY } },
  });
  await put((await openSession(again.hub, 'alice')).files, '/a', 'content');
  await again.event('upload.completed');
  t.truthy(await again.hub.get(UserRepository).findByUsername('alice'));
  await again.stop();

  await newer.migrate([...migrations, adding, breaking]);
  await t.throwsAsync(start(), { code: 'unsupported', message: /belongs to a newer version of Entrepot \(it has 9002_breaking\)/ });
  t.deepEqual(await newer.pending([...migrations, adding]), []);
});

onEachDatabase('a schema whose version did not say what it needs is refused', async t => {
  const database = await openDatabase(t, await temporaryDirectory(t), (await freshDatabase(t)) ?? 'sqlite:hub.db');
  await database.migrate(migrations);
  await database.knex('migrations').insert({ name: '9001_unsaid', applied_at: 1 });
  await t.throwsAsync(database.pending(migrations), { code: 'unsupported', message: /it has 9001_unsaid/ });
});

onEachDatabase('steps that were cut off after any of their statements are finished by the next start', async (t, kind) => {
  if (kind.dialect !== 'mysql') return void t.pass();
  const open = async () => openDatabase(t, '/', await kind.fresh());
  const fresh = await open();
  await fresh.migrate(migrations);
  const database = await open();
  const tries = new Map<string, number>();
  const mortal = migrations.map(({ name, up }) => ({
    name,
    up: async (knex: Knex) => {
      const limit = (tries.get(name) ?? 0) + 1;
      tries.set(name, limit);
      let statements = 0;
      const count = ({ sql }: { readonly sql: string }) => {
        if (/^(create|alter|drop)/i.test(sql) && ++statements > limit) throw new Error('killed');
      };
      knex.on('query', count);
      await up(knex).finally(() => knex.removeListener('query', count));
    },
  }));
  let killed = 0;
  while ((await database.migrate(mortal).catch(error => String(error))) === 'Error: killed') killed++;
  t.true(killed > migrations.length, `${killed}`);
  t.deepEqual(await database.pending(migrations), []);
  t.deepEqual(await schemaOf(database), await schemaOf(fresh));
});

onEachDatabase('what others put into the database does not pass for a part of a step', async (t, kind) => {
  const database = await openDatabase(t, await temporaryDirectory(t), (await freshDatabase(t)) ?? 'sqlite:hub.db');
  await database.knex.schema.createTable('users', table => table.integer('id').primary());
  for (const _ of [1, 2]) await t.throwsAsync(database.migrate(migrations), { message: /already exists/ }, kind.name);
});

test('a step that takes something away says which versions can still work', t => {
  for (const file of readdirSync(join(REPOSITORY, 'migrations')).filter(name => /^\d{4}_.*\.ts$/.test(name))) {
    const text = readFileSync(join(REPOSITORY, 'migrations', file), 'utf8');
    const takesAway = /\b(dropTable|dropColumn|dropColumns|renameTable|renameColumn)|\b(drop|rename) (table|column)/i.test(text);
    const step: Migration | undefined = migrations.find(({ name }) => `${name}.ts` === file);
    if (takesAway) t.truthy(step?.oldest, file);
    if (step?.oldest !== undefined) t.true(migrations.some(({ name }) => name === step.oldest));
  }
  t.pass();
});

const KEY = Buffer.alloc(32, 7).toString('base64');

async function schemaOf(database: Database): Promise<readonly unknown[]> {
  const texts: unknown[] = [];
  for (const { name } of await tablesOf(database.knex)) {
    const [[row]] = (await database.knex.raw('SHOW CREATE TABLE ??', [name])) as [Record<string, string>[]];
    texts.push(row!['Create Table']);
  }
  return texts;
}
