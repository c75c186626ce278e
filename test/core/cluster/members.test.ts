import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import { type MemberSettings, Members } from '#core/cluster/members.js';
import { ProcessRepository } from '#core/db/processes.js';
import { createLogger } from '#core/log.js';
import { Outbox } from '../../conformance/outbox.js';
import { onEachDatabase } from '../../support/databases.js';

const log = createLogger('silent');

async function records(t: ExecutionContext) {
  const { database } = await Outbox.open(t);
  return new ProcessRepository(database);
}

function member(repository: ProcessRepository, settings: Partial<MemberSettings> & { readonly node: string }): Members {
  return new Members(repository, new LocalCoordinator(), { shareable: true, joined: true, log, ...settings });
}

/** The id of a process that has just ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

onEachDatabase('a hub that can have no others writes nothing', async t => {
  const repository = await records(t);
  const alone = member(repository, { node: 'a', shareable: false });
  await alone.enter('hub');
  t.deepEqual(await repository.list(), []);
  t.true(alone.isAlive(alone.id));
  t.false(alone.isAlive('other'));
  t.deepEqual(await alone.look(), []);
  await alone.leave();
});

onEachDatabase('those that live know each other, and one that leaves is gone at once', async t => {
  const repository = await records(t);
  const [one, other] = [member(repository, { node: 'a' }), member(repository, { node: 'b' })];
  await one.enter('hub');
  await other.enter('hub');
  t.deepEqual(await one.look(), []);
  t.true(one.isAlive(other.id) && other.isAlive(one.id));
  await other.leave();
  t.deepEqual(await one.look(), []);
  t.false(one.isAlive(other.id));
});

onEachDatabase('one whose process has ended is dead at once on its own machine, until it is forgotten', async t => {
  const repository = await records(t);
  const [one, other] = [member(repository, { node: 'a' }), member(repository, { node: 'b' })];
  await other.enter('hub');
  const [row] = await repository.list();
  await repository.remove([row!.id]);
  await repository.add({ ...row!, id: 'dead', pid: await endedPid() });
  await repository.add({ ...row!, id: 'afar', machine: 'another', pid: await endedPid() });
  await one.enter('hub');
  const found = await one.look();
  t.deepEqual(
    found.map(({ id }) => id),
    ['dead'],
  );
  t.false(one.isAlive('dead'));
  t.true(one.isAlive('afar'));
  await one.forget(['dead']);
  t.deepEqual(await one.look(), []);
});

onEachDatabase('one whose beat stands still is dead after 15 s, whatever its clock says; one that comes back enters again', async t => {
  const repository = await records(t);
  const [one, other] = [member(repository, { node: 'a' }), member(repository, { node: 'b' })];
  await one.enter('hub');
  await other.enter('hub');
  const [row] = (await repository.list()).filter(({ id }) => id === other.id);
  await repository.remove([other.id]);
  await repository.add({ ...row!, seenAt: Date.now() + 86_400_000, beat: 7 });
  const began = performance.now();
  while ((await one.look()).length === 0) await new Promise(resolve => setTimeout(resolve, 200));
  const after = performance.now() - began;
  t.true(after > 14_000 && after < 17_000, `${after} ms`);
  await one.forget([other.id]);
  t.false(one.isAlive(other.id));
  await other.look();
  t.deepEqual(await one.look(), []);
  t.true(one.isAlive(other.id));
});

onEachDatabase('on a database of one node, processes of an earlier start are dead when they have ended or were elsewhere', async t => {
  const repository = await records(t);
  const settings = { node: 'a', shareable: false };
  const [ending, first, second] = ['then', 'now', 'now'].map(family => member(repository, { ...settings, family }));
  await ending!.enter('hub');
  const [row] = await repository.list();
  await repository.add({ ...row!, id: 'ended', pid: await endedPid() });
  await repository.add({ ...row!, id: 'elsewhere', machine: 'another' });
  await first!.enter('hub');
  await second!.enter('hub');
  const found = await second!.look();
  t.deepEqual(found.map(({ id }) => id).sort(), ['elsewhere', 'ended']);
  t.true(second!.isAlive(first!.id));
  // A killed hub takes a moment to end, and to finish what it has under way.
  t.true(second!.isAlive(ending!.id));
});

onEachDatabase('a node without Redis is refused beside another that works, whichever of them lacks it', async t => {
  for (const [joined, other] of [
    [false, true],
    [true, false],
    [false, false],
  ] as const) {
    const repository = await records(t);
    const working = member(repository, { node: 'b', joined: other });
    await working.enter('hub');
    const beating = setInterval(() => void working.look(), 500);
    const refused = await t.throwsAsync(member(repository, { node: 'a', joined }).enter('hub'), { code: 'conflict' });
    clearInterval(beating);
    t.regex(refused.message, /Node 'b' works on this database, too.*`redis\.url` on/);
    t.is((await repository.list()).length, 1);
    await new Promise(resolve => setTimeout(resolve, 600));
  }
});

onEachDatabase('a node of the same Redis with another database is refused, and so is a second node on SQLite', async t => {
  const repository = await records(t);
  const enter = (hub: string, shareable: boolean) => {
    const coordinator = new LocalCoordinator();
    coordinator.introduce = async note => [note, { node: 'b', hub: 'first', shareable: true }];
    return new Members(repository, coordinator, { node: 'a', shareable, joined: true, log }).enter(hub);
  };
  await t.throwsAsync(enter('second', true), {
    code: 'conflict',
    message: /Node 'b' uses this Redis with another database.*redis\.keyPrefix/,
  });
  await t.throwsAsync(enter('first', false), { code: 'conflict', message: /Node 'b' uses this Redis, too\. SQLite serves one node/ });
  await enter('first', true);
  t.pass();
});

onEachDatabase('two hubs of one name without Redis are refused, and the same one enters again at once after a crash', async t => {
  const repository = await records(t);
  const settings = { node: 'a', joined: false };
  const working = member(repository, { ...settings, installation: async () => 'first' });
  await working.enter('hub');
  const beating = setInterval(() => void working.look(), 500);
  const error = await t.throwsAsync(member(repository, { ...settings, installation: async () => 'second' }).enter('hub'), {
    code: 'conflict',
  });
  clearInterval(beating);
  t.regex(error.message, /Another hub that is called 'a' works on this database, too\. .*`redis\.url` on this one/);
  const began = performance.now();
  await member(repository, { ...settings, installation: async () => 'first' }).enter('hub');
  t.true(performance.now() - began < 5_000);
});

onEachDatabase('of nodes without Redis that enter at the same moment, one does', async t => {
  const repository = await records(t);
  const nodes = ['a', 'b', 'c'].map(node => member(repository, { node, joined: false }));
  const beating: NodeJS.Timeout[] = [];
  const entering = nodes.map(async one => {
    await one.enter('hub');
    beating.push(setInterval(() => void one.look(), 500));
  });
  const ended = await Promise.allSettled(entering);
  for (const timer of beating) clearInterval(timer);
  t.deepEqual(ended.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected']);
  for (const one of ended) if (one.status === 'rejected') t.regex(String(one.reason), /Several nodes need a Redis/);
  t.is((await repository.list()).length, 1);
});

onEachDatabase('a node with another Redis is refused, and one whose Redis is away is not', async t => {
  const repository = await records(t);
  const node = (name: string, redis: string | undefined) => {
    const coordinator = new LocalCoordinator();
    coordinator.identity = () => redis;
    return new Members(repository, coordinator, { node: name, shareable: true, joined: true, log });
  };
  const working = node('b', 'epoch-1');
  await working.enter('hub');
  const beating = setInterval(() => void working.look(), 500);
  await node('c', 'epoch-1').enter('hub');
  await node('d', undefined).enter('hub');
  await t.throwsAsync(node('e', 'epoch-2').enter('hub'), {
    code: 'conflict',
    message: /Node 'b' works on this database, too, but with another Redis: set the same `redis\.url` and `redis\.keyPrefix`/,
  });
  clearInterval(beating);
});
