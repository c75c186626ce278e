import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { Statement } from '#core/db/database.js';
import { ChangesAtOnce } from '#core/db/sqlite-at-once.js';
import { Connection } from '#core/db/sqlite-connection.js';
import { SqliteThread } from '#core/db/sqlite-thread.js';
import { temporaryFolder } from '../../support/children.js';
import { openDatabase, temporaryDirectory } from './temporary-database.js';

const CREATE: Statement = { sql: 'CREATE TABLE things (id INTEGER PRIMARY KEY)', bindings: [] };
const insert = (id: number): Statement => ({ sql: 'INSERT INTO things VALUES (?)', bindings: [id] });
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** A database with both ways to it, and how many calls went to the thread. */
async function both(t: Parameters<typeof temporaryDirectory>[0]) {
  const options = { file: join(await temporaryDirectory(t), 'hub.db'), readonly: false, durable: true };
  const thread = await SqliteThread.open(options);
  const changes = new ChangesAtOnce(new Connection(options, 0), thread);
  await thread.change([CREATE]);
  let handed = 0;
  const change = thread.change.bind(thread);
  thread.change = statements => {
    handed += 1;
    return change(statements);
  };
  t.teardown(async () => {
    changes.close();
    await thread.close();
  });
  const ids = async () => ((await thread.query('SELECT id FROM things ORDER BY id', [])) as { id: number }[]).map(({ id }) => id);
  return { thread, changes, ids, handed: () => handed };
}

test('commits small changes without the thread, those of one moment together', async t => {
  const { changes, ids, handed } = await both(t);
  await Promise.all([changes.change([insert(1), insert(2)]), changes.change([insert(3)])]);
  t.is(handed(), 0);
  t.deepEqual(await ids(), [1, 2, 3]);
});

test('a change that fails takes no other down, and names its error', async t => {
  const { changes, ids } = await both(t);
  const results = await Promise.allSettled([
    changes.change([insert(1)]),
    changes.change([insert(2), insert(1)]),
    changes.change([insert(3)]),
  ]);
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.is((results[1] as PromiseRejectedResult).reason.code, 'SQLITE_CONSTRAINT_PRIMARYKEY');
  t.deepEqual(await ids(), [1, 3]);
});

test('hands over what is large, what many ask for at once, and what comes while the thread is at work', async t => {
  const { thread, changes, ids, handed } = await both(t);
  await changes.change(range(0, 9).map(insert));
  t.is(handed(), 1);
  await Promise.all(range(9, 26).map(id => changes.change([insert(id)])));
  t.is(handed(), 18);
  const busy = thread.query('SELECT 1', []);
  await changes.change([insert(26)]);
  await busy;
  t.is(handed(), 19);
  t.deepEqual(await ids(), range(0, 27));
});

test('waits, by the thread, for a transaction that is open', async t => {
  const { thread, changes, ids, handed } = await both(t);
  await thread.query('BEGIN IMMEDIATE', []);
  const change = changes.change([insert(1)]);
  t.is(await Promise.race([change.then(() => 'done'), new Promise(resolve => setTimeout(resolve, 100, 'waits'))]), 'waits');
  await thread.query('COMMIT', []);
  await change;
  t.is(handed(), 1);
  t.deepEqual(await ids(), [1]);
});

test('commits what waits before it closes', async t => {
  const { changes, ids } = await both(t);
  const change = changes.change([insert(1)]);
  changes.close();
  await change;
  t.deepEqual(await ids(), [1]);
});

test('a file in memory takes changes of all kinds in the order in which they were asked for', async t => {
  if (!existsSync('/dev/shm')) return t.pass('this machine shows no memory as a directory');
  const database = await openDatabase(t, await temporaryFolder('at-once', '/dev/shm'));
  await database.change([{ sql: 'CREATE TABLE log (id INTEGER PRIMARY KEY, step INTEGER)', bindings: [] }]);
  const step = (number: number): Statement => ({ sql: 'INSERT INTO log (step) VALUES (?)', bindings: [number] });
  const steps: Promise<unknown>[] = [];
  for (let number = 0; number < 300; number++) {
    steps.push(number % 3 === 1 ? database.atomically([step(number)]) : database.change([step(number)]));
    if (number % 7 === 0) await new Promise(setImmediate);
  }
  await Promise.all(steps);
  t.deepEqual(await database.knex('log').orderBy('id').pluck('step'), range(0, 300));
});
