import 'reflect-metadata';
import test from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import { createLogger } from '#core/log.js';
import { Schedule } from '#core/schedule.js';

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
