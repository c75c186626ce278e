import { once } from 'node:events';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import test from 'ava';
import type { Database, Statement } from '#core/db/database.js';
import { openDatabase as openAny } from '#core/db/open.js';
import { HubError } from '#core/errors.js';
import { createLogger } from '#core/log.js';
import { committedTransactions, openDatabase, temporaryDirectory } from './temporary-database.js';

const insert = (id: number, text: string | Buffer | null = 'x'): Statement => ({
  sql: 'INSERT INTO things VALUES (?, ?)',
  bindings: [id, text],
});

async function withThings(database: Database): Promise<Database> {
  await database.knex.raw('CREATE TABLE things (id INTEGER PRIMARY KEY, text BLOB)');
  return database;
}

const memory = async (t: Parameters<typeof openDatabase>[0]) => withThings(await openDatabase(t, '/', 'sqlite::memory:'));
const ids = async (database: Database): Promise<readonly number[]> => database.knex('things').orderBy('id').pluck('id');

test('commits calls that arrive together as one transaction', async t => {
  const directory = await temporaryDirectory(t);
  const database = await withThings(await openDatabase(t, directory));
  const before = await committedTransactions(join(directory, 'hub.db-wal'));
  await Promise.all(Array.from({ length: 200 }, (_, id) => database.atomically([insert(id)])));
  t.is((await committedTransactions(join(directory, 'hub.db-wal'))) - before, 1);
  t.is((await ids(database)).length, 200);
});

test('commits a call that comes alone by itself', async t => {
  const directory = await temporaryDirectory(t);
  const database = await withThings(await openDatabase(t, directory));
  const before = await committedTransactions(join(directory, 'hub.db-wal'));
  for (let id = 0; id < 5; id++) await database.atomically([insert(id)]);
  t.is((await committedTransactions(join(directory, 'hub.db-wal'))) - before, 5);
});

test('undoes all statements of a call that fails, and nothing of the calls beside it', async t => {
  const database = await memory(t);
  const results = await Promise.allSettled([
    database.atomically([insert(1), insert(2)]),
    database.atomically([insert(3), insert(4), insert(1)]),
    database.atomically([insert(5), { sql: 'NONSENSE', bindings: [] }]),
    database.atomically([insert(6)]),
  ]);
  t.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  t.is((results[1] as PromiseRejectedResult).reason.code, 'SQLITE_CONSTRAINT_PRIMARYKEY');
  t.deepEqual(await ids(database), [1, 2, 6]);
});

test('blames a deferred constraint on the call that broke it', async t => {
  const database = await memory(t);
  await database.knex.raw('CREATE TABLE parts (thing INTEGER REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)');
  const part = (thing: number): Statement => ({ sql: 'INSERT INTO parts VALUES (?)', bindings: [thing] });
  const results = await Promise.allSettled([
    database.atomically([insert(1)]),
    database.atomically([part(9)]),
    database.atomically([part(8), insert(8)]),
  ]);
  t.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});

test('answers what each statement changed and the rows it gave', async t => {
  const database = await memory(t);
  const results = await database.atomically([
    insert(1, Buffer.from([0, 255])),
    { sql: "INSERT INTO things VALUES (2, 'a'), (3, 'b') RETURNING id", bindings: [] },
    { sql: 'UPDATE things SET text = ? WHERE id > ?', bindings: [null, 1] },
    { sql: 'SELECT * FROM things WHERE id < ? ORDER BY id', bindings: [3] },
  ]);
  t.deepEqual(results, [
    { changes: 1, rows: [] },
    { changes: 2, rows: [{ id: 2 }, { id: 3 }] },
    { changes: 2, rows: [] },
    {
      changes: 0,
      rows: [
        { id: 1, text: new Uint8Array([0, 255]) },
        { id: 2, text: null },
      ],
    },
  ]);
});

test('keeps calls out of a transaction of knex that is open, and runs them after it', async t => {
  const database = await memory(t);
  let called: Promise<unknown> | undefined;
  const order: string[] = [];
  const rolledBack = database.transaction(async trx => {
    await trx('things').insert({ id: 1, text: 'x' });
    called = database.atomically([insert(2)]).then(() => order.push('call'));
    // Queries behind the call in the thread's queue: were it mixed in, the second would see its row.
    for (let round = 0; round < 20; round++) t.deepEqual(await trx('things').pluck('id'), [1]);
    order.push('transaction');
    throw new Error('no');
  });
  await t.throwsAsync(rolledBack, { message: 'no' });
  await called;
  t.deepEqual(order, ['transaction', 'call']);
  t.deepEqual(await ids(database), [2]);
});

test('goes on after a transaction whose COMMIT fails', async t => {
  const database = await memory(t);
  await database.knex.raw('CREATE TABLE parts (thing INTEGER REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)');
  let called: Promise<unknown> | undefined;
  await t.throwsAsync(
    database.transaction(async trx => {
      await trx('parts').insert({ thing: 9 });
      called = database.atomically([insert(1)]);
    }),
    { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' },
  );
  await database.transaction(trx => trx('things').insert({ id: 2, text: 'x' }).then());
  await called;
  t.deepEqual(await ids(database), [1, 2]);
});

test('serves knex: ids, counts, rows, returning, dates, blobs, codes of errors without the values', async t => {
  const database = await memory(t);
  t.deepEqual(await database.knex('things').insert({ text: 'x' }), [1]);
  t.deepEqual(
    await database
      .knex('things')
      .insert({ text: Buffer.from('y') })
      .returning('*'),
    [{ id: 2, text: new Uint8Array([0x79]) }],
  );
  t.is(
    await database
      .knex('things')
      .where('id', '<', 9)
      .update({ text: new Date(7) }),
    2,
  );
  t.deepEqual(await database.knex('things').first(), { id: 1, text: 7 });
  t.is(await database.knex('things').where({ id: 9 }).del(), 0);
  const error = await t.throwsAsync(database.knex('things').insert({ id: 1, text: 'hidden' }).then(), {
    code: 'SQLITE_CONSTRAINT_PRIMARYKEY',
  });
  t.false(error?.message.includes('hidden'));
});

// Serial, because it looks for the next thread that this process starts.
test.serial('rejects what is under way and all that follows, when its thread dies', async t => {
  const created = once(process, 'worker') as Promise<[Worker]>;
  const database = await openAny({ url: 'sqlite::memory:', durability: 'process', dataDirectory: '/', log: createLogger('silent') });
  const [worker] = await created;
  await withThings(database);
  const sent = once(database.knex, 'query');
  const slow = database.knex
    .raw('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT max(i) FROM n')
    .then();
  await sent;
  const waiting = database.atomically([insert(1)]);
  await new Promise(resolve => setImmediate(resolve));
  void worker.terminate();
  const expected = { instanceOf: HubError, code: 'unavailable', message: 'The database stopped working' };
  await t.throwsAsync(waiting, expected);
  await t.throwsAsync(slow, expected);
  await t.throwsAsync(database.atomically([insert(1)]), expected);
  await t.throwsAsync(database.knex('things').then(), expected);
  await database.close();
});

test('finishes the calls under way before it closes, and refuses those that come later', async t => {
  const directory = await temporaryDirectory(t);
  const database = await withThings(await openDatabase(t, directory));
  const calls = Array.from({ length: 10 }, (_, id) => database.atomically([insert(id)]));
  await Promise.all([database.close(), database.close()]);
  await Promise.all(calls);
  await t.throwsAsync(database.atomically([insert(99)]), { code: 'unavailable', message: 'The database is closed' });
  t.is((await ids(await openDatabase(t, directory))).length, 10);
});
