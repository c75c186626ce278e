import { setTimeout as sleep } from 'node:timers/promises';
import { HubError } from '../errors.js';
import type { Coordinator } from './coordinator.js';

/** How long another process is waited for, which is in the middle of the same. */
const WAIT_MS = 10_000;
const LOOK_MS = 5;

/** Runs `work` while no process of the hub runs another one of the same name. Throws 'locked' when that takes too long, and what `work` throws. */
export async function alone<T>(coordinator: Coordinator, name: string, work: () => Promise<T>): Promise<T> {
  if (!coordinator.isShared) return work();
  const late = performance.now() + WAIT_MS;
  let lease = await coordinator.acquire(name, 1);
  while (!lease) {
    if (performance.now() > late) throw new HubError('locked', 'Somebody else is changing the same, try again');
    await sleep(LOOK_MS);
    lease = await coordinator.acquire(name, 1);
  }
  try {
    return await work();
  } finally {
    await lease.release();
  }
}
