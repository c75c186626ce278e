import 'reflect-metadata';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { HubError } from '#core/errors.js';
import type { ActionType } from '#core/events/action.js';
import { type ClaimedDelivery, DeliveryFailure, PermanentFailure } from '#core/events/delivery.js';
import { Dispatcher } from '#core/events/dispatcher.js';
import { DATABASE_RULES } from '#core/events/rules.js';
import { Outbox } from '../../conformance/outbox.js';
import { onEachDatabase as test } from '../../support/databases.js';

type Run = ActionType['run'];

/** An outbox with one rule whose action is `run`, and one delivery for it that is claimed. */
async function setUp(t: ExecutionContext, run: Run, { timeoutMs, target }: { timeoutMs?: number; target?: string } = {}) {
  const outbox = await Outbox.open(t, { retryMs: [1_000, 2_000] });
  outbox.actions.register({
    name: 'x',
    options: z.strictObject({ to: z.string() }),
    run,
    ...(timeoutMs && { timeoutMs: () => timeoutMs }),
  });
  const rule = await outbox.stored.create({
    name: 'my rule',
    enabled: true,
    events: ['*'],
    guards: [],
    conditions: {},
    actions: [{ type: 'x', options: { to: 'me' } }],
  });
  outbox.rules.setRules(DATABASE_RULES, await outbox.stored.list());
  const dispatcher = new Dispatcher(outbox.rules, outbox.actions, outbox.deliveries, outbox.stored, outbox.settings);
  const wanted = target ?? `rule/${rule.id}/0`;
  await outbox.publish(wanted);
  const claim = async (): Promise<ClaimedDelivery> =>
    (await outbox.deliveries.claim(new Map([[wanted, 1]]), `here/${Math.random()}`, 60_000))[0]!;
  const delivery = await claim();
  return {
    outbox,
    rule,
    dispatcher,
    delivery,
    claim,
    look: () => outbox.deliveries.find(delivery.id),
    tries: () => outbox.deliveries.attempts(delivery.id),
  };
}

const calm = new AbortController().signal;

test('runs the action with its options and keeps what it tells', async t => {
  const seen: unknown[] = [];
  const b = await setUp(t, async (options, delivery) => {
    seen.push(options, delivery.attempt);
    return { summary: 'HTTP 200', answer: 'thanks' };
  });
  await b.dispatcher.run(b.delivery, calm);
  t.deepEqual(seen, [{ to: 'me' }, 1]);
  t.like(await b.look(), { state: 'succeeded', attempts: 1, dueAt: undefined, lastError: undefined });
  t.like((await b.tries())[0], { attempt: 1, succeeded: true, summary: 'HTTP 200', answer: 'thanks' });
});

test('tries again after the wait of the schedule, and gives up after the last', async t => {
  const b = await setUp(t, async () => {
    throw new DeliveryFailure('HTTP 500', { answer: 'sorry' });
  });
  const waits: (number | undefined)[] = [];
  let delivery = b.delivery;
  for (let attempt = 1; attempt <= 3; attempt++) {
    const before = b.outbox.deliveries.now();
    await b.dispatcher.run(delivery, calm);
    const { dueAt } = (await b.look())!;
    waits.push(dueAt && dueAt - before);
    await b.outbox.database.knex('deliveries').whereNotNull('due_at').update({ due_at: 0 });
    if (attempt < 3) delivery = await b.claim();
  }
  t.true(waits[0]! >= 900 && waits[0]! < 1_900);
  t.true(waits[1]! >= 1_800);
  t.is(waits[2], undefined);
  t.like(await b.look(), { state: 'dead', attempts: 3, lastError: 'HTTP 500' });
  t.deepEqual(
    (await b.tries()).map(({ attempt, succeeded, summary, answer }) => [attempt, succeeded, summary, answer]),
    [1, 2, 3].map(attempt => [attempt, false, 'HTTP 500', 'sorry']),
  );
});

test('waits as long as the receiver asks, and never less than the schedule', async t => {
  const asked = await setUp(t, async () => {
    throw new DeliveryFailure('HTTP 429', { retryAfterMs: 60_000 });
  });
  const before = asked.outbox.deliveries.now();
  await asked.dispatcher.run(asked.delivery, calm);
  t.true((await asked.look())!.dueAt! >= before + 60_000);
  const short = await setUp(t, async () => {
    throw new DeliveryFailure('HTTP 429', { retryAfterMs: 1 });
  });
  const start = short.outbox.deliveries.now();
  await short.dispatcher.run(short.delivery, calm);
  t.true((await short.look())!.dueAt! >= start + 900);
});

test('does not try again what cannot succeed, and leaves the rule alone', async t => {
  const b = await setUp(t, async () => {
    throw new PermanentFailure('exit 65');
  });
  await b.dispatcher.run(b.delivery, calm);
  t.like(await b.look(), { state: 'dead', lastError: 'exit 65' });
  t.true((await b.outbox.stored.find(b.rule.id))?.enabled);
});

test('disables the rule of a receiver that wants no more', async t => {
  const b = await setUp(t, async () => {
    throw new PermanentFailure('HTTP 410', { disable: true });
  });
  await b.dispatcher.run(b.delivery, calm);
  t.is((await b.look())?.state, 'dead');
  t.false((await b.outbox.stored.find(b.rule.id))?.enabled);
});

test('ends an action that takes no notice of its limit', async t => {
  const b = await setUp(t, () => new Promise<string>(() => undefined), { timeoutMs: 20 });
  await b.dispatcher.run(b.delivery, calm);
  t.like(await b.look(), { state: 'waiting', lastError: 'No answer within 0.02 s' });
});

test('gives the delivery back when the hub stops, without counting a failure', async t => {
  const b = await setUp(t, () => new Promise<string>(() => undefined));
  const stop = new AbortController();
  const running = b.dispatcher.run(b.delivery, stop.signal);
  stop.abort();
  await running;
  t.like(await b.look(), { state: 'waiting', attempts: 1, lastError: undefined });
  t.like((await b.tries())[0], { succeeded: false, summary: 'The try was cut off: the hub stopped' });
  t.like(await b.claim(), { id: b.delivery.id, attempt: 2, failures: 0 });
});

test('keeps the stack of what a handler throws, with its causes', async t => {
  const b = await setUp(t, async () => undefined, { target: 'handler/acme/notify' });
  b.outbox.rules.handler('acme/notify', ['*'], async () => {
    throw new TypeError('x is not a function\nat all', { cause: new Error('the root') });
  });
  await b.dispatcher.run(b.delivery, calm);
  t.like(await b.look(), { state: 'waiting', lastError: 'x is not a function' });
  const [attempt] = await b.tries();
  t.regex(attempt!.answer!, /TypeError: x is not a function[\s\S]*dispatcher\.test[\s\S]*Caused by: Error: the root/);
});

test('gives a handler the event and its delivery', async t => {
  const b = await setUp(t, async () => undefined, { target: 'handler/acme/notify' });
  const seen: unknown[] = [];
  b.outbox.rules.handler('acme/notify', ['webhook.test'], async (event, delivery) => void seen.push(event.id, delivery.id));
  await b.dispatcher.run(b.delivery, calm);
  t.deepEqual(seen, [b.delivery.event.id, b.delivery.id]);
  t.like((await b.tries())[0], { succeeded: true, summary: 'done' });
});

test('says so when what wanted the event is gone, or its action cannot be run', async t => {
  const gone = await setUp(t, async () => undefined, { target: 'rule/none/0' });
  await gone.dispatcher.run(gone.delivery, calm);
  t.like(await gone.look(), { state: 'dead', lastError: 'What wanted this event is gone: the rule or the extension was removed' });
  const broken = await setUp(t, async () => undefined);
  await broken.outbox.stored.update(broken.rule.id, { actions: [{ type: 'x', options: { to: 1 } }] });
  broken.outbox.rules.setRules(DATABASE_RULES, await broken.outbox.stored.list());
  await broken.dispatcher.run(broken.delivery, calm);
  t.is((await broken.look())?.state, 'dead');
  t.regex((await broken.look())!.lastError!, /Options of action 'x': to: /);
});

test('cuts a long answer at 64 KiB, never inside a character', async t => {
  const b = await setUp(t, async () => ({ summary: 'ok', answer: `a${'\u00fc'.repeat(40_000)}` }));
  await b.dispatcher.run(b.delivery, calm);
  const { answer } = (await b.tries())[0]!;
  t.is(Buffer.byteLength(answer!), 64 * 1024 - 1);
  t.true(answer!.endsWith('\u00fc'));
});

test('records the outcome although the database was busy', async t => {
  const b = await setUp(t, async () => 'sent');
  const finish = b.outbox.deliveries.finish.bind(b.outbox.deliveries);
  let refusals = 2;
  b.outbox.deliveries.finish = (...args) => (refusals-- > 0 ? Promise.reject(new HubError('unavailable', 'busy')) : finish(...args));
  await b.dispatcher.run(b.delivery, calm);
  t.is((await b.look())?.state, 'succeeded');
});

test('does not overwrite the outcome of a try that someone else has taken over', async t => {
  const b = await setUp(t, async () => {
    await b.outbox.database.knex('deliveries').update({ due_at: 0 });
    await b.claim();
    return 'late';
  });
  await b.dispatcher.run(b.delivery, calm);
  t.like(await b.look(), { state: 'running', attempts: 2 });
  t.deepEqual(await b.tries(), []);
});
