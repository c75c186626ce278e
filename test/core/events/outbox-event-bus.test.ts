import 'reflect-metadata';
import type { ExecutionContext } from 'ava';
import { OutboxEventBus } from '#core/events/outbox-event-bus.js';
import { DATABASE_RULES } from '#core/events/rules.js';
import type { HubEvent } from '#core/events/types.js';
import { Outbox, type OutboxOptions } from '../../conformance/outbox.js';
import { onEachDatabase as test } from '../../support/databases.js';

const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '2026-01-01T00:00:00Z' };
const deleted = { path: '/in/a', session, storage: 'data', storagePath: '/a', size: 3 };
const proof = { storage: 'data', path: '/a', before: 'etag' };

async function setUp(t: ExecutionContext, options: OutboxOptions = {}) {
  const outbox = await Outbox.open(t, options);
  const bus = new OutboxEventBus(outbox.events, outbox.rules, outbox.coordinator, outbox.settings);
  const heard: HubEvent[] = [];
  bus.listen('*', event => heard.push(event));
  const want = (...events: readonly string[]): void =>
    outbox.rules.setRules(DATABASE_RULES, [
      { id: 'r', name: 'r', enabled: true, events, guards: [], conditions: {}, actions: [{ type: 'x', options: {} }] },
    ]);
  const listed = async () => (await outbox.events.page({}, undefined, 100)).items;
  const due = async () => (await outbox.deliveries.dueTargets()).map(({ target }) => target);
  return { outbox, bus, heard, want, listed, due };
}

test('records an event as CloudEvents, with a delivery that is due', async t => {
  const { bus, heard, want, listed, due, outbox } = await setUp(t);
  want('file.deleted');
  let woken = 0;
  outbox.coordinator.listen('deliveries.waiting', () => woken++);
  await bus.publish('file.deleted', deleted);
  const [event] = await listed();
  t.like(event, {
    specversion: '1.0',
    type: 'file.deleted',
    source: 'entrepot/here',
    subject: '/in/a',
    datacontenttype: 'application/json',
  });
  t.deepEqual(event?.data, deleted);
  t.regex(event!.id, /^[\da-f]{8}-[\da-f]{4}-7/);
  t.is(new Date(event!.time).toISOString(), event!.time);
  t.deepEqual(await due(), ['rule/r/0']);
  t.deepEqual(heard, [event!]);
  t.is(woken, 1);
});

test('does not write what no target wants and the log leaves out, but tells listeners', async t => {
  const { bus, heard, want, listed } = await setUp(t, { record: ['upload.*'] });
  await bus.publish('file.deleted', deleted);
  const pending = await bus.prepare('file.deleted', deleted, proof);
  pending.settle();
  await (await bus.prepare('file.deleted', deleted, proof)).drop();
  t.deepEqual(await listed(), []);
  t.is(heard.length, 2);
  want('file.*');
  await bus.publish('file.deleted', deleted);
  t.is((await listed()).length, 1);
});

test('publishes with the transaction that it is given, or not at all', async t => {
  const { outbox, bus, heard, want, listed, due } = await setUp(t);
  want('*');
  const failed = outbox.database.transaction(async trx => {
    await bus.publish('file.deleted', deleted, trx);
    throw new Error('no');
  });
  await t.throwsAsync(failed, { message: 'no' });
  t.deepEqual([await listed(), await due(), heard], [[], [], []]);
  await outbox.database.transaction(trx => bus.publish('file.deleted', deleted, trx));
  t.is((await listed()).length, 1);
  t.deepEqual(await due(), ['rule/r/0']);
  t.is(heard.length, 1);
});

test('shows and delivers a prepared event only when it is settled', async t => {
  const { outbox, bus, heard, want, listed, due } = await setUp(t);
  want('*');
  const pending = await bus.prepare('file.deleted', deleted, proof);
  t.deepEqual([await listed(), await due(), heard], [[], [], []]);
  const [record] = await outbox.events.pending();
  t.deepEqual(record?.proof, { ...proof, owner: outbox.settings.process });
  pending.settle();
  await bus.flush();
  t.deepEqual(await outbox.events.pending(), []);
  t.deepEqual(await listed(), [record!.event]);
  t.deepEqual(await due(), ['rule/r/0']);
  t.deepEqual(heard, [record!.event]);
});

test('forgets a prepared event that is dropped, with its deliveries', async t => {
  const { outbox, bus, heard, want } = await setUp(t);
  want('*');
  await (await bus.prepare('file.deleted', deleted, proof)).drop();
  t.deepEqual(await outbox.events.pending(), []);
  t.deepEqual(await outbox.database.knex('deliveries'), []);
  t.deepEqual(heard, []);
});

test('begins nothing that others may take over', async t => {
  const { outbox, bus, want } = await setUp(t);
  want('*');
  Object.assign(outbox.settings, { isDoubtful: () => true });
  await t.throwsAsync(bus.prepare('file.deleted', deleted, proof), { code: 'unavailable' });
  t.deepEqual(await outbox.events.pending(), []);
});

test('what was settled is written before the next operation may change what its proof looks at', async t => {
  const { bus, outbox } = await setUp(t);
  const made = await bus.prepare('directory.created', { ...deleted, path: '/in/d' }, { storage: 'data', path: '/d', before: '' });
  made.settle();
  await bus.prepare('directory.renamed', { ...deleted, target: '/in/e' }, { storage: 'data', path: '/d', before: 'etag' });
  t.deepEqual(
    (await outbox.events.pending()).map(({ event }) => event.type),
    ['directory.renamed'],
  );
});

test('settles by itself, many at once, and each one is heard once', async t => {
  const { outbox, bus, heard } = await setUp(t);
  const batches: number[] = [];
  const settle = outbox.events.settle.bind(outbox.events);
  outbox.events.settle = async ids => {
    batches.push(ids.length);
    return settle(ids);
  };
  const pending = await Promise.all(Array.from({ length: 1_200 }, () => bus.prepare('file.deleted', deleted, proof)));
  for (const one of pending) one.settle();
  await new Promise<void>(resolve => bus.listen('*', () => heard.length === 1_200 && resolve()));
  t.is((await outbox.events.page({}, undefined, 1)).total, 1_200);
  t.true(batches.length <= 4 && batches.every(size => size <= 500));
  t.is(new Set(heard.map(({ id }) => id)).size, 1_200);
});

test('goes on settling after the database refused', async t => {
  const { outbox, bus, heard } = await setUp(t);
  const settle = outbox.events.settle.bind(outbox.events);
  let refusals = 1;
  outbox.events.settle = ids => (refusals-- > 0 ? Promise.reject(new Error('busy')) : settle(ids));
  const pending = await bus.prepare('file.deleted', deleted, proof);
  const settled = new Promise(resolve => bus.listen('file.deleted', resolve));
  pending.settle();
  await settled;
  t.deepEqual(await outbox.events.pending(), []);
  t.is(heard.length, 1);
});

test('says that the database refused to those who wait for all to be settled', async t => {
  const { outbox, bus } = await setUp(t);
  const settle = outbox.events.settle.bind(outbox.events);
  let refuses = true;
  outbox.events.settle = ids => (refuses ? Promise.reject(new Error('busy')) : settle(ids));
  (await bus.prepare('file.deleted', deleted, proof)).settle();
  await t.throwsAsync(bus.flush(), { message: 'busy' });
  refuses = false;
  await bus.flush();
  t.deepEqual(await outbox.events.pending(), []);
});

test('fails to publish when the database does', async t => {
  const { outbox, bus, heard } = await setUp(t);
  outbox.events.record = () => Promise.reject(new Error('busy'));
  await t.throwsAsync(bus.publish('file.deleted', deleted), { message: 'busy' });
  await t.throwsAsync(bus.prepare('file.deleted', deleted, proof), { message: 'busy' });
  t.deepEqual(heard, []);
});

test('lets a listener that throws harm nobody, and forgets one that stopped', async t => {
  const { bus, listed } = await setUp(t);
  const seen: string[] = [];
  bus.listen('file.deleted', () => {
    throw new Error('bad listener');
  });
  const stop = bus.listen('file.deleted', ({ data }) => seen.push(data.path));
  await bus.publish('file.deleted', deleted);
  stop();
  await bus.publish('file.deleted', deleted);
  t.deepEqual(seen, ['/in/a']);
  t.is((await listed()).length, 2);
});

test('tells the queue of many events once', async t => {
  const { outbox, bus, want } = await setUp(t);
  want('*');
  let woken = 0;
  outbox.coordinator.listen('deliveries.waiting', () => woken++);
  await Promise.all(Array.from({ length: 200 }, () => bus.publish('file.deleted', deleted)));
  t.true(woken < 100);
  t.true(woken > 0);
});

test('records anew what another process dropped that took this one for dead, once the operation took place', async t => {
  const { bus, heard, want, listed, due, outbox } = await setUp(t, { hasOthers: true });
  want('file.deleted');
  const [dropped, kept, again] = [
    await bus.prepare('file.deleted', deleted, proof),
    await bus.prepare('file.deleted', deleted, proof),
    await bus.prepare('file.deleted', deleted, proof),
  ];
  const [first, , third] = await outbox.events.pending();
  await outbox.events.drop([first!.event.id, third!.event.id]);
  dropped.settle();
  kept.settle();
  await bus.flush();
  t.deepEqual((await listed()).map(({ id }) => id).sort(), heard.map(({ id }) => id).sort());
  t.is(heard.length, 2);
  t.true(heard.some(({ id }) => id === first!.event.id));
  t.deepEqual(await due(), ['rule/r/0']);
  t.is((await outbox.deliveries.page({ eventId: first!.event.id }, undefined, 10)).total, 1);

  again.settle();
  await bus.publish('file.deleted', deleted);
  await bus.flush();
  t.is((await listed()).length, 4);
  t.is((await outbox.deliveries.page({ eventId: third!.event.id }, undefined, 10)).total, 1);
  t.is(heard.length, 4);
});
