import 'reflect-metadata';
import test from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';

const snapshot = (id: string) => ({
  id,
  user: 'alice',
  protocol: 'test',
  tls: true,
  remoteAddress: '192.0.2.1',
  startedAt: '2026-01-02T03:04:05.000Z',
  lastActivity: '2026-01-02T03:04:05.000Z',
  transfers: [],
});

test('a group has as many slots as its limit, and a slot is freed once', async t => {
  const coordinator = new LocalCoordinator();
  const taken = await Promise.all([1, 2, 3].map(() => coordinator.acquire('g', 2)));
  t.is(taken.filter(Boolean).length, 2);
  await taken[0]!.release();
  await taken[0]!.release();
  t.truthy(await coordinator.acquire('g', 2));
  t.is(await coordinator.acquire('g', 2), undefined);
  t.truthy(await coordinator.acquire('other', 1));
});

test('holders shows what each lease says now', async t => {
  const coordinator = new LocalCoordinator();
  let made = 0;
  const fixed = await coordinator.acquire('g', 9, snapshot('a'));
  await coordinator.acquire('g', 9, () => snapshot(`made ${++made}`));
  await coordinator.acquire('g', 9);
  fixed!.update(snapshot('b'));
  t.deepEqual(
    (await coordinator.holders('g')).map(({ id }) => id),
    ['b', 'made 1'],
  );
  await fixed!.release();
  fixed!.update(snapshot('c'));
  t.deepEqual(
    (await coordinator.holders('g')).map(({ id }) => id),
    ['made 2'],
  );
});

test('counts what happened within the window, each key by itself', async t => {
  const coordinator = new LocalCoordinator();
  t.deepEqual([await coordinator.count('k', 50), await coordinator.count('k', 50), await coordinator.count('other', 50)], [1, 2, 1]);
  await new Promise(resolve => setTimeout(resolve, 80));
  t.is(await coordinator.count('k', 50), 1);
});

test('a message reaches who listens, until he stops', t => {
  const coordinator = new LocalCoordinator();
  const heard: string[] = [];
  const stop = coordinator.listen('session.end', ({ session }) => void heard.push(session));
  coordinator.broadcast('session.end', { session: 'a', reason: 'r' });
  stop();
  coordinator.broadcast('session.end', { session: 'b', reason: 'r' });
  t.deepEqual(heard, ['a']);
});
