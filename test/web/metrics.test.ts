import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import test from 'ava';
import type { InjectionToken } from 'tsyringe';
import { defineExtension } from '#core/api.js';
import { Database } from '#core/db/database.js';
import { EventQueue } from '#core/events/queue.js';
import { describeMetrics } from '#web/http/describe-metrics.js';
import { startMariadb } from '../support/services.js';
import { startWeb } from './support.js';

test('METRICS.md is what the metrics say; `npm run docs` writes it', async t => {
  t.is(await readFile(new URL('../../../web/METRICS.md', import.meta.url), 'utf8'), describeMetrics());
});

test('tells of deliveries by kind and state, how long the oldest waits, and of tries', async t => {
  const failing = defineExtension({
    name: 'failing',
    api: '^1.0.0',
    register(hub) {
      hub.on('file.deleted', 'always', async () => {
        throw new Error('no');
      });
    },
  });
  const hub = await startWeb(t, {
    extensions: [failing],
    users: { alice: { password: 'pw' } },
    values: { events: { retry: ['1s'], record: ['*'] }, protocols: {} },
  });
  const alice = await hub.loggedIn('user', 'alice');
  for (const name of ['a', 'b']) {
    await alice.raw('PUT', `/files/content?path=/${name}`, { body: '1' });
    t.is((await alice.delete(`/files?path=/${name}`)).status, 204);
  }
  const metrics = async () => (await fetch(`${hub.base}/metrics`)).text();
  let text = await metrics();
  for (let tries = 0; !/entrepot_deliveries\{kind="handler",state="dead"\} 2/.test(text); tries++) {
    t.true(tries < 100, text);
    await new Promise(resolve => setTimeout(resolve, 100));
    text = await metrics();
  }
  t.regex(text, /^entrepot_delivery_attempts_total\{kind="handler",result="failed"\} 4$/m);
  t.regex(text, /^entrepot_delivery_duration_seconds_count\{kind="handler"\} 4$/m);
  t.regex(text, /^entrepot_deliveries_due 0$/m);
  t.regex(text, /^entrepot_deliveries_oldest_due_seconds 0$/m);
  await hub.hub
    .get(Database as InjectionToken<Database>)
    .knex('deliveries')
    .update({ state: 'waiting', due_at: Date.now() + 60_000 });
  text = await metrics();
  t.regex(text, /^entrepot_deliveries\{kind="handler",state="waiting"\} 2$/m);
  t.regex(text, /^entrepot_deliveries_due 0$/m);
  await hub.hub.get(EventQueue as InjectionToken<EventQueue>).stop(AbortSignal.abort());
  await hub.hub
    .get(Database as InjectionToken<Database>)
    .knex('deliveries')
    .update({ state: 'waiting', due_at: Date.now() - 60_000 });
  text = await metrics();
  t.regex(text, /^entrepot_deliveries_due 2$/m);
  t.true(Number(/^entrepot_deliveries_oldest_due_seconds (.+)$/m.exec(text)?.[1]) >= 60);
});

test('tells whoever had a good key lately that the database is silent, in time for Prometheus, and nobody else', async t => {
  t.timeout(120_000);
  const service = await startMariadb();
  t.teardown(() => service.kill());
  const hub = await startWeb(t, { databaseFile: true, storage: 'disk', values: { database: { url: service.url } } });
  const admin = await hub.loggedIn('admin', 'ada');
  const made = async (name: string) => `Bearer ${(await admin.post('/api-keys', { name, scope: 'metrics' })).body.token}`;
  const [used, unused] = [await made('used'), await made('unused')];
  const ask = (authorization: string) => fetch(`${hub.base}/metrics`, { headers: { authorization } });
  t.is((await ask(used)).status, 200);
  t.is((await ask('Bearer ek_wrong')).status, 401);
  process.kill(service.pid, 'SIGSTOP');
  try {
    const began = performance.now();
    const answer = await ask(used);
    t.true(performance.now() - began < 9_000);
    t.is(answer.status, 200);
    t.regex(await answer.text(), /^entrepot_database_up 0$/m);
    for (const wrong of [unused, 'Bearer ek_wrong']) t.is((await ask(wrong)).status, 503);
  } finally {
    process.kill(service.pid, 'SIGCONT');
  }
});

test('tells when a backup is due, and nothing of it where none is made by the clock', async t => {
  const metric = async (every: string) => {
    const hub = await startWeb(t, { values: { backup: { every } } });
    const text = await (await fetch(`${hub.base}/metrics`)).text();
    t.notRegex(text, /^entrepot_backup_last_success_timestamp_seconds /m);
    return /^entrepot_backup_due_timestamp_seconds (.+)$/m.exec(text)?.[1];
  };
  const inSeconds = Number(await metric('7d')) - Date.now() / 1_000;
  t.true(Math.abs(inSeconds - 7 * 86_400) < 60, `${inSeconds}`);
  t.is(await metric('off'), undefined);
});

test('goes on telling of the process when the database is away', async t => {
  const hub = await startWeb(t);
  await hub.hub.get(Database as InjectionToken<Database>).close();
  const answer = await fetch(`${hub.base}/metrics`);
  const text = await answer.text();
  t.is(answer.status, 200);
  t.regex(text, /^entrepot_database_up 0$/m);
  t.regex(text, /^process_cpu_seconds_total /m);
  t.notRegex(text, /^entrepot_deliveries_due \d/m);
});
