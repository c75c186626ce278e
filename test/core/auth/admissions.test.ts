import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Defence } from '#core/auth/defence.js';
import { IpcCoordinator } from '#core/cluster/ipc.js';
import { CoordinatorHost } from '#core/cluster/ipc-host.js';
import { BanRepository } from '#core/db/bans.js';
import { createLogger } from '#core/log.js';
import { line } from '../../support/ipc-line.js';
import { hubDatabase } from '../db/temporary-database.js';

const LIMITS = {
  unauthenticated: 8,
  unauthenticatedPerAddress: 3,
  enabled: true,
  delay: 1,
  failures: 100,
  userFailures: 100,
  window: 60_000,
  ban: 60_000,
  maxBan: 60_000,
};
const TOLD_MS = 100;

/** Two processes of one machine. */
async function pair(t: ExecutionContext): Promise<readonly [Defence, Defence]> {
  const database = await hubDatabase(t);
  const host = new CoordinatorHost();
  const make = () => {
    const [worker, primary, cut] = line();
    host.join(primary);
    t.teardown(cut);
    const coordinator = new IpcCoordinator(worker);
    return new Defence(coordinator, new BanRepository(database, coordinator), LIMITS, createLogger('silent'), () => 1);
  };
  return [make(), make()];
}

test('connections of an address that have not logged in are limited over all processes', async t => {
  const [one, other] = await pair(t);
  const held = [one.admit('192.0.2.1'), other.admit('192.0.2.1'), one.admit('192.0.2.1')];
  await sleep(TOLD_MS);
  t.is(one.admit('192.0.2.1'), undefined);
  t.is(other.admit('192.0.2.1'), undefined);
  t.truthy(other.admit('192.0.2.2'));
  held[0]!.release();
  await sleep(TOLD_MS);
  t.truthy(other.admit('192.0.2.1'));
});

test('all together are limited over all processes', async t => {
  const [one, other] = await pair(t);
  for (let i = 0; i < 4; i++) for (const defence of [one, other]) t.truthy(defence.admit(`192.0.2.${i}`));
  await sleep(TOLD_MS);
  t.is(one.admit('198.51.100.1'), undefined);
  t.is(other.admit('198.51.100.1'), undefined);
});

test('who waits for a place gets one that is freed in another process', async t => {
  const [one, other] = await pair(t);
  const held = [one.admit('192.0.2.1'), one.admit('192.0.2.1'), one.admit('192.0.2.1')];
  await sleep(TOLD_MS);
  const admitted = new Promise(resolve => other.admitInTurn('192.0.2.1', resolve));
  t.is(await Promise.race([admitted, sleep(TOLD_MS, 'waits')]), 'waits');
  held[0]!.release();
  t.truthy(await admitted);
});
