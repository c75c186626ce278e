import test from 'ava';
import { RequestOrder } from '#protocols/sftp/order.js';

test('lets requests on unrelated paths overlap, and keeps the order of related ones', async t => {
  const order = new RequestOrder();
  const log: string[] = [];
  let release = () => {};
  const gate = new Promise<void>(resolve => {
    release = resolve;
  });
  const step = (name: string, wait?: Promise<void>) => async () => {
    log.push(`+${name}`);
    await wait;
    log.push(`-${name}`);
  };
  const all = [
    order.run(['/a/x'], true, step('close', gate)),
    order.run(['/b'], true, step('other')),
    order.run(['/a/x', '/a/y'], true, step('rename')),
    order.run(['/a'], false, step('list')),
    order.run(['/ab'], false, step('neighbour')),
  ];
  await Promise.all([all[1], all[4]]);
  t.deepEqual(log, ['+close', '+other', '+neighbour', '-other', '-neighbour']);
  release();
  await Promise.all(all);
  t.deepEqual(log.slice(5), ['-close', '+rename', '-rename', '+list', '-list']);
});

test('runs what waited for a request that failed', async t => {
  const order = new RequestOrder();
  const failed = order.run(['/a'], true, async () => {
    throw new Error('no');
  });
  const next = order.run(['/a'], true, async () => 'done');
  await t.throwsAsync(failed);
  t.is(await next, 'done');
});
