import test from 'ava';
import { shareSlots } from '#core/events/slots.js';

const due = (...targets: readonly string[]) => targets.map((target, dueAt) => ({ target, dueAt }));
const share = (targets: readonly string[], busy: Readonly<Record<string, number>>, concurrency: number) =>
  Object.fromEntries(shareSlots(due(...targets), new Map(Object.entries(busy)), concurrency));

test('gives one target a quarter of the slots at most', t => {
  t.deepEqual(share(['a'], {}, 32), { a: 8 });
  t.deepEqual(share(['a'], { a: 6 }, 32), { a: 2 });
  t.deepEqual(share(['a'], { a: 8 }, 32), {});
});

test('gives each target a slot before any gets its second, the longest due first', t => {
  t.deepEqual(share(['a', 'b', 'c', 'd'], {}, 4), { a: 1, b: 1, c: 1, d: 1 });
  t.deepEqual(share(['a', 'b', 'c'], { a: 1, x: 1 }, 4), { b: 1, c: 1 });
});

test('keeps half of the slots for the first delivery of targets', t => {
  const busy = Object.fromEntries(['a', 'b', 'c', 'd'].map(target => [target, 5]));
  t.deepEqual(share(['a', 'b', 'c', 'd'], busy, 32), {});
  t.deepEqual(share(['a', 'well'], busy, 32), { well: 1 });
});

test('gives nothing when every slot is taken', t => {
  t.deepEqual(share(['a'], { b: 2, c: 2 }, 4), {});
  t.deepEqual(share([], {}, 4), {});
});
