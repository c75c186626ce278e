import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Coordinator, Lease } from '#core/cluster/coordinator.js';
import type { SessionSnapshot } from '#core/session-info.js';
import { until } from './outbox.js';

/** One process of a cluster, as a driver shows it to the suite. */
export interface CoordinatorMember {
  readonly coordinator: Coordinator;
  /** Ends it as kill -9 of its process would. */
  crash(): Promise<void> | void;
}

/** Makes members that know of each other, and of nobody else. */
export type Cluster = () => Promise<CoordinatorMember>;

/** What a driver cannot do, with the reason. */
export interface CoordinatorSuiteOptions {
  readonly skips?: {
    /** Tests of more than one process. */
    readonly severalProcesses?: string;
  };
}

/** Within this time the leases of a process that died are free. */
const LOST_MS = 15_000;

/**
 * The contract of a Coordinator as tests. `open` is called once a test, and gives what makes the members of its cluster; it
 * has them end with the test.
 */
export function testCoordinator(
  name: string,
  open: (t: ExecutionContext) => Cluster | Promise<Cluster>,
  { skips = {} }: CoordinatorSuiteOptions = {},
): void {
  const alone = async (t: ExecutionContext): Promise<Coordinator> => (await (await open(t))()).coordinator;
  const pair = async (t: ExecutionContext) => {
    const connect = await open(t);
    return [await connect(), await connect()] as const;
  };
  const title = (text: string) => `${name}: ${text}`;
  const several = (text: string, run: (t: ExecutionContext) => Promise<void>): void =>
    test(text, async t => {
      if (skips.severalProcesses === undefined) return run(t);
      t.log(`left out: ${skips.severalProcesses}`);
      t.pass();
    });

  test(title('a group has as many slots as its limit, and a slot is freed once'), async t => {
    const coordinator = await alone(t);
    const taken = await Promise.all(Array.from({ length: 20 }, () => coordinator.acquire('g', 2)));
    const leases = taken.filter(lease => lease !== undefined);
    t.is(leases.length, 2);
    await leases[0]!.release();
    await leases[0]!.release();
    t.truthy(await coordinator.acquire('g', 2));
    t.is(await coordinator.acquire('g', 2), undefined);
    t.truthy(await coordinator.acquire('other', 1));
  });

  test(title('goes by the limit of each call'), async t => {
    const coordinator = await alone(t);
    await coordinator.acquire('g', 9);
    await coordinator.acquire('g', 9);
    t.is(await coordinator.acquire('g', 2), undefined);
    t.truthy(await coordinator.acquire('g', 3));
    t.truthy(await coordinator.acquire('g', Infinity));
    t.is(await coordinator.acquire('empty', 0), undefined);
  });

  test(title('takes groups of any name'), async t => {
    const coordinator = await alone(t);
    const groups = ['a:b', 'a/b', '{a}', 'ä ö', '__proto__', "'; --", 'x'.repeat(500)];
    for (const group of groups) {
      t.truthy(await coordinator.acquire(group, 1, snapshot(group)));
      t.is(await coordinator.acquire(group, 1), undefined);
    }
    for (const group of groups) t.deepEqual(idsOf(await coordinator.holders(group)), [group]);
  });

  test(title('holders shows what each lease says now'), async t => {
    const coordinator = await alone(t);
    let made = 0;
    const fixed = await coordinator.acquire('g', 9, snapshot('a'));
    await coordinator.acquire('g', 9, () => snapshot(`made ${++made}`));
    await coordinator.acquire('g', 9);
    fixed!.update(snapshot('b'));
    t.deepEqual(idsOf(await coordinator.holders('g')), ['b', 'made 1']);
    await fixed!.release();
    fixed!.update(snapshot('c'));
    t.deepEqual(idsOf(await coordinator.holders('g')), ['made 2']);
    t.deepEqual(await coordinator.holders('nobody'), []);
  });

  test(title('counts what happened within the window, each key by itself'), async t => {
    const coordinator = await alone(t);
    t.deepEqual([await coordinator.count('k', 400), await coordinator.count('k', 400), await coordinator.count('other', 400)], [1, 2, 1]);
    await sleep(500);
    t.is(await coordinator.count('k', 400), 1);
  });

  test(title('gives each of many counts at the same time a number of its own'), async t => {
    const coordinator = await alone(t);
    const counts = await Promise.all(Array.from({ length: 100 }, () => coordinator.count('k', 60_000)));
    t.deepEqual(
      [...counts].sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  test(title('a message reaches who listens, until he stops'), async t => {
    const coordinator = await alone(t);
    const heard: string[] = [];
    const others: string[] = [];
    const stop = coordinator.listen('session.end', ({ session }) => void heard.push(session));
    coordinator.listen('session.end', ({ session, reason }) => void others.push(`${session} ${reason}`));
    coordinator.listen('deliveries.waiting', () => void others.push('another topic'));
    coordinator.broadcast('session.end', { session: 'a', reason: 'r' });
    await until(() => others.length === 1);
    stop();
    stop();
    coordinator.broadcast('session.end', { session: 'b', reason: 'ü' });
    await until(() => others.length === 2);
    t.deepEqual(heard, ['a']);
    t.deepEqual(others, ['a r', 'b ü']);
  });

  test(title('a closed one gives no lease and hears nothing, and may be closed again'), async t => {
    const coordinator = await alone(t);
    const heard: string[] = [];
    coordinator.listen('session.end', ({ session }) => void heard.push(session));
    const lease = await coordinator.acquire('g', 1);
    await coordinator.close();
    await coordinator.close();
    t.is(await coordinator.acquire('g', 5), undefined);
    t.deepEqual(await coordinator.holders('g'), []);
    coordinator.broadcast('session.end', { session: 'a', reason: 'r' });
    lease!.update(snapshot('late'));
    await lease!.release();
    await sleep(100);
    t.deepEqual(heard, []);
  });

  several(title('processes share the slots of a group'), async t => {
    const [one, other] = await pair(t);
    const both = [one.coordinator, other.coordinator];
    const taken = await Promise.all(Array.from({ length: 40 }, (_, i) => both[i % 2]!.acquire('g', 5)));
    const leases = taken.filter(lease => lease !== undefined);
    t.is(leases.length, 5);
    for (const coordinator of both) t.is(await coordinator.acquire('g', 5), undefined);
    await leases[0]!.release();
    await until(async () => (await other.coordinator.acquire('g', 5)) !== undefined);
    t.is(await one.coordinator.acquire('g', 5), undefined);
  });

  several(title('processes that come and go never hold more than the limit'), async t => {
    const [one, other] = await pair(t);
    let held = 0;
    let most = 0;
    let taken = 0;
    const live = async (coordinator: Coordinator): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const lease = await coordinator.acquire('g', 3);
        if (!lease) continue;
        taken++;
        most = Math.max(most, ++held);
        await sleep(Math.random() * 5);
        // Before it is released: from then on it may be another's.
        held--;
        await lease.release();
      }
    };
    await Promise.all([one, other, one, other, one, other, one, other].map(({ coordinator }) => live(coordinator)));
    t.true(most <= 3, `${most} at the same time`);
    t.true(taken > 60, `${taken} taken`);
  });

  several(title('each process sees what the others hold, as it is now'), async t => {
    const [one, other] = await pair(t);
    let path = '/first';
    const lease = await one.coordinator.acquire('g', 9, () => snapshot(path));
    const fixed = await one.coordinator.acquire('g', 9, snapshot('a'));
    await other.coordinator.acquire('g', 9, snapshot('z'));
    const seenBy = async ({ coordinator }: CoordinatorMember) => idsOf(await coordinator.holders('g')).join(' ');
    await until(async () => (await seenBy(other)) === '/first a z' && (await seenBy(one)) === '/first a z');
    path = '/second';
    fixed!.update(snapshot('b'));
    await until(async () => (await seenBy(other)) === '/second b z');
    await lease!.release();
    await until(async () => (await seenBy(other)) === 'b z');
    t.pass();
  });

  several(title('processes count together'), async t => {
    const [one, other] = await pair(t);
    const both = [one.coordinator, other.coordinator];
    const counts = await Promise.all(Array.from({ length: 30 }, (_, i) => both[i % 2]!.count('k', 60_000)));
    t.is(new Set(counts).size, 30);
    t.is(Math.max(...counts), 30);
  });

  several(title('a message reaches every process, its sender included, in the order in which it was sent'), async t => {
    const [one, other] = await pair(t);
    const heard: readonly string[][] = [[], []];
    for (const [i, { coordinator }] of [one, other].entries())
      coordinator.listen('records.changed', ({ table, id }) => void heard[i]!.push(`${table} ${id}`));
    const sent = Array.from({ length: 20 }, (_, i) => `users ${i}`);
    for (let i = 0; i < 20; i++) one.coordinator.broadcast('records.changed', { table: 'users', id: String(i) });
    await until(() => heard.every(list => list.length >= 20));
    t.deepEqual(heard, [sent, sent]);
  });

  several(title('what a process held is free when it is closed'), async t => {
    const [one, other] = await pair(t);
    await one.coordinator.acquire('g', 1, snapshot('a'));
    t.is(await other.coordinator.acquire('g', 1), undefined);
    await one.coordinator.close();
    const began = performance.now();
    await until(async () => (await other.coordinator.acquire('g', 1)) !== undefined);
    t.true(performance.now() - began < 1_000);
    t.deepEqual(await other.coordinator.holders('g'), []);
  });

  several(title('what a process held is free soon after it died, and not before'), async t => {
    const [one, other] = await pair(t);
    await one.coordinator.acquire('lost', 1, snapshot('a'));
    await other.coordinator.acquire('kept', 1, snapshot('b'));
    await one.crash();
    const began = performance.now();
    const lease: Lease = await until(() => other.coordinator.acquire('lost', 1));
    t.true(performance.now() - began < LOST_MS);
    t.is(await other.coordinator.acquire('kept', 1), undefined);
    t.deepEqual(await other.coordinator.holders('lost'), []);
    t.deepEqual(idsOf(await other.coordinator.holders('kept')), ['b']);
    await lease.release();
  });
}

function idsOf(snapshots: readonly SessionSnapshot[]): readonly string[] {
  return snapshots.map(({ id }) => id).sort();
}

/** A session of that id. */
export function snapshot(id: string): SessionSnapshot {
  return {
    id,
    user: 'alice',
    protocol: 'test',
    tls: true,
    remoteAddress: '192.0.2.1',
    startedAt: '2026-01-02T03:04:05.000Z',
    lastActivity: '2026-01-02T03:04:05.000Z',
    transfers: [],
  };
}
