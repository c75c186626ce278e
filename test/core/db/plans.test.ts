import 'reflect-metadata';
import { LocalCoordinator } from '#core/cluster/local.js';
import type { Database, Dialect } from '#core/db/database.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { EventRepository } from '#core/db/events.js';
import { UserRepository } from '#core/db/users.js';
import { uuidv7 } from '#core/ids.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { hubDatabase } from './temporary-database.js';

const EVENTS = 20_000;
const USERS = 3_000;
const BATCH = 500;
const BIG = ['events', 'deliveries', 'delivery_attempts', 'users', 'public_keys', 'mounts'];

/** As a hub that has worked for a while: nearly everything is delivered, a little waits, runs or is pending. */
async function fill(database: Database): Promise<readonly string[]> {
  const now = Date.now();
  const ids = Array.from({ length: EVENTS }, () => uuidv7());
  const events = ids.map((id, i) => ({
    id,
    type: ['upload.completed', 'upload.failed', 'login.succeeded', 'session.ended'][i % 4]!,
    username: `user${i % 500}`,
    path: `/in/${i}`,
    time: now,
    state: i % 5_000 === 7 ? 'pending' : 'ready',
    event: '{}',
    proof: i % 5_000 === 7 ? '{}' : null,
  }));
  const deliveries = ids.map((id, i) => {
    const isOpen = i % 1_000 === 3;
    return {
      id: `${id.slice(0, -1)}d`,
      event_id: id,
      target: `rule/${i % 20}/0`,
      state: isOpen ? 'waiting' : 'succeeded',
      attempt: 1,
      failures: 0,
      due_at: isOpen ? now - i : null,
      created_at: now,
    };
  });
  const users = Array.from({ length: USERS }, (_, i) => ({
    id: uuidv7(),
    username: `user${i}`,
    username_folded: `user${i}`,
    status: 'active',
    description: '',
    permissions: '{}',
    patterns: '[]',
    protocols: '[]',
    addresses: '[]',
    methods: '[]',
    created_at: now - i,
    version: 1,
  }));
  const mounts = users.map(({ id }) => ({ user_id: id, position: 0, path: '/', storage: 'data', directory: '/' }));
  const public_keys = users.map(({ id }, i) => ({
    user_id: id,
    fingerprint: `SHA256:${i}`,
    position: 0,
    algorithm: 'x',
    data: 'x',
    comment: '',
  }));
  const tables: Readonly<Record<string, readonly object[]>> = { events, deliveries, users, mounts, public_keys };
  for (const [table, rows] of Object.entries(tables)) {
    for (let from = 0; from < rows.length; from += BATCH) await database.knex.batchInsert(table, rows.slice(from, from + BATCH), 100);
  }
  await analyze(database);
  return ids;
}

async function analyze({ dialect, knex }: Database): Promise<void> {
  if (dialect === 'mysql') await knex.raw(`ANALYZE TABLE ${BIG.join(', ')}`);
  else await knex.raw('ANALYZE');
}

type Asked = readonly [sql: string, bindings: readonly unknown[]];

/** Every statement that `work` asks for, by whichever way. */
async function asked(database: Database, work: () => Promise<unknown>): Promise<readonly Asked[]> {
  const seen: Asked[] = [];
  const note = ({ sql, bindings }: { sql: string; bindings: readonly unknown[] }) => void seen.push([sql, bindings ?? []]);
  const pools = [...new Set([database.knex, database.reader])];
  const atomically = database.atomically.bind(database);
  const change = database.change.bind(database);
  const spy = Object.assign(database, {
    atomically: (statements: Parameters<Database['atomically']>[0]) => {
      for (const { sql, bindings } of statements) seen.push([sql, bindings]);
      return atomically(statements);
    },
    change: (statements: Parameters<Database['change']>[0]) => {
      for (const { sql, bindings } of statements) seen.push([sql, bindings]);
      return change(statements);
    },
  });
  for (const pool of pools) pool.on('query', note);
  try {
    await work();
  } finally {
    for (const pool of pools) pool.removeListener('query', note);
    Object.assign(spy, { atomically, change });
  }
  return seen.filter(([sql]) => /^\s*(select|with|update|delete|insert into \w+ .*select)/is.test(sql));
}

/** The big tables of which the plan of a statement reads every row. */
async function scans(database: Database, [sql, bindings]: Asked): Promise<readonly string[]> {
  // Knex has numbered the marks of PostgreSQL already; knex.raw() wants question marks.
  const text = sql.replace(/\$\d+/g, '?');
  const explained = `${EXPLAIN[database.dialect]} ${text}`;
  const result: unknown = await database.knex.raw(explained, bindings as never);
  return SCANS[database.dialect](result);
}

const EXPLAIN: Readonly<Record<Dialect, string>> = { sqlite: 'EXPLAIN QUERY PLAN', mysql: 'EXPLAIN', postgres: 'EXPLAIN (FORMAT TEXT)' };

const SCANS: Readonly<Record<Dialect, (result: unknown) => readonly string[]>> = {
  sqlite: result =>
    (result as { detail: string }[]).flatMap(({ detail }) => {
      const [, table] = /^SCAN (\w+)(?! USING)/.exec(detail) ?? [];
      return table !== undefined && isBig(table) ? [detail] : [];
    }),
  mysql: result =>
    ((result as [{ table: string | null; type: string | null; rows: number }[]])[0] ?? []).flatMap(({ table, type, rows }) =>
      type === 'ALL' && table !== null && isBig(table) && rows > 1_000 ? [`${table} ${type} ${rows}`] : [],
    ),
  postgres: result =>
    (result as { rows: { 'QUERY PLAN': string }[] }).rows.flatMap(({ 'QUERY PLAN': line }) => {
      const [, table] = /Seq Scan on (\w+)/.exec(line) ?? [];
      return table !== undefined && isBig(table) ? [line.trim()] : [];
    }),
};

/** A table or the alias that a statement gives one. */
function isBig(table: string): boolean {
  return BIG.includes(table) || ['d', 'e'].includes(table);
}

test('no hot statement reads a whole table', async t => {
  const database = await hubDatabase(t);
  const ids = await fill(database);
  const events = new EventRepository(database);
  const deliveries = new DeliveryRepository(database);
  const users = new UserRepository(database, new LocalCoordinator());
  const user = (await users.findByUsername('user7'))!;
  const works: Readonly<Record<string, () => Promise<unknown>>> = {
    'due targets': () => deliveries.dueTargets(),
    claim: () => deliveries.claim(new Map([['rule/3/0', 4]]), 'here/1', 60_000),
    renew: () => deliveries.renew(['here/1'], 60_000),
    finish: () =>
      deliveries.finish(`${ids[3]!.slice(0, -1)}d`, 2, {
        startedAt: 0,
        durationMs: 1,
        succeeded: false,
        summary: 'no',
        answer: undefined,
        retryAt: Date.now(),
      }),
    'release expired': () => deliveries.releaseExpired(),
    'release of a node': () => deliveries.releaseNode('here'),
    replay: () => deliveries.replay(ids[100]!, ['rule/0/0', 'new']),
    settle: () => events.settle(ids.slice(5, 12)),
    drop: () => events.drop(ids.slice(5, 7)),
    pending: () => events.pending(),
    'events, all': () => events.page({}, undefined, 50, { countLimit: 1_000 }),
    'events of a type': () => events.page({ type: 'upload.failed' }, undefined, 50, { countLimit: 1_000 }),
    'events of a family': () => events.page({ type: 'upload.*' }, undefined, 50, { countLimit: 1_000 }),
    'events of a user': () => events.page({ user: 'user3' }, undefined, 50, { countLimit: 1_000 }),
    'one event': () => events.find(ids[50]!),
    'events after': () => events.after(ids[19_000]!, {}, 100),
    'deliveries, page': () => deliveries.page({ target: 'rule/3/0' }, undefined, 50),
    'deliveries that wait': () => deliveries.page({ state: 'waiting' }, undefined, 50),
    'login by name': () => users.findByUsername('user9'),
    'login noted': () => users.recordLogin(user.id, new Date()),
    'users, page': () => users.page({}, Buffer.from('user2').toString('base64url'), 5),
  };
  const found: string[] = [];
  for (const [name, work] of Object.entries(works)) {
    const statements = await asked(database, work);
    t.true(statements.length > 0, name);
    for (const statement of statements) {
      // Totals without a filter have to count everything.
      if (/select count\(\*\)/i.test(statement[0])) continue;
      for (const scan of await scans(database, statement)) found.push(`${name}: ${scan}: ${statement[0]}`);
    }
  }
  t.deepEqual(found, []);
});

test('the plans show a scan where there is one', async t => {
  const database = await hubDatabase(t);
  await fill(database);
  t.true((await scans(database, ["select id from deliveries where last_error = 'x'", []])).length > 0);
});
