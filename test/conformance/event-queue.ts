import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import ava, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import type { ClaimedDelivery, TargetLimits } from '#core/events/delivery.js';
import type { EventQueue } from '#core/events/queue.js';
import { DATABASE_RULES, type Rule } from '#core/events/rules.js';
import { Outbox, type OutboxOptions, type QueueParts, until } from './outbox.js';
import { Bench, Gate } from './queue-bench.js';

const HOUR = 3_600_000;
const LIMITED = 'rule/test:one/0';

/**
 * The contract of an EventQueue as tests, for a driver that `open` builds: every delivery runs at least once, a failed one
 * again at its time, a lost one after its lease, and no target keeps another waiting.
 */
export function testEventQueue(
  name: string,
  open: (parts: QueueParts) => EventQueue | Promise<EventQueue>,
  /** What registers a test: ava, or what runs it on several kinds of databases. */
  test: (title: string, body: (t: ExecutionContext) => Promise<void>) => void = ava,
): void {
  const bench = async (t: ExecutionContext, options: OutboxOptions = {}) => new Bench(t, await Outbox.open(t, options), open);

  const twoLimited = async (t: ExecutionContext, limits: TargetLimits) => {
    const one = await bench(t, { node: 'one', concurrency: 32 });
    const two = new Bench(t, await Outbox.open(t, { node: 'two', concurrency: 32 }, one.outbox.directory), open);
    for (const { actions, rules } of [one.outbox, two.outbox]) {
      actions.register({ name: 'limited', options: z.object({}), limits: () => limits, run: async () => undefined });
      const rule = { id: 'one', name: 'limited', enabled: true, events: ['*'], guards: [], conditions: {} };
      rules.setRules('test', [{ ...rule, actions: [{ type: 'limited', options: {} }] }]);
    }
    return [one, two] as const;
  };

  test(`${name}: runs every delivery, whether it was recorded before the start or after`, async t => {
    const b = await bench(t);
    for (let i = 0; i < 20; i++) await b.outbox.publish('a', 'b');
    await b.start();
    for (let i = 0; i < 20; i++) await b.outbox.publish('a', 'c');
    b.outbox.wake();
    await until(async () => (await b.count('succeeded')) === 80);
    t.is(new Set(b.tries.map(({ id }) => id)).size, 80);
    t.is(b.tries.length, 80);
    t.true(b.tries.every(({ attempt, failures }) => attempt === 1 && failures === 0));
  });

  test(`${name}: finds what is due without being told`, async t => {
    const b = await bench(t);
    await b.start();
    await b.outbox.publish('a');
    await until(async () => (await b.count('succeeded')) === 1);
    t.is(b.tries.length, 1);
  });

  test(`${name}: runs a failed delivery again at its time, with the same event`, async t => {
    const b = await bench(t);
    const event = await b.outbox.publish('a');
    const times: number[] = [];
    await b.start(async delivery => {
      times.push(Date.now());
      await (delivery.attempt < 3 ? b.fail(delivery, Date.now() + 300) : b.succeed(delivery));
    });
    await until(async () => (await b.count('succeeded')) === 1);
    t.deepEqual(
      b.tries.map(({ attempt, failures }) => [attempt, failures]),
      [
        [1, 0],
        [2, 1],
        [3, 2],
      ],
    );
    t.true(b.tries.every(delivery => delivery.event.id === event.id && delivery.id === b.tries[0]!.id));
    t.true(times[1]! - times[0]! >= 300 && times[2]! - times[1]! >= 300);
    t.deepEqual(
      (await b.outbox.deliveries.attempts(b.tries[0]!.id)).map(({ attempt, succeeded }) => [attempt, succeeded]),
      [
        [1, false],
        [2, false],
        [3, true],
      ],
    );
  });

  test(`${name}: leaves a dead delivery alone until it is retried by hand`, async t => {
    const b = await bench(t);
    await b.outbox.publish('a');
    await b.start(delivery => (delivery.attempt === 1 ? b.fail(delivery, undefined) : b.succeed(delivery)));
    await until(async () => (await b.count('dead')) === 1);
    await b.outbox.publish('b');
    b.outbox.wake();
    await until(async () => b.tries.length === 2);
    t.is(b.tries[1]!.target, 'b');
    await b.outbox.deliveries.retry(b.tries[0]!.id);
    b.outbox.wake();
    await until(async () => b.tries.length === 3);
    t.is(b.tries[2]!.event.id, b.tries[0]!.event.id);
    t.is(b.tries[2]!.failures, 0);
  });

  test(`${name}: runs nothing of an event that waits for its operation`, async t => {
    const b = await bench(t);
    const proof = { storage: 's', path: '/p', before: '' };
    const event = { ...(await b.outbox.publish()), id: '01900000-0000-7000-8000-000000000001' };
    await b.outbox.events.record({ event, user: undefined, path: undefined, targets: ['a'], proof });
    await b.outbox.publish('b');
    await b.start();
    await until(async () => (await b.count('succeeded')) === 1);
    t.deepEqual(
      b.tries.map(({ target }) => target),
      ['b'],
    );
    await b.outbox.events.settle([event.id]);
    b.outbox.wake();
    await until(async () => b.tries.length === 2);
    t.is(b.tries[1]!.event.id, event.id);
  });

  test(`${name}: runs again what another process took and did not end before its lease did`, async t => {
    const b = await bench(t);
    await b.outbox.publish('a');
    const [lost] = await b.outbox.deliveries.claim(new Map([['a', 1]]), 'elsewhere/1', 400);
    await b.start();
    const before = Date.now();
    await until(async () => (await b.count('succeeded')) === 1);
    t.is(b.tries[0]!.id, lost!.id);
    t.deepEqual([b.tries[0]!.attempt, b.tries[0]!.failures], [2, 0]);
    t.true(Date.now() - before < HOUR);
  });

  test(`${name}: runs at once what its own node had taken before it was killed`, async t => {
    const b = await bench(t);
    await b.outbox.publish('a');
    await b.outbox.deliveries.claim(new Map([['a', 1]]), `${b.outbox.settings.node}/1`, HOUR);
    await b.start();
    await until(async () => (await b.count('succeeded')) === 1);
    t.is(b.tries[0]!.attempt, 2);
    const tries = await b.outbox.deliveries.attempts(b.tries[0]!.id);
    t.deepEqual(
      tries.map(({ succeeded }) => succeeded),
      [false, true],
    );
  });

  test(`${name}: leaves alone what another node has taken`, async t => {
    const b = await bench(t);
    await b.outbox.publish('a');
    await b.outbox.deliveries.claim(new Map([['a', 1]]), 'hereabouts/1', HOUR);
    await b.start();
    await b.outbox.publish('b');
    b.outbox.wake();
    await until(async () => (await b.count('succeeded')) === 1);
    t.is(b.tries[0]!.target, 'b');
    t.is(await b.count('running'), 1);
  });

  test(`${name}: lets no targets that hang keep another one waiting`, async t => {
    const b = await bench(t, { concurrency: 8 });
    const gate = new Gate();
    for (let i = 0; i < 40; i++) await b.outbox.publish('stuck-1', 'stuck-2', 'stuck-3');
    await b.start(async (delivery, signal) => {
      if (delivery.target.startsWith('stuck')) await gate.pass(signal);
      await b.succeed(delivery);
    });
    await until(() => b.tries.length >= 5);
    for (let i = 0; i < 20; i++) await b.outbox.publish('well');
    b.outbox.wake();
    await until(() => b.tries.filter(({ target }) => target === 'well').length === 20);
    for (const stuck of ['stuck-1', 'stuck-2', 'stuck-3']) t.true(b.tries.filter(({ target }) => target === stuck).length <= 2);
    gate.open();
    await until(async () => (await b.count('succeeded')) === 140);
    t.is(b.tries.length, 140);
  });

  test(`${name}: stops after what runs has ended, and takes no more`, async t => {
    const b = await bench(t, { concurrency: 4 });
    const gate = new Gate();
    for (let i = 0; i < 5; i++) await b.outbox.publish('a');
    const queue = await b.start(async (delivery, signal) => {
      await gate.pass(signal);
      await b.succeed(delivery);
    });
    await until(() => b.tries.length === 1);
    let stopped = false;
    const stopping = queue.stop(new AbortController().signal).then(() => {
      stopped = true;
    });
    await sleep(50);
    t.false(stopped);
    gate.open();
    await stopping;
    t.is(b.tries.length, 1);
    t.is(await b.count('succeeded'), 1);
    t.is(await b.count('waiting'), 4);
  });

  test(`${name}: aborts what runs when the stop may take no longer, and what was given back runs at the next start`, async t => {
    const b = await bench(t);
    await b.outbox.publish('a');
    const queue = await b.start(async (delivery, signal) => {
      await new Gate().pass(signal);
      await b.outbox.deliveries.release(delivery.id, delivery.attempt);
    });
    await until(() => b.tries.length === 1);
    const limit = new AbortController();
    const stopping = queue.stop(limit.signal);
    limit.abort();
    await stopping;
    t.is(await b.count('waiting'), 1);
    await b.start();
    await until(async () => (await b.count('succeeded')) === 1);
    t.deepEqual([b.tries[1]!.attempt, b.tries[1]!.failures], [2, 0]);
  });

  test(`${name}: never runs one claim twice, also with two queues on one outbox`, async t => {
    const first = await bench(t, { node: 'one', concurrency: 8 });
    for (let i = 0; i < 150; i++) await first.outbox.publish('a', 'b');
    const second = new Bench(t, await Outbox.open(t, { node: 'two', concurrency: 8 }, first.outbox.directory), open);
    await Promise.all([first.start(), second.start()]);
    await until(async () => (await first.count('succeeded')) === 300);
    const ran = [...first.tries, ...second.tries].map(({ id }) => id);
    t.is(ran.length, 300);
    t.is(new Set(ran).size, 300);
  });

  test(`${name}: runs no more of a target at the same time than it bears, on two nodes together`, async t => {
    const [one, two] = await twoLimited(t, { concurrency: 3 });
    for (let i = 0; i < 30; i++) await one.outbox.publish(LIMITED);
    let [running, most] = [0, 0];
    const run = async (delivery: ClaimedDelivery) => {
      most = Math.max(most, ++running);
      await sleep(20);
      running--;
      await one.succeed(delivery);
    };
    await Promise.all([one.start(run), two.start(run)]);
    await until(async () => (await one.count('succeeded')) === 30);
    t.true(most <= 3, `${most}`);
  });

  test(`${name}: begins no more tries of a target in a time than it bears, on two nodes together, and keeps no other waiting`, async t => {
    const [one, two] = await twoLimited(t, { rate: { tries: 60, perMs: 60_000 } });
    for (let i = 0; i < 20; i++) await one.outbox.publish(...(i < 6 ? [LIMITED] : []), 'free');
    const began: number[] = [];
    let free = 0;
    const run = async (delivery: ClaimedDelivery) => {
      if (delivery.target === LIMITED) began.push(performance.now());
      else free = performance.now();
      await one.succeed(delivery);
    };
    await Promise.all([one.start(run), two.start(run)]);
    await until(async () => (await one.count('succeeded')) === 26);
    const tookMs = began.at(-1)! - began[0]!;
    t.true(tookMs > 4_000 && tookMs < 30_000, `${tookMs} ms`);
    t.true(free < began.at(-1)!);
  });

  test(`${name}: keeps what takes longer than the lease`, async t => {
    const first = await bench(t, { node: 'one', leaseMs: 1_500 });
    await first.outbox.publish('a');
    const gate = new Gate();
    await first.start(async (delivery, signal) => {
      await gate.pass(signal);
      await first.succeed(delivery);
    });
    await until(() => first.tries.length === 1);
    const second = new Bench(t, await Outbox.open(t, { node: 'two' }, first.outbox.directory), open);
    await second.start();
    await sleep(4_000);
    gate.open();
    await until(async () => (await first.count('succeeded')) === 1);
    t.deepEqual(second.tries, []);
  });

  test(`${name}: leaves what this process does not know to one that does`, async t => {
    const one = await bench(t, { node: 'one', process: 'p1', unknownTargetMs: HOUR });
    const two = new Bench(t, await Outbox.open(t, { node: 'two', process: 'p2', unknownTargetMs: HOUR }, one.outbox.directory), open);
    one.outbox.rules.handler('only/one', [], async () => undefined);
    two.outbox.rules.handler('only/two', [], async () => undefined);
    join(one.outbox, two.outbox);
    for (let i = 0; i < 20; i++) await one.outbox.publish('handler/only/one', 'handler/only/two');
    await Promise.all([one.start(), two.start()]);
    await until(async () => (await one.count('succeeded')) === 40);
    for (let i = 0; i < 20; i++) await one.outbox.publish('handler/only/one', 'handler/only/two');
    one.outbox.wake();
    await until(async () => (await one.count('succeeded')) === 80);
    t.deepEqual([...new Set(one.tries.map(({ target }) => target))], ['handler/only/one']);
    t.deepEqual([...new Set(two.tries.map(({ target }) => target))], ['handler/only/two']);
    t.true([...one.tries, ...two.tries].every(({ failures, attempt }) => failures === 0 && attempt <= 3));
  });

  test(`${name}: takes what no process has known for long, and what the others know not before`, async t => {
    const one = await bench(t, { node: 'one', process: 'p1', unknownTargetMs: 1_500 });
    const two = new Bench(t, await Outbox.open(t, { node: 'two', process: 'p2', unknownTargetMs: HOUR }, one.outbox.directory), open);
    two.outbox.rules.handler('only/two', [], async () => undefined);
    join(one.outbox, two.outbox);
    const gate = new Gate();
    for (let i = 0; i < 40; i++) await one.outbox.publish('handler/only/two');
    await two.start(async (delivery, signal) => {
      await gate.pass(signal);
      await two.succeed(delivery);
    });
    await one.start();
    await until(() => two.tries.length > 0);
    await sleep(1_000);
    t.deepEqual(one.tries, []);
    const began = performance.now();
    await one.outbox.publish('handler/no/body');
    await until(() => one.tries.some(({ target }) => target === 'handler/no/body'));
    t.true(performance.now() - began >= 1_400);
    gate.open();
  });

  test(`${name}: keeps the deliveries of a disabled rule until it is enabled`, async t => {
    const b = await bench(t);
    const rule: Rule = {
      id: 'r',
      name: 'r',
      enabled: false,
      events: ['*'],
      guards: [],
      conditions: {},
      actions: [{ type: 'x', options: {} }],
    };
    b.outbox.rules.setRules(DATABASE_RULES, [rule]);
    await b.outbox.publish('rule/r/0', 'other');
    await b.start();
    await until(async () => (await b.count('succeeded')) === 1);
    t.is(b.tries[0]!.target, 'other');
    b.outbox.rules.setRules(DATABASE_RULES, [{ ...rule, enabled: true }]);
    b.outbox.wake();
    await until(async () => (await b.count('succeeded')) === 2);
    t.is(b.tries[1]!.target, 'rule/r/0');
  });
}

/** Passes the messages of two processes on. */
function join(one: Outbox, two: Outbox): void {
  let isPassed = false;
  const pass = (from: Outbox, to: Outbox) => {
    for (const topic of ['targets.unknown', 'targets.known', 'deliveries.waiting'] as const) {
      from.coordinator.listen(topic, message => {
        if (isPassed) return;
        isPassed = true;
        to.coordinator.broadcast(topic, message);
        isPassed = false;
      });
    }
  };
  pass(one, two);
  pass(two, one);
}
