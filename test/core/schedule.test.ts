import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import { createLogger } from '#core/log.js';
import { Schedule } from '#core/schedule.js';
import { until } from '../conformance/outbox.js';

test('refuses an interval that timers cannot keep', t => {
  const schedule = new Schedule(new LocalCoordinator());
  for (const interval of [0, -1, Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY])
    t.throws(() => schedule.every(interval, 'task', async () => undefined), { code: 'invalid-request' }, String(interval));
  t.notThrows(() => schedule.every(2 ** 31 - 1, 'task', async () => undefined));
});

test('a task of one name runs in one process of a cluster at a time', async t => {
  const coordinator = new LocalCoordinator();
  const nodes = [new Schedule(coordinator), new Schedule(coordinator)];
  let running = 0;
  let most = 0;
  let runs = 0;
  for (const node of nodes) {
    node.every(5, 'task', async () => {
      most = Math.max(most, ++running);
      await new Promise(resolve => setTimeout(resolve, 12));
      running--;
      runs++;
    });
    node.start(createLogger('silent'));
  }
  while (runs < 5) await new Promise(resolve => setTimeout(resolve, 5));
  await Promise.all(nodes.map(node => node.stop()));
  t.is(most, 1);
  t.is(running, 0);
});

test('a task runs once an interval in the whole cluster, and goes on when the process that ran it has ended or failed', async t => {
  const coordinator = new LocalCoordinator();
  const [one, two] = [new Schedule(coordinator), new Schedule(coordinator)];
  const runs: string[] = [];
  let fails = false;
  const note = (name: string) => async () => {
    if (fails && name === 'one') throw new Error('no');
    runs.push(name);
  };
  one.every(400, 'task', note('one'));
  two.every(400, 'task', note('two'));
  one.start(createLogger('silent'));
  await sleep(150);
  two.start(createLogger('silent'));
  await sleep(1_700);
  t.true(runs.length >= 3 && runs.length <= 5, runs.join());
  fails = true;
  await until(() => runs.includes('two'));
  await two.stop();
  fails = false;
  const count = runs.length;
  await until(() => runs.length > count);
  await one.stop();
});
