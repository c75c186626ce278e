import 'reflect-metadata';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { defineExtension, HubError, type StorageBackend } from '#core/api.js';
import { RIGHTS, UserRepository } from '#core/db/users.js';
import { openSession, startHub } from '../../support/hub.js';
import { altered, alteredHandle, codeOf, get, hubOn, names, nativeStorage, put, recorded, recordedTypes, unfinished } from './support.js';

const REPLACE = { write: true, create: true, truncate: true };
const text = (content: string) => Buffer.from(content);

for (const [plan, make] of [
  ['staged', (memory: MemoryStorage): StorageBackend => memory],
  ['native', nativeStorage],
] as const) {
  test(`${plan}: the old file is whole until the new one is complete`, async t => {
    const backend = make(new MemoryStorage());
    const hub = await hubOn(t, backend, { users: { bob: { mounts: [{ path: '/', storage: 'double', directory: '/' }] } } });
    const bob = await hub.files('bob');
    await put(hub.alice, '/f', 'old content');
    const upload = await hub.alice.open('/f', REPLACE);
    t.is(await get(bob, '/f'), 'old content');
    await upload.write(text('new'), 0);
    t.is(await get(bob, '/f'), 'old content');
    await upload.close();
    t.is(await get(bob, '/f'), 'new');
    t.deepEqual(await unfinished(backend), []);
  });

  test(`${plan}: an aborted upload leaves the old file, and nothing else`, async t => {
    const backend = make(new MemoryStorage());
    const hub = await hubOn(t, backend);
    await put(hub.alice, '/f', 'old');
    for (const path of ['/f', '/new']) {
      const upload = await hub.alice.open(path, REPLACE);
      await upload.write(text('half'), 0);
      await upload.abort(new HubError('aborted', 'connection lost'));
      await upload.abort();
      t.is(await codeOf(upload.close()), 'aborted');
      t.is(await codeOf(upload.write(text('more'), 4)), 'invalid-request');
    }
    t.is(await get(hub.alice, '/f'), 'old');
    t.is(await codeOf(hub.alice.stat('/new')), 'not-found');
    t.deepEqual(await unfinished(backend), []);
    const failed = (await recorded(hub)).filter(({ type }) => type === 'upload.failed');
    t.is(failed.length, 2);
    t.like(failed[0]?.data, { path: '/f', bytes: 4, reason: 'connection lost' });
  });

  test(`${plan}: an empty upload makes an empty file, with its event`, async t => {
    const hub = await hubOn(t, make(new MemoryStorage()));
    await put(hub.alice, '/empty', '');
    t.is((await hub.alice.stat('/empty')).size, 0);
    t.like((await hub.event('upload.completed')).data, { path: '/empty', size: 0, bytes: 0, replaced: false });
  });
}

test('what is shown of a download tells how much is still to come, of an upload how much has', async t => {
  const hub = await startHub(t, { storage: 'disk', users: { alice: {} } });
  const files = await hub.files('alice');
  await put(files, '/f', '0123456789');
  const download = await files.open('/f', { read: true });
  await download.read(new Uint8Array(4), 0);
  t.deepEqual(download.snapshot(), { path: '/f', direction: 'download', bytes: 4, size: 10 });
  await download.close();
  const upload = await files.open('/f', REPLACE);
  await upload.write(text('abc'), 0);
  t.deepEqual(upload.snapshot(), { path: '/f', direction: 'upload', bytes: 3 });
  await upload.close();
});

test('closing twice is closing once, and aborting afterwards changes nothing', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  const upload = await hub.alice.open('/f', REPLACE);
  await upload.write(text('x'), 0);
  await Promise.all([upload.close(), upload.close(), upload.abort('too late')]);
  await upload.abort('too late');
  await upload.close();
  t.is(await get(hub.alice, '/f'), 'x');
  t.deepEqual(await recordedTypes(hub), ['upload.completed', 'download.completed']);
});

test('a write under way is waited for, by close and by abort', async t => {
  const memory = new MemoryStorage();
  let release = (): void => undefined;
  const gate = new Promise<void>(resolve => (release = resolve));
  const open: StorageBackend['open'] = async (path, flags) => {
    const handle = await memory.open(path, flags);
    return flags.write
      ? alteredHandle(handle, { writev: undefined, write: (data: Uint8Array, at: number) => gate.then(() => handle.write(data, at)) })
      : handle;
  };
  const hub = await hubOn(t, altered(memory, { open }));
  const [kept, dropped] = [await hub.alice.open('/kept', REPLACE), await hub.alice.open('/dropped', REPLACE)];
  const writes = [kept.write(text('all of it'), 0), dropped.write(text('all of it'), 0)];
  const ends = [kept.close(), dropped.abort('no longer wanted')];
  release();
  await Promise.all([...writes, ...ends]);
  t.is(await get(hub.alice, '/kept'), 'all of it');
  t.deepEqual(await names(hub.alice, '/'), ['kept']);
  t.deepEqual(await unfinished(memory), []);
});

test('the end of a session ends its uploads, of which it keeps what was sent, and a close that comes later is no success', async t => {
  const backend = new MemoryStorage();
  const hub = await hubOn(t, backend);
  const session = await openSession(hub.hub, 'alice');
  const upload = await session.files.open('/f', REPLACE);
  await upload.write(text('half'), 0);
  await session.end('kicked');
  t.is(await codeOf(upload.close()), 'aborted');
  t.is(await codeOf(session.files.open('/g', REPLACE)), 'aborted');
  t.is(await codeOf(session.files.stat('/')), 'aborted');
  t.deepEqual(await names(hub.alice, '/'), []);
  t.is((await unfinished(backend)).length, 1);
  t.is((await hub.event('upload.failed')).data.reason, 'kicked');
});

test('a file that is being opened when its session ends is aborted too', async t => {
  const memory = new MemoryStorage();
  let reached = (): void => undefined;
  let release = (): void => undefined;
  const opening = new Promise<void>(resolve => (reached = resolve));
  const gate = new Promise<void>(resolve => (release = resolve));
  const open: StorageBackend['open'] = async (path, flags) => {
    if (flags.write) reached();
    if (flags.write) await gate;
    return memory.open(path, flags);
  };
  const hub = await hubOn(t, altered(memory, { open }));
  const session = await openSession(hub.hub, 'alice');
  const result = codeOf(session.files.open('/f', REPLACE));
  await opening;
  const ended = session.end('kicked');
  release();
  await ended;
  t.is(await result, 'aborted');
  t.is(hub.hub.transfers, 0);
  t.deepEqual(await unfinished(memory), []);
});

test('of two who create a file only if it is new, one gets it', async t => {
  const backend = new MemoryStorage();
  const hub = await hubOn(t, backend);
  const exclusive = { ...REPLACE, exclusive: true };
  const [first, second] = [await hub.alice.open('/f', exclusive), await hub.alice.open('/f', exclusive)];
  await first.write(text('first'), 0);
  await second.write(text('second'), 0);
  await first.close();
  t.is(await codeOf(second.close()), 'already-exists');
  t.is(await get(hub.alice, '/f'), 'first');
  t.is(await codeOf(hub.alice.open('/f', exclusive)), 'already-exists');
  t.deepEqual(await unfinished(backend), []);
});

test('who may not replace does not, whenever the other file or the rule came', async t => {
  const home = { mounts: [{ path: '/', storage: 'double', directory: '/' }] };
  const hub = await hubOn(t, new MemoryStorage(), { users: { drop: { ...home, permissions: { '/': ['upload', 'list'] } }, later: home } });
  const [drop, later] = [await hub.files('drop'), await hub.files('later')];
  const uploads = [await drop.open('/f', REPLACE), await later.open('/f', REPLACE)];
  for (const upload of uploads) await upload.write(text('late'), 0);
  await put(hub.alice, '/f', 'first');
  const users = hub.hub.get(UserRepository);
  const user = (await users.findByUsername('later'))!;
  await users.update(user.id, { permissions: { '/': ['upload', 'list'] } }, user.version);
  while ((await codeOf(later.mkdir('/x'))) !== 'permission-denied') await new Promise(setImmediate);
  for (const upload of uploads) t.is(await codeOf(upload.close()), 'already-exists');
  t.is(await get(hub.alice, '/f'), 'first');
});

test('a replaced file keeps its mode, also by a copy', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  await put(hub.alice, '/f', 'x');
  await put(hub.alice, '/g', 'y');
  await hub.alice.setAttributes('/f', { mode: 0o604 });
  await put(hub.alice, '/f', 'xx');
  t.is((await hub.alice.stat('/f')).mode, 0o604);
  await hub.alice.copy('/g', '/f', { overwrite: true });
  t.is((await hub.alice.stat('/f')).mode, 0o604);
  t.is(await get(hub.alice, '/f'), 'y');
});

test('an unfinished upload is there for its own session only, which may describe and change it', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  const upload = await hub.alice.open('/f', REPLACE);
  await upload.write(text('12345'), 0);
  const other = await hub.files('alice');
  t.is(await codeOf(other.stat('/f')), 'not-found');
  t.is((await hub.alice.stat('/f')).size, 5);
  t.is((await hub.alice.stat('/f')).name, 'f');
  await hub.alice.setAttributes('/f', { mode: 0o640, mtime: 1_000_000, size: 3 });
  t.is(await codeOf(other.setAttributes('/f', { mode: 0o600 })), 'not-found');
  t.deepEqual(await names(hub.alice, '/'), []);
  await upload.close();
  t.like(await other.stat('/f'), { size: 3, mode: 0o640, mtime: 1_000_000 });
  t.is((await hub.event('upload.completed')).data.size, 3);
});

test('direct: what is written to an existing file is there at once, and its event at the end', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, memory);
  await put(hub.alice, '/f', 'abc');
  const appended = await hub.alice.open('/f', { write: true });
  await appended.write(text('def'), 3);
  t.is(await get(hub.alice, '/f'), 'abcdef');
  await appended.close();
  const both = await hub.alice.open('/f', { read: true, write: true });
  const buffer = Buffer.alloc(3);
  t.is(await both.read(buffer, 3), 3);
  t.is(buffer.toString(), 'def');
  await both.write(text('X'), 0);
  await both.close();
  t.is(await get(hub.alice, '/f'), 'Xbcdef');
  const uploads = (await recorded(hub)).filter(({ type }) => type === 'upload.completed');
  t.like(uploads[1]?.data, { size: 6, bytes: 3, replaced: true });
  t.like(uploads[2]?.data, { size: 6, bytes: 1, replaced: true });
});

test('a rename replaces nothing without the right, also not what appears while its check runs', async t => {
  const memory = new MemoryStorage();
  let arrives = async (): Promise<void> => undefined;
  const slow = defineExtension({ name: 'slow', api: '^1.0.0', register: host => host.guard('rename', () => arrives()) });
  const home = { mounts: [{ path: '/', storage: 'double', directory: '/' }] };
  const rights = RIGHTS.filter(right => right !== 'overwrite');
  const hub = await hubOn(t, memory, { extensions: [slow], users: { bob: { ...home, permissions: { '/': rights } } } });
  const bob = await hub.files('bob');
  await put(bob, '/mine', 'of bob');
  arrives = () => put(hub.alice, '/f', 'of alice');
  t.is(await codeOf(bob.rename('/mine', '/f', { overwrite: true })), 'already-exists');
  t.is(await get(hub.alice, '/f'), 'of alice');
  t.false((await recordedTypes(hub)).includes('file.renamed'));
  arrives = () => put(hub.alice, '/g', 'of alice');
  await hub.alice.rename('/mine', '/g', { overwrite: true });
  t.is(await get(hub.alice, '/g'), 'of bob');
});

test('a rename that replaces a file says so to its checks and in its event, and is checked as an upload', async t => {
  const asked: string[] = [];
  const keeping = defineExtension({
    name: 'keeping',
    api: '^1.0.0',
    register: host => {
      host.guard('rename', ({ target, replaces }) => void asked.push(`rename ${target} ${replaces}`));
      host.guard('upload', ({ path, replaces }) => {
        if (replaces) throw new HubError('permission-denied', `${path} is kept`);
      });
    },
  });
  const hub = await hubOn(t, new MemoryStorage(), { extensions: [keeping] });
  for (const path of ['/kept', '/x.tmp']) await put(hub.alice, path, path);
  await t.throwsAsync(hub.alice.rename('/x.tmp', '/kept', { overwrite: true }), { message: '/kept is kept' });
  await hub.alice.rename('/x.tmp', '/x.tmp', { overwrite: true });
  await hub.alice.rename('/x.tmp', '/x', { overwrite: true });
  t.is(await get(hub.alice, '/kept'), '/kept');
  t.deepEqual(asked, ['rename /kept true', 'rename /x.tmp false', 'rename /x false']);
  const free = await hubOn(t, new MemoryStorage());
  for (const path of ['/old', '/new']) await put(free.alice, path, path);
  await free.alice.rename('/new', '/old', { overwrite: true });
  t.like((await free.event('file.renamed')).data, { path: '/new', target: '/old', replaced: true });
  t.is((await hub.event('file.renamed')).data.replaced, false);
});

test('another size is an upload of the whole file: its guards are asked and its event is recorded', async t => {
  const asked: string[] = [];
  const guarding = defineExtension({
    name: 'guarding',
    api: '^1.0.0',
    register: host => {
      host.guard('upload', ({ path, replaces }) => void asked.push(`upload ${path} ${replaces}`));
      host.guard('publish', async ({ path, size, content }) => {
        asked.push(`publish ${path} ${size} ${Buffer.concat(await content().toArray())}`);
        if (size === 1) throw new HubError('permission-denied', 'Too short');
      });
    },
  });
  const hub = await hubOn(t, new MemoryStorage(), { extensions: [guarding] });
  await put(hub.alice, '/f', 'abcdef');
  await hub.alice.setAttributes('/f', { size: 3, mode: 0o600 });
  t.like(await hub.alice.stat('/f'), { size: 3, mode: 0o600 });
  t.is(await codeOf(hub.alice.setAttributes('/f', { size: 1, mode: 0o640 })), 'permission-denied');
  t.is((await hub.alice.stat('/f')).mode, 0o600);
  t.deepEqual(asked.slice(2), ['upload /f true', 'publish /f 3 abc', 'upload /f true', 'publish /f 1 a']);
  const [, cut, refused] = await recorded(hub);
  t.is(cut?.type, 'upload.completed');
  t.like(cut?.data, { path: '/f', size: 3, bytes: 0, replaced: true });
  t.is(refused?.type, 'upload.failed');
  t.is(hub.hub.transfers, 0);
});

test('a size that the storage cannot set is refused, and no event tells of it', async t => {
  const memory = new MemoryStorage(100);
  const open: StorageBackend['open'] = async (path, flags) => alteredHandle(await memory.open(path, flags), { truncate: undefined });
  const hub = await hubOn(t, memory);
  await put(hub.alice, '/f', 'abc');
  t.is(await codeOf(hub.alice.setAttributes('/f', { size: 1_000 })), 'unavailable');
  const fixed = await hubOn(t, altered(memory, { open }));
  t.is(await codeOf(fixed.alice.setAttributes('/f', { size: 1 })), 'unsupported');
  t.is(await get(hub.alice, '/f'), 'abc');
  t.deepEqual(await recordedTypes(hub), ['upload.completed', 'download.completed']);
  t.deepEqual(await recordedTypes(fixed), []);
});

test('a file opened to be changed and left as it is makes no event', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  await put(hub.alice, '/f', 'abc');
  await (await hub.alice.open('/f', { write: true })).close();
  await (await hub.alice.open('/f', { write: true })).abort('no longer wanted');
  await hub.alice.removeFile('/f');
  t.deepEqual(await recordedTypes(hub), ['upload.completed', 'file.deleted']);
});

test('direct: on a backend that cannot rename, a new file that fails goes away again', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, altered(memory, { rename: undefined }));
  const upload = await hub.alice.open('/f', REPLACE);
  await upload.write(text('half'), 0);
  await upload.abort('connection lost');
  t.deepEqual(await names(hub.alice, '/'), []);
  await put(hub.alice, '/f', 'whole');
  t.is(await get(hub.alice, '/f'), 'whole');
  t.is(await codeOf(hub.alice.rename('/f', '/g')), 'unsupported');
});

test('a backend that takes bytes in order only is given them in order, and a gap fails the upload', async t => {
  const memory = new MemoryStorage();
  const positions: number[] = [];
  const open: StorageBackend['open'] = async (path, flags) => {
    const handle = await memory.open(path, flags);
    const write = (data: Uint8Array, at: number) => handle.write(data, positions[positions.push(at) - 1]!);
    return flags.write ? alteredHandle(handle, { write, writev: undefined }) : handle;
  };
  const hub = await hubOn(t, altered(memory, { open, features: { randomWrites: false, atomicWrites: false } }));
  const upload = await hub.alice.open('/f', REPLACE);
  await Promise.all([upload.write(text('cc'), 4), upload.write(text('bb'), 2), upload.write(text('aa'), 0)]);
  await upload.close();
  t.is(await get(hub.alice, '/f'), 'aabbcc');
  t.deepEqual(positions, [0, 2, 4]);
  const gap = await hub.alice.open('/gap', REPLACE);
  await gap.write(text('x'), 5);
  t.is(await codeOf(gap.close()), 'unsupported');
  t.deepEqual(await names(hub.alice, '/'), ['f']);
  t.deepEqual(await unfinished(memory), []);
});

test('a session has no more files open than its limit, and a refused one costs nothing', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, altered(memory, { rename: undefined }), { values: { limits: { openFilesPerSession: 2 } } });
  await put(hub.alice, '/f', 'content');
  const opened = [await hub.alice.open('/a', REPLACE), await hub.alice.open('/b', REPLACE)];
  t.is(await codeOf(hub.alice.open('/f', REPLACE)), 'unavailable');
  t.is((await hub.alice.stat('/f')).size, 7);
  for (const transfer of opened) await transfer.close();
  const raced = await Promise.all([1, 2, 3, 4].map(number => codeOf(hub.alice.open(`/${number}`, REPLACE))));
  t.is(raced.filter(code => code === 'done').length, 2);
  t.is(hub.hub.transfers, 2);
  t.false((await recordedTypes(hub)).some(type => type.endsWith('failed')));
});
