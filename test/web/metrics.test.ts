import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import test from 'ava';
import type { InjectionToken } from 'tsyringe';
import { defineExtension } from '#core/api.js';
import { Database } from '#core/db/database.js';
import { EventQueue } from '#core/events/queue.js';
import { describeMetrics } from '#web/http/describe-metrics.js';
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
