import 'reflect-metadata';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext, registerCompletionHandler } from 'ava';
import type { Database } from '#core/db/database.js';
import { EventRepository } from '#core/db/events.js';
import { openDatabase } from '#core/db/open.js';
import { HubError } from '#core/errors.js';
import { createLogger } from '#core/log.js';
import { migrations } from '../../../migrations/index.js';
import { testEvent } from '../../conformance/outbox.js';
import { Relay } from '../../support/answer-relay.js';
import { freeze, type Service, startMariadb, startPostgres } from '../../support/services.js';

registerCompletionHandler(() => process.exit());

const SERVERS = { MariaDB: startMariadb, PostgreSQL: startPostgres } as const;
const LOCK = { MariaDB: ['LOCK TABLES events WRITE', 'UNLOCK TABLES'], PostgreSQL: ['BEGIN; LOCK TABLE events', 'COMMIT'] } as const;
const log = createLogger('silent');

const open = (url: string) => openDatabase({ url, durability: 'disk', dataDirectory: '/', log });
const unavailable = { instanceOf: HubError, code: 'unavailable' };

async function record(database: Database): Promise<string> {
  const event = testEvent();
  await new EventRepository(database).record({ event, user: 'alice', path: '/a', targets: ['a', 'b'] });
  return event.id;
}

/** How long it takes until an event can be recorded again. */
async function recoveredInMs(database: Database): Promise<number> {
  const began = performance.now();
  for (;;) {
    const done = await record(database).catch(() => undefined);
    if (done !== undefined) return performance.now() - began;
    await sleep(50);
  }
}

async function timed(work: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work.catch(() => undefined);
  return performance.now() - began;
}

for (const [name, start] of Object.entries(SERVERS) as ['MariaDB' | 'PostgreSQL', () => Promise<Service>][]) {
  let server: Promise<Service> | undefined;
  const set = async (t: ExecutionContext): Promise<{ service: Service; database: Database }> => {
    server ??= start();
    const service = await server;
    const database = await open(service.url);
    t.teardown(() => database.close());
    await database.migrate(migrations);
    return { service, database };
  };

  test.serial(`${name}: a server that is killed is told as unavailable at once, and is used again when it is back`, async t => {
    const { service, database } = await set(t);
    const before = await record(database);
    await service.kill();
    for (const asked of [
      () => record(database),
      () => database.knex('users').first(),
      () => database.reader('users').first(),
      () => database.transaction(trx => trx('users').first()),
    ]) {
      const failing = asked().then();
      t.true((await timed(failing)) < 1_000);
      const error = await t.throwsAsync(failing, unavailable);
      t.regex(error!.message, /^The database /);
    }
    await t.throwsAsync(open(service.url), { ...unavailable, message: /127\.0\.0\.1:\d+\/hub cannot be reached: nothing listens there/ });
    await service.restart();
    t.true((await recoveredInMs(database)) < 5_000);
    t.truthy(await new EventRepository(database).find(before));
  });

  test.serial(`${name}: a server that is stopped is given up within ten seconds, and is used again when it goes on`, async t => {
    const { service, database } = await set(t);
    await record(database);
    const thaw = await freeze(service);
    try {
      const tries = Array.from({ length: 20 }, () => record(database));
      t.true((await timed(Promise.allSettled(tries))) < 14_000);
      for (const result of await Promise.allSettled(tries)) t.is((result as PromiseRejectedResult).reason.code, 'unavailable');
    } finally {
      thaw();
    }
    t.true((await recoveredInMs(database)) < 5_000);
  });

  test.serial(`${name}: a table that is locked is told as a busy database, and is used again when it is free`, async t => {
    const { service, database } = await set(t);
    const holder = await open(service.url);
    t.teardown(() => holder.close());
    const connection = await holder.knex.client.acquireConnection();
    const ask = (sql: string) => holder.knex.client.query(connection, sql);
    await ask(LOCK[name][0]);
    const began = performance.now();
    await t.throwsAsync(record(database), { ...unavailable, message: 'The database is busy' });
    t.true(performance.now() - began < 10_000);
    await ask(LOCK[name][1]);
    holder.knex.client.releaseConnection(connection);
    t.true((await recoveredInMs(database)) < 5_000);
  });

  test.serial(`${name}: transactions that lock each other out are made again`, async t => {
    const { database } = await set(t);
    await database.knex('settings').insert(['x', 'y'].map(key => ({ key, value: '0', updated_at: 0 })));
    t.teardown(() => database.knex('settings').whereIn('key', ['x', 'y']).del());
    const cross = (first: string, second: string) =>
      database.transaction(async trx => {
        for (const key of [first, second]) {
          await trx('settings').where({ key }).increment('updated_at', 1);
          await sleep(100);
        }
      });
    await Promise.all([cross('x', 'y'), cross('y', 'x')]);
    t.deepEqual(await database.knex('settings').whereIn('key', ['x', 'y']).pluck('updated_at'), [2, 2]);
    t.true(database.retries > 0);
    t.log(`${database.retries} made again`);
  });

  test.serial(`${name}: an event whose COMMIT was not answered is found, and recorded once`, async t => {
    const { service } = await set(t);
    const relay = await Relay.listen(service.port);
    t.teardown(() => relay.close());
    const database = await open(service.url.replace(String(service.port), String(relay.port)));
    t.teardown(() => database.close());
    await record(database);
    relay.cutAfter(/COMMIT/);
    const id = await record(database);
    t.is(relay.cuts, 1);
    t.is((await database.knex('events').where({ id })).length, 1);
    t.is((await database.knex('deliveries').where({ event_id: id })).length, 2);
  });
}

for (const kind of ['mysql', 'postgres']) {
  test(`${kind}: a server that takes connections and says nothing is told as unavailable, within seconds`, async t => {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const began = performance.now();
    const error = await t.throwsAsync(open(`${kind}://hub:canary@127.0.0.1:${port}/hub`), unavailable);
    t.true(performance.now() - began < 9_000);
    t.regex(error!.message, /^The database .*127\.0\.0\.1/);
    t.false(error!.message.includes('canary'));
  });
}

test('mysql: a certificate that is to be checked needs the name of the host', async t => {
  const options = { durability: 'disk', dataDirectory: '/', log, tls: { enabled: true, verify: true } } as const;
  const error = await t.throwsAsync(openDatabase({ url: 'mysql://hub@127.0.0.1:1/hub', ...options }), { code: 'invalid-request' });
  t.regex(error!.message, /give the name of the host/);
});
