import 'reflect-metadata';
import type { ExecutionContext } from 'ava';
import { HubError } from '#core/errors.js';
import type { OperationProof } from '#core/events/bus.js';
import { OutboxEventBus } from '#core/events/outbox-event-bus.js';
import { PendingRecovery, recoverPending } from '#core/events/recovery.js';
import { createLogger } from '#core/log.js';
import type { FileInfo, StorageBackend } from '#core/storage/backend.js';
import { Outbox } from '../../conformance/outbox.js';
import { onEachDatabase as test } from '../../support/databases.js';

const log = createLogger('silent');
const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '' };
const upload = { path: '/in/a', session, storage: 'data', storagePath: '/a', size: 3, bytes: 3, durationMs: 1, replaced: false };

/** Names with their etags: all of a storage that recovery looks at. */
class Names implements StorageBackend {
  readonly features = { randomWrites: true, atomicWrites: false };
  readonly removed: string[] = [];
  constructor(readonly entries: Map<string, string>) {}
  async stat(path: string): Promise<FileInfo> {
    const etag = this.entries.get(path);
    if (etag === undefined) throw new HubError('not-found', path);
    return { name: path, type: 'file', size: 1, mtime: 0, etag };
  }
  list(): never {
    throw new HubError('unsupported', 'list');
  }
  open(): never {
    throw new HubError('unsupported', 'open');
  }
  async removeFile(path: string): Promise<void> {
    this.entries.delete(path);
    this.removed.push(path);
  }
}

async function setUp(t: ExecutionContext) {
  const outbox = await Outbox.open(t);
  const bus = new OutboxEventBus(outbox.events, outbox.rules, outbox.coordinator, outbox.settings);
  outbox.rules.handler('acme/all', ['*'], async () => undefined);
  /** Recovers one event of that proof, and tells what became of it. */
  const recover = async (
    proof: Partial<OperationProof>,
    entries: Readonly<Record<string, string>>,
    type: 'upload.completed' | 'file.deleted' = 'upload.completed',
  ) => {
    const storage = new Names(new Map(Object.entries(entries)));
    await bus.prepare(type, upload, { storage: 'data', path: '/tmp', before: '*', ...proof });
    t.deepEqual(await recoverPending(outbox.events, async () => storage, log), []);
    t.deepEqual(await outbox.events.pending(), []);
    const { total } = await outbox.events.page({}, undefined, 1);
    const due = await outbox.deliveries.dueTargets();
    t.is(due.length, total);
    return { happened: total === 1, removed: storage.removed };
  };
  return { outbox, bus, recover };
}

test('delivers an upload whose temporary is gone, also when another file has taken the name since', async t => {
  const { recover } = await setUp(t);
  t.deepEqual(await recover({}, { '/a': 'of a later upload' }), { happened: true, removed: [] });
});

test('drops an upload whose temporary is still there, and removes that', async t => {
  const { recover } = await setUp(t);
  t.deepEqual(await recover({}, { '/tmp': 'x', '/a': 'old' }), { happened: false, removed: ['/tmp'] });
});

test('drops the event before it removes the temporary', async t => {
  const { outbox, bus } = await setUp(t);
  const storage = new Names(new Map([['/tmp', 'x']]));
  let pending = 1;
  storage.removeFile = async () => {
    pending = (await outbox.events.pending()).length;
  };
  await bus.prepare('upload.completed', upload, { storage: 'data', path: '/tmp', before: '*' });
  await recoverPending(outbox.events, async () => storage, log);
  t.is(pending, 0);
});

test('sees that something was made where nothing was', async t => {
  t.true((await (await setUp(t)).recover({ path: '/a', before: '' }, { '/a': 'new' })).happened);
  t.false((await (await setUp(t)).recover({ path: '/a', before: '' }, {})).happened);
});

test('sees that something was replaced or removed', async t => {
  t.true((await (await setUp(t)).recover({ path: '/a', before: 'old' }, { '/a': 'new' })).happened);
  t.true((await (await setUp(t)).recover({ path: '/a', before: 'old' }, {})).happened);
  t.false((await (await setUp(t)).recover({ path: '/a', before: 'old' }, { '/a': 'old' })).happened);
});

test('never removes the file of a user', async t => {
  t.deepEqual(await (await setUp(t)).recover({ path: '/a' }, { '/a': 'x' }), { happened: false, removed: [] });
  t.deepEqual(await (await setUp(t)).recover({ path: '/b' }, { '/b': 'x' }, 'file.deleted'), { happened: false, removed: [] });
});

test('looks at a link itself where the storage can', async t => {
  const { outbox, bus } = await setUp(t);
  const storage = Object.assign(new Names(new Map()), {
    lstat: async (): Promise<FileInfo> => ({ name: 'a', type: 'symlink', size: 0, mtime: 0, etag: 'link' }),
  });
  await bus.prepare('upload.completed', upload, { storage: 'data', path: '/a', before: 'link' });
  await recoverPending(outbox.events, async () => storage, log);
  t.is((await outbox.events.page({}, undefined, 1)).total, 0);
});

test('leaves an event pending whose storage cannot be reached, and decides about the others', async t => {
  const { outbox, bus } = await setUp(t);
  await bus.prepare('upload.completed', upload, { storage: 'gone', path: '/tmp', before: '*' });
  await bus.prepare('upload.completed', upload, { storage: 'data', path: '/tmp', before: '*' });
  const lookup = async (name: string): Promise<StorageBackend> => {
    if (name === 'gone') throw new HubError('unavailable', 'The storage does not answer');
    return new Names(new Map());
  };
  const undecided = await recoverPending(outbox.events, lookup, log);
  t.deepEqual(
    undecided.map(({ proof }) => proof.storage),
    ['gone'],
  );
  t.is((await outbox.events.pending()).length, 1);
  t.is((await outbox.events.page({}, undefined, 1)).total, 1);
  await recoverPending(outbox.events, async () => new Names(new Map()), log, undecided);
  t.is((await outbox.events.page({}, undefined, 1)).total, 2);
});

test('leaves alone what became pending after the start', async t => {
  const { outbox, bus } = await setUp(t);
  await bus.prepare('upload.completed', upload, { storage: 'data', path: '/tmp', before: '*' });
  const recovery = new PendingRecovery(outbox.events, async () => new Names(new Map()), log);
  await recovery.start();
  await bus.prepare('upload.completed', upload, { storage: 'data', path: '/tmp', before: '*' });
  await recovery.stop();
  t.is((await outbox.events.pending()).length, 1);
  t.is((await outbox.events.page({}, undefined, 1)).total, 1);
});
