import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { finishing } from '#core/db/delivery-statements.js';
import type { EventFilter } from '#core/db/events.js';
import { RuleLoader } from '#core/events/rule-loader.js';
import type { Rule } from '#core/events/rules.js';
import type { HubEvent } from '#core/events/types.js';
import { Outbox, testEvent } from '../../conformance/outbox.js';
import { onEachDatabase as test } from '../../support/databases.js';

const DAY = 86_400_000;

/** Records an event of that type, user, path and age. */
async function add(outbox: Outbox, type: string, facts: { user?: string; path?: string; at?: number; targets?: readonly string[] } = {}) {
  const { user, path, targets = [], at = Date.now() } = facts;
  const fresh = testEvent();
  const hex = at.toString(16).padStart(12, '0');
  const id = `${hex.slice(0, 8)}-${hex.slice(8)}-${fresh.id.slice(14)}`;
  const event = { ...fresh, id, type, time: new Date(at).toISOString(), data: { user, path } } as unknown as HubEvent;
  await outbox.events.record({ event, user, path, targets });
  return event;
}

async function finish(outbox: Outbox, target: string, succeeded: boolean): Promise<string> {
  const [delivery] = await outbox.deliveries.claim(new Map([[target, 1]]), `here/${Math.random()}`, 60_000);
  const outcome = { startedAt: Date.now(), durationMs: 1, succeeded, summary: succeeded ? 'ok' : 'no', answer: 'answer' };
  mustBeRecorded(await outbox.deliveries.finish(delivery!.id, delivery!.attempt, outcome));
  return delivery!.id;
}

function mustBeRecorded(recorded: boolean): void {
  if (!recorded) throw new Error('the outcome was not recorded');
}

test('lists events by type, user, path, time and text', async t => {
  const outbox = await Outbox.open(t);
  const now = Date.now();
  const names = new Map<string, string>();
  const note = async (name: string, event: Promise<HubEvent>): Promise<void> => void names.set((await event).id, name);
  await note('old', add(outbox, 'upload.completed', { user: 'alice', path: '/in/a', at: now - 2 * DAY }));
  await note('failed', add(outbox, 'upload.failed', { user: 'alice', path: '/in', at: now - 30 }));
  await note('bob', add(outbox, 'upload.completed', { user: 'bob', path: '/in/100%_b', at: now - 20 }));
  await note('beside', add(outbox, 'uploads.other', { user: 'bob', path: '/input', at: now - 10 }));
  await note('login', add(outbox, 'login.failed', { at: now }));
  const cases: readonly [EventFilter, readonly string[]][] = [
    [{}, ['login', 'beside', 'bob', 'failed', 'old']],
    [{ type: '*', path: '/' }, ['login', 'beside', 'bob', 'failed', 'old']],
    [{ type: 'upload.*' }, ['bob', 'failed', 'old']],
    [{ type: 'upload.completed', user: 'alice' }, ['old']],
    [{ path: '/in' }, ['bob', 'failed', 'old']],
    [{ path: '/in/' }, ['bob', 'failed', 'old']],
    [{ since: now - DAY, until: now }, ['beside', 'bob', 'failed']],
    [{ until: now - DAY }, ['old']],
    [{ text: '100%_' }, ['bob']],
    [{ text: '100__' }, []],
  ];
  for (const [filter, expected] of cases) {
    const page = await outbox.events.page(filter, undefined, 100);
    t.deepEqual(
      page.items.map(({ id }) => names.get(id)),
      expected,
      JSON.stringify(filter),
    );
    t.is(page.total, expected.length);
  }
});

test('turns pages, newest first, until the last', async t => {
  const outbox = await Outbox.open(t);
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.unshift((await outbox.publish('a')).id);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await outbox.events.page({}, cursor, 2);
    t.is(page.total, 5);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  t.deepEqual(seen, ids);
  const first = await outbox.deliveries.page({}, undefined, 3);
  const rest = await outbox.deliveries.page({}, first.next, 3);
  t.deepEqual([first.items.length, rest.items.length, rest.next, rest.total], [3, 2, undefined, 5]);
});

test('follows events in order, and passes over none that settles late', async t => {
  const outbox = await Outbox.open(t);
  const first = await outbox.publish();
  t.is(await outbox.events.latest(), first.id);
  const late = testEvent();
  await outbox.events.record({
    event: late,
    user: undefined,
    path: undefined,
    targets: [],
    proof: { storage: 's', path: '/p', before: '' },
  });
  const last = await outbox.publish();
  const ids = async (after: string) => (await outbox.events.after(after, {}, 10)).map(({ id }) => id);
  t.deepEqual(await ids(''), [first.id]);
  await outbox.events.settle([late.id]);
  t.deepEqual(await ids(first.id), [late.id, last.id]);
  t.deepEqual(await ids(last.id), []);
});

test('shows an event only when it took place, and its deliveries neither', async t => {
  const outbox = await Outbox.open(t);
  const event = testEvent();
  await outbox.events.record({ event, user: undefined, path: undefined, targets: ['a'], proof: { storage: 's', path: '/p', before: '' } });
  t.is(await outbox.events.find(event.id), undefined);
  t.is((await outbox.deliveries.page({}, undefined, 10)).total, 0);
  t.deepEqual(await outbox.deliveries.counts(), []);
  const [hidden]: { id: string }[] = await outbox.database.knex('deliveries').select('id');
  await t.throwsAsync(outbox.deliveries.retry(hidden!.id), { code: 'conflict' });
  await outbox.events.settle([event.id]);
  t.deepEqual(await outbox.events.find(event.id), event);
  t.like(await outbox.deliveries.find(hidden!.id), {
    state: 'waiting',
    eventId: event.id,
    eventType: 'webhook.test',
    target: 'a',
    attempts: 0,
  });
});

test('settles an event once: what was delivered since is not delivered again', async t => {
  const outbox = await Outbox.open(t);
  const event = testEvent();
  await outbox.events.record({ event, user: undefined, path: undefined, targets: ['a'], proof: { storage: 's', path: '/p', before: '' } });
  await outbox.events.settle([event.id]);
  await finish(outbox, 'a', true);
  await outbox.events.settle([event.id]);
  await outbox.events.drop([event.id]);
  t.deepEqual(await outbox.deliveries.dueTargets(), []);
  t.is((await outbox.events.page({}, undefined, 1)).total, 1);
});

test('prunes old events, except those of which a delivery is not done', async t => {
  const outbox = await Outbox.open(t);
  const at = Date.now() - 40 * DAY;
  await add(outbox, 'a.done', { at, targets: ['done'] });
  await add(outbox, 'a.none', { at });
  await add(outbox, 'a.waiting', { at, targets: ['waiting'] });
  await add(outbox, 'a.dead', { at, targets: ['dead'] });
  await add(outbox, 'a.new', { targets: ['new'] });
  await finish(outbox, 'done', true);
  await finish(outbox, 'new', true);
  const dead = await finish(outbox, 'dead', false);
  const types = async () => (await outbox.events.page({}, undefined, 10)).items.map(({ type }) => type as string).sort();
  t.is(await outbox.events.prune(Date.now() - 30 * DAY), 2);
  t.deepEqual(await types(), ['a.dead', 'a.new', 'a.waiting']);
  await outbox.deliveries.dismiss(dead);
  t.is(await outbox.events.prune(Date.now() - 30 * DAY), 1);
  t.deepEqual(await types(), ['a.new', 'a.waiting']);
  t.is((await outbox.database.knex('delivery_attempts')).length, 1);
});

test('records a try once, whose end was on its way to the database when its hub was killed', async t => {
  const outbox = await Outbox.open(t);
  await add(outbox, 'upload.completed', { targets: ['x'] });
  const [delivery] = await outbox.deliveries.claim(new Map([['x', 1]]), 'here/1', 60_000);
  const { id, attempt } = delivery!;
  const end = finishing(outbox.database.dialect, id, attempt, {
    attempt: [Date.now(), 1, 1, 'ok', null, null],
    outcome: ['succeeded', 0, null, null, Date.now()],
  });
  // The killed hub's statements run on while the one that follows it gives back what it had claimed.
  let given: Promise<number> | undefined;
  await outbox.database.transaction(async trx => {
    for (const { sql, bindings } of end) {
      await trx.raw(sql, bindings as readonly Knex.RawBinding[]);
      given ??= outbox.deliveries.releaseNode('here');
      await sleep(200);
    }
  });
  t.is(await given, 0);
  t.deepEqual(
    (await outbox.deliveries.attempts(id)).map(({ summary }) => summary),
    ['ok'],
  );
  t.is((await outbox.deliveries.find(id))?.state, 'succeeded');
});

test('prunes more than one batch', async t => {
  const outbox = await Outbox.open(t);
  const at = Date.now() - 40 * DAY;
  // In parts: a busy server may not have taken them all within the time that one call waits for a connection.
  for (let first = 0; first < 1_100; first += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => add(outbox, i === 0 ? 'kept' : 'gone', { at: at + first + i, targets: i === 0 ? ['x'] : [] })),
    );
  t.is(await outbox.events.prune(Date.now()), 1_089);
  t.is((await outbox.events.page({}, undefined, 1)).total, 11);
});

test('counts deliveries by target and state, and lists them by both', async t => {
  const outbox = await Outbox.open(t);
  for (let i = 0; i < 3; i++) await outbox.publish('a', 'b');
  const dead = await finish(outbox, 'a', false);
  t.deepEqual(await outbox.deliveries.counts(), [
    { target: 'a', state: 'dead', count: 1 },
    { target: 'a', state: 'waiting', count: 2 },
    { target: 'b', state: 'waiting', count: 3 },
  ]);
  const found = await outbox.deliveries.page({ state: 'dead', target: 'a' }, undefined, 10);
  t.deepEqual(
    found.items.map(({ id, lastError }) => [id, lastError]),
    [[dead, 'no']],
  );
  t.is((await outbox.deliveries.page({ eventId: found.items[0]!.eventId }, undefined, 10)).total, 2);
});

test('retries by hand what is dead or done, never what runs', async t => {
  const outbox = await Outbox.open(t);
  await outbox.publish('a');
  const id = await finish(outbox, 'a', false);
  t.deepEqual(await outbox.deliveries.dueTargets(), []);
  await outbox.deliveries.retry(id);
  t.is((await outbox.deliveries.dueTargets())[0]?.target, 'a');
  await finish(outbox, 'a', true);
  await outbox.deliveries.retry(id);
  const [again] = await outbox.deliveries.claim(new Map([['a', 1]]), 'here/z', 60_000);
  t.like(again, { id, attempt: 3, failures: 0 });
  await t.throwsAsync(outbox.deliveries.retry(id), { code: 'conflict' });
  await t.throwsAsync(outbox.deliveries.dismiss(id), { code: 'conflict' });
  await t.throwsAsync(outbox.deliveries.retry('none'), { code: 'not-found' });
});

const fields: Omit<Rule, 'id'> = {
  name: 'hook',
  enabled: true,
  events: ['upload.*'],
  guards: [],
  conditions: { paths: ['/in/**'] },
  actions: [{ type: 'webhook', options: { url: 'http://127.0.0.1/canary-url', secret: 'canary-secret' } }],
};

async function storedText(t: ExecutionContext, outbox: Outbox): Promise<string> {
  const rows = await outbox.database.knex('rules');
  t.is(rows.length, 1);
  return JSON.stringify(rows);
}

test('keeps rules with their options sealed', async t => {
  const outbox = await Outbox.open(t);
  const rule = await outbox.stored.create(fields);
  t.like(await outbox.stored.find(rule.id), fields);
  t.false((await storedText(t, outbox)).includes('canary'));
  const changed = await outbox.stored.update(rule.id, { name: 'other' }, 1);
  t.is(changed.version, 2);
  t.deepEqual(await outbox.stored.list(), [changed]);
  await t.throwsAsync(outbox.stored.update(rule.id, { name: 'third' }, 1), { code: 'conflict' });
  await outbox.stored.delete(rule.id);
  await t.throwsAsync(outbox.stored.delete(rule.id), { code: 'not-found' });
  await t.throwsAsync(outbox.stored.setEnabled(rule.id, true), { code: 'not-found' });
});

test('takes over each change of a rule', async t => {
  const outbox = await Outbox.open(t);
  const loader = new RuleLoader(outbox.stored, outbox.rules, outbox.coordinator, outbox.settings);
  await loader.start();
  const targets = () => outbox.rules.targetsFor({ ...testEvent(), type: 'upload.failed', data: { path: '/in/a' } } as unknown as HubEvent);
  t.deepEqual(targets(), []);
  const rule = await outbox.stored.create(fields);
  await loader.current();
  t.deepEqual(targets(), [{ id: `rule/${rule.id}/0` }]);
  await outbox.stored.setEnabled(rule.id, false);
  await loader.current();
  t.deepEqual(targets(), []);
  await loader.stop();
  await outbox.stored.setEnabled(rule.id, true);
  await loader.current();
  t.deepEqual(targets(), []);
});
