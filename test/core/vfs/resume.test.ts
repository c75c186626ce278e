import 'reflect-metadata';
import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { HubError, type OpenFlags } from '#core/api.js';
import { StorageRepository } from '#core/db/storages.js';
import { UploadRepository } from '#core/db/uploads.js';
import { UserRepository } from '#core/db/users.js';
import { Guards } from '#core/guards.js';
import { servicesOf } from '#core/operations/hub-services.js';
import { storageOperations } from '#core/operations/storages.js';
import { ResumableUploads } from '#core/vfs/resume.js';
import { openSession, startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';
import { altered, alteredHandle, codeOf, get, hubOn, names, put, recorded, unfinished } from './support.js';

const REPLACE: OpenFlags = { write: true, create: true, truncate: true };
const RESUME: OpenFlags = { write: true, create: true };
const text = (content: string) => Buffer.from(content);
const shared = { mounts: [{ path: '/', storage: 'data', directory: '/both' }] };

/** Sends `content` to `path` at `position`, and loses the connection before the end. */
async function sendHalf({ hub }: Pick<TestHub, 'hub'>, path: string, content: string, flags = REPLACE, position = 0): Promise<void> {
  const session = await openSession(hub, 'alice');
  const upload = await session.files.open(path, flags);
  await upload.write(text(content), position);
  await session.end('lost');
}

async function sendRest({ hub }: Pick<TestHub, 'hub'>, path: string, content: string, flags = RESUME): Promise<void> {
  const files = (await openSession(hub, 'alice')).files;
  const upload = await files.open(path, flags);
  await upload.write(text(content), (await upload.stat()).size);
  await upload.close();
}

const records = ({ hub }: Pick<TestHub, 'hub'>) => hub.get(UploadRepository).list();

const onDisk = (t: ExecutionContext, options: TestHubOptions = {}) =>
  startHub(t, { storage: 'disk', users: { alice: shared, bob: shared }, ...options });

const temporaries = ({ dataDirectory }: Pick<TestHub, 'dataDirectory'>) => readdir(join(dataDirectory, 'files/.entrepot'));

test('an interrupted upload has its size for its user, who goes on with it until it is whole', async t => {
  const hub = await onDisk(t);
  await sendHalf(hub, '/f', 'one ');
  const [alice, bob] = [await hub.files('alice'), await hub.files('bob')];
  for (const look of [alice.stat('/f'), alice.lstat('/f')]) t.like(await look, { name: 'f', type: 'file', size: 4 });
  t.deepEqual(await names(alice, '/'), []);
  await sendHalf(hub, '/f', 'two ', RESUME, 4);
  t.is((await alice.stat('/f')).size, 8);
  await sendRest(hub, '/f', 'three', { write: true });
  t.is(await get(bob, '/f'), 'one two three');
  t.deepEqual(await temporaries(hub), []);
  t.deepEqual(await records(hub), []);
  const events = (await recorded(hub)).filter(({ type }) => type.startsWith('upload.'));
  t.deepEqual(
    events.map(({ type }) => type),
    ['upload.failed', 'upload.failed', 'upload.completed'],
  );
  t.like(events[0]?.data, { reason: 'lost', resumable: true, bytes: 4 });
  t.like(events[2]?.data, { path: '/f', size: 13, bytes: 5, replaced: false });
});

test('a backend without restage() is gone on with all the same', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, memory);
  await sendHalf(hub, '/f', 'one ');
  t.is((await unfinished(memory)).length, 1);
  t.is((await hub.alice.stat('/f')).size, 4);
  await sendHalf(hub, '/f', 'two ', RESUME, 4);
  await sendRest(hub, '/f', 'three');
  t.is(await get(hub.alice, '/f'), 'one two three');
  t.deepEqual(await unfinished(memory), []);
});

test('a backend that takes bytes in order only keeps nothing', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, altered(memory, { features: { randomWrites: false, atomicWrites: false } }));
  await sendHalf(hub, '/f', 'half');
  t.deepEqual(await unfinished(memory), []);
  t.is(await codeOf(hub.alice.stat('/f')), 'not-found');
});

test('nobody but its user sees what is kept, and another user may have the name', async t => {
  const hub = await onDisk(t);
  await sendHalf(hub, '/f', 'secret');
  const bob = await hub.files('bob');
  t.is(await codeOf(bob.stat('/f')), 'not-found');
  t.is(await codeOf(bob.open('/f', { read: true })), 'not-found');
  t.is(await codeOf(bob.open('/f', { write: true })), 'not-found');
  t.deepEqual(await names(bob, '/'), []);
  await put(bob, '/f', 'of bob');
  const alice = await hub.files('alice');
  t.is((await alice.stat('/f')).size, 6);
  t.is(await get(alice, '/f'), 'of bob');
  await sendRest(hub, '/f', ' and alice');
  t.is(await get(bob, '/f'), 'of bob and alice');
  await bob.removeFile('/f');
  t.is((await alice.stat('/f')).size, 6);
});

test('what is kept is no file: it cannot be read, removed or renamed, and does not keep a name taken', async t => {
  const hub = await onDisk(t);
  await sendHalf(hub, '/f', 'half');
  const alice = await hub.files('alice');
  t.is(await codeOf(alice.open('/f', { read: true })), 'not-found');
  t.is(await codeOf(alice.removeFile('/f')), 'not-found');
  t.is(await codeOf(alice.rename('/f', '/g')), 'not-found');
  await put(alice, '/other', 'other');
  await alice.rename('/other', '/f');
  t.is(await get(alice, '/f'), 'other');
});

for (const [how, flags] of [
  ['truncated', REPLACE],
  ['exclusive', { write: true, create: true, exclusive: true }],
] as const) {
  test(`an upload that is opened ${how} begins anew, and drops what was kept`, async t => {
    const hub = await onDisk(t);
    await sendHalf(hub, '/f', 'a long first try');
    const alice = await hub.files('alice');
    const upload = await alice.open('/f', flags);
    t.deepEqual(await records(hub), []);
    t.is((await temporaries(hub)).length, 1);
    await upload.write(text('new'), 0);
    await upload.close();
    t.is(await get(alice, '/f'), 'new');
    t.deepEqual(await temporaries(hub), []);
  });
}

test('what came after a gap is not kept', async t => {
  const hub = await onDisk(t);
  const session = await openSession(hub.hub, 'alice');
  const upload = await session.files.open('/f', REPLACE);
  await upload.write(text('begin'), 0);
  await upload.write(text('end'), 9);
  await session.end('lost');
  const alice = await hub.files('alice');
  t.is((await alice.stat('/f')).size, 5);
  await sendRest(hub, '/f', '!');
  t.is(await get(alice, '/f'), 'begin!');
});

test('of two interrupted uploads to one place the later one is kept', async t => {
  const hub = await onDisk(t);
  const session = await openSession(hub.hub, 'alice');
  const [first, second] = [await session.files.open('/f', REPLACE), await session.files.open('/f', REPLACE)];
  await first.write(text('first'), 0);
  await second.write(text('second!'), 0);
  await first.interrupt('lost');
  await second.interrupt('lost');
  t.is((await session.files.stat('/f')).size, 7);
  t.is((await temporaries(hub)).length, 1);
  t.is((await records(hub)).length, 1);
});

test('an upload that its client gave up, that failed, that is empty or that replaces a file is not kept', async t => {
  const memory = new MemoryStorage();
  const open: MemoryStorage['open'] = async (path, flags) => {
    const handle = await memory.open(path, flags);
    const write = (data: Uint8Array, position: number) =>
      data.length === 13 ? Promise.reject(new HubError('quota-exceeded', 'Full')) : handle.write(data, position);
    return alteredHandle(handle, { write, writev: undefined });
  };
  const hub = await hubOn(t, altered(memory, { open }));
  const session = await openSession(hub.hub, 'alice');
  await put(session.files, '/old', 'old');
  const abandoned = await session.files.open('/abandoned', REPLACE);
  await abandoned.write(text('half'), 0);
  await abandoned.abort(new HubError('invalid-request', 'broken'));
  const failing = await session.files.open('/failing', REPLACE);
  await failing.write(text('half'), 0);
  t.is(await codeOf(failing.write(text('thirteen byte'), 4)), 'quota-exceeded');
  await session.files.open('/empty', REPLACE);
  const replacing = await session.files.open('/old', REPLACE);
  await replacing.write(text('new'), 0);
  await session.end('lost');
  t.deepEqual(await unfinished(memory), []);
  t.deepEqual(await records(hub), []);
  t.deepEqual(await names(hub.alice, '/'), ['old']);
  for (const event of await recorded(hub)) if (event.type === 'upload.failed') t.false('resumable' in event.data);
});

test('an upload that a guard refuses is not kept', async t => {
  const hub = await onDisk(t);
  hub.hub.get(Guards).register('publish', () => Promise.reject(new HubError('permission-denied', 'No')));
  await sendHalf(hub, '/f', 'half');
  t.is((await records(hub)).length, 1);
  t.is(await codeOf(sendRest(hub, '/f', ' and half')), 'permission-denied');
  t.deepEqual(await records(hub), []);
  t.deepEqual(await temporaries(hub), []);
});

test('to go on takes the right to upload, never the one to overwrite', async t => {
  const hub = await onDisk(t);
  await sendHalf(hub, '/f', 'half');
  const users = hub.hub.get(UserRepository);
  const { id } = (await users.findByUsername('alice'))!;
  const allow = async (...rights: ('list' | 'download' | 'overwrite' | 'upload')[]) =>
    users.update(id, { permissions: { '/': rights } }, (await users.find(id))!.version);
  await allow('list', 'download', 'overwrite');
  t.is(await codeOf((await hub.files('alice')).stat('/f')), 'not-found');
  t.is(await codeOf(sendRest(hub, '/f', '!')), 'permission-denied');
  await allow('list', 'download', 'upload');
  await sendRest(hub, '/f', '!');
  t.is(await get(await hub.files('alice'), '/f'), 'half!');
});

test('what is kept goes with its directory', async t => {
  const hub = await onDisk(t);
  const alice = await hub.files('alice');
  await alice.mkdir('/d');
  await sendHalf(hub, '/d/f', 'half');
  await alice.removeDirectory('/d');
  t.is(await codeOf(alice.stat('/d/f')), 'not-found');
  t.is(await codeOf(alice.open('/d/f', RESUME)), 'not-found');
});

test('after its time an upload is absent, and then removed', async t => {
  const hub = await onDisk(t, { values: { uploads: { resume: '1ms' } } });
  await sendHalf(hub, '/f', 'half');
  const { expiresAt } = (await records(hub))[0] ?? { expiresAt: 0 };
  while (Date.now() <= expiresAt) await new Promise(resolve => setTimeout(resolve, 5));
  const alice = await hub.files('alice');
  t.is(await codeOf(alice.stat('/f')), 'not-found');
  t.is(await codeOf(alice.open('/f', { write: true })), 'not-found');
  await hub.hub.get(ResumableUploads).sweep();
  t.deepEqual(await records(hub), []);
  t.deepEqual(await temporaries(hub), []);
});

test('what is kept waits for a storage that cannot be reached to be swept', async t => {
  const memory = new MemoryStorage();
  let down = true;
  const removeFile = (path: string) => (down ? Promise.reject(new HubError('unavailable', 'Down')) : memory.removeFile(path));
  const hub = await hubOn(t, altered(memory, { removeFile }), { values: { uploads: { resume: '1ms' } } });
  await sendHalf(hub, '/f', 'half');
  const { expiresAt } = (await records(hub))[0] ?? { expiresAt: 0 };
  while (Date.now() <= expiresAt) await new Promise(resolve => setTimeout(resolve, 5));
  await hub.hub.get(ResumableUploads).sweep();
  t.is((await records(hub)).length, 1);
  down = false;
  await hub.hub.get(ResumableUploads).sweep();
  t.deepEqual(await records(hub), []);
  t.deepEqual(await unfinished(memory), []);
});

test("with 'off' nothing is kept, and what an earlier run kept is removed", async t => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'entrepot-test-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  const first = await onDisk(t, { dataDirectory, databaseFile: true });
  await sendHalf(first, '/f', 'half');
  await first.stop();
  t.is((await temporaries(first)).length, 1);
  const second = await onDisk(t, { dataDirectory, databaseFile: true, users: {}, values: { uploads: { resume: 'off' } } });
  await second.hub.get(ResumableUploads).sweep();
  t.deepEqual(await temporaries(second), []);
  t.deepEqual(await records(second), []);
  await sendHalf(second, '/f', 'half');
  t.deepEqual(await temporaries(second), []);
  t.is(await codeOf((await second.files('alice')).stat('/f')), 'not-found');
});

/** A hub that alice has left with one upload interrupted, one open, and one that goes on; its data directory outlives it. */
async function busyHub(t: ExecutionContext): Promise<TestHub> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'entrepot-test-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  const hub = await onDisk(t, { dataDirectory, databaseFile: true });
  await sendHalf(hub, '/kept', 'one ');
  await sendHalf(hub, '/again', 'one ');
  const files = await hub.files('alice');
  await (await files.open('/open', REPLACE)).write(text('three '), 0);
  await (await files.open('/again', RESUME)).write(text('two '), 4);
  return hub;
}

test('what is kept, and what is open when the hub stops, is there after a restart', async t => {
  const { dataDirectory, stop } = await busyHub(t);
  await stop();
  const hub = await onDisk(t, { dataDirectory, databaseFile: true, users: {} });
  for (const path of ['/kept', '/open', '/again']) await sendRest(hub, path, 'end');
  const alice = await hub.files('alice');
  t.deepEqual(await Promise.all(['/kept', '/open', '/again'].map(path => get(alice, path))), ['one end', 'three end', 'one two end']);
  t.deepEqual(await temporaries(hub), []);
});

test('what is kept is there after a crash, and what was open is swept', async t => {
  const { dataDirectory, stop } = await busyHub(t);
  const crashed = `${dataDirectory}-crashed`;
  await cp(dataDirectory, crashed, { recursive: true });
  await stop();
  await rm(dataDirectory, { recursive: true });
  await rename(crashed, dataDirectory);
  const hub = await onDisk(t, { dataDirectory, databaseFile: true, users: {} });
  t.is((await temporaries(hub)).length, 1);
  const alice = await hub.files('alice');
  t.is((await alice.stat('/kept')).size, 4);
  for (const path of ['/open', '/again']) t.is(await codeOf(alice.stat(path)), 'not-found');
});

test('what is kept is removed with its user', async t => {
  const hub = await onDisk(t);
  await sendHalf(hub, '/f', 'half');
  const users = hub.hub.get(UserRepository);
  const session = await openSession(hub.hub, 'alice');
  await (await session.files.open('/g', REPLACE)).write(text('half'), 0);
  await users.delete((await users.findByUsername('alice'))!.id);
  await session.end('The user was removed');
  await hub.hub.get(ResumableUploads).sweep();
  t.deepEqual(await records(hub), []);
  t.deepEqual(await temporaries(hub), []);
});

test('what is kept is removed with its storage, and not while that is refused', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, memory);
  await sendHalf(hub, '/f', 'half');
  const services = servicesOf(hub.hub);
  const remove = () => storageOperations['storages.remove'].run(services, { name: 'double' });
  t.is(await codeOf(remove()), 'conflict');
  t.is((await unfinished(memory)).length, 1);
  const users = hub.hub.get(UserRepository);
  const { id, version } = (await users.findByUsername('alice'))!;
  await users.update(id, { mounts: [] }, version);
  await remove();
  t.is(await hub.hub.get(StorageRepository).findByName('double'), undefined);
  t.deepEqual(await unfinished(memory), []);
  t.deepEqual(await records(hub), []);
});
