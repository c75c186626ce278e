import type { DueTarget } from '../db/deliveries.js';

/**
 * How many deliveries of each target to take now. Each target gets a slot before any gets its second; one target holds
 * a quarter of all slots at most, and the second and further slots of all targets together hold half. So a target that
 * does not answer delays nobody, and neither do ten of them at once. `busy` is what runs now, by target; `elsewhere` is what
 * other nodes run, which counts for the most that one target may hold and for nothing else.
 */
export function shareSlots(
  due: readonly DueTarget[],
  busy: ReadonlyMap<string, number>,
  concurrency: number,
  elsewhere: ReadonlyMap<string, number> = new Map(),
): ReadonlyMap<string, number> {
  const perTarget = Math.max(1, Math.floor(concurrency / 4));
  let free = concurrency;
  let further = Math.floor(concurrency / 2);
  for (const held of busy.values()) {
    free -= held;
    further -= Math.max(0, held - 1);
  }
  const shares = new Map<string, number>();
  let waiting = [...due].sort((a, b) => (busy.get(a.target) ?? 0) - (busy.get(b.target) ?? 0) || a.dueAt - b.dueAt);
  while (free > 0 && waiting.length > 0) {
    waiting = waiting.filter(({ target }) => {
      const taken = shares.get(target) ?? 0;
      const held = (busy.get(target) ?? 0) + taken;
      if (free <= 0 || held + (elsewhere.get(target) ?? 0) >= perTarget || (held > 0 && further <= 0)) return false;
      shares.set(target, taken + 1);
      free--;
      if (held > 0) further--;
      return true;
    });
  }
  return shares;
}
