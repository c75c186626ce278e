import 'reflect-metadata';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { HubError, type StorageBackend } from '#core/api.js';
import { EventRepository } from '#core/db/events.js';
import { Guards } from '#core/guards.js';
import {
  altered,
  alteredHandle,
  type BackendHub,
  codeOf,
  get,
  hubOn,
  names,
  nativeStorage,
  put,
  recorded,
  recordedTypes,
  unfinished,
  withBus,
} from './support.js';

const broken = (code: string) => Object.assign(new Error(code), { code });

/** Nothing but the old file and its event, one 'upload.failed', no pending event, no temporary. */
async function nothingHappened(t: Parameters<typeof hubOn>[0], hub: BackendHub, backend: StorageBackend): Promise<void> {
  t.is(await get(hub.alice, '/f'), 'old');
  t.deepEqual(await names(hub.alice, '/'), ['f']);
  t.deepEqual(await unfinished(backend), []);
  const uploads = (await recordedTypes(hub)).filter(type => type.startsWith('upload'));
  t.deepEqual(uploads, ['upload.completed', 'upload.failed']);
  t.deepEqual(await hub.hub.get(EventRepository).pending(), []);
}

for (const member of ['write', 'sync', 'close'] as const) {
  test(`a backend whose ${member} fails once fails the upload, and nothing is published`, async t => {
    const memory = new MemoryStorage();
    let faulty = false;
    const open: StorageBackend['open'] = async (path, flags) => {
      const handle = await memory.open(path, flags);
      const failing = faulty && flags.write;
      return alteredHandle(handle, {
        writev: undefined,
        sync: async () => undefined,
        ...(failing && { [member]: async () => Promise.reject(broken('EIO')) }),
      });
    };
    const backend = altered(memory, { open });
    const hub = await hubOn(t, backend, { values: { durability: 'disk' } });
    await put(hub.alice, '/f', 'old');
    faulty = true;
    const upload = await hub.alice.open('/f', { write: true, create: true, truncate: true });
    const written = await codeOf(upload.write(Buffer.from('new'), 0));
    faulty = false;
    t.is(written, member === 'write' ? 'internal' : 'done');
    t.is(await codeOf(upload.close()), 'internal');
    t.is(await codeOf(upload.close()), 'internal');
    await nothingHappened(t, hub, backend);
  });
}

test('a full disk fails the upload with its reason, and the old file is whole', async t => {
  const backend = new MemoryStorage(2_000);
  const hub = await hubOn(t, backend);
  await put(hub.alice, '/f', 'old');
  const upload = await hub.alice.open('/f', { write: true, create: true, truncate: true });
  await upload.write(Buffer.alloc(1_500), 0);
  await t.throwsAsync(upload.write(Buffer.alloc(1_500), 1_500), { code: 'unavailable' });
  await t.throwsAsync(upload.close(), { code: 'unavailable', message: 'No space left on the storage' });
  await nothingHappened(t, hub, backend);
  t.like((await recorded(hub)).find(({ type }) => type === 'upload.failed')?.data, {
    reason: 'No space left on the storage',
    bytes: 1_500,
  });
});

test('an event that cannot be recorded fails the upload, and nothing is published', async t => {
  const backend = new MemoryStorage();
  let locked = false;
  const configure = withBus({
    prepare: (next, type) => (locked && type === 'upload.completed' ? Promise.reject(broken('SQLITE_BUSY')) : next()),
  });
  const hub = await hubOn(t, backend, { configure });
  await put(hub.alice, '/f', 'old');
  locked = true;
  await t.throwsAsync(put(hub.alice, '/f', 'new'), { code: 'unavailable', message: 'The database is busy' });
  locked = false;
  await nothingHappened(t, hub, backend);
});

for (const type of [
  'file.deleted',
  'file.renamed',
  'file.copied',
  'file.linked',
  'directory.created',
  'directory.deleted',
  'directory.renamed',
]) {
  test(`${type}: without its event the operation does not take place`, async t => {
    const configure = withBus({ prepare: (next, kind) => (kind === type ? Promise.reject(broken('SQLITE_BUSY')) : next()) });
    const hub = await hubOn(t, new MemoryStorage(), { configure });
    await put(hub.alice, '/f', 'x');
    if (type !== 'directory.created') await hub.alice.mkdir('/d');
    const before = await names(hub.alice, '/');
    const acts: Readonly<Record<string, () => Promise<void>>> = {
      'file.deleted': () => hub.alice.removeFile('/f'),
      'file.renamed': () => hub.alice.rename('/f', '/g'),
      'file.copied': () => hub.alice.copy('/f', '/g'),
      'file.linked': () => hub.alice.link('/f', '/g'),
      'directory.created': () => hub.alice.mkdir('/g'),
      'directory.deleted': () => hub.alice.removeDirectory('/d'),
      'directory.renamed': () => hub.alice.rename('/d', '/g'),
    };
    t.is(await codeOf(acts[type]!()), 'unavailable');
    t.deepEqual(await names(hub.alice, '/'), before);
  });
}

test('an operation that the storage refuses leaves no event', async t => {
  const refuse = async () => Promise.reject(broken('EACCES'));
  const hub = await hubOn(t, altered(new MemoryStorage(), { mkdir: refuse, link: refuse, copy: undefined }));
  t.is(await codeOf(hub.alice.mkdir('/d')), 'permission-denied');
  t.deepEqual(await recorded(hub), []);
  t.deepEqual(await hub.hub.get(EventRepository).pending(), []);
});

test('what a storage throws in any operation reaches the client as a HubError', async t => {
  const fail = async () => Promise.reject(broken('ENOSPC'));
  const memory = new MemoryStorage();
  const hub = await hubOn(t, altered(memory, { setAttributes: fail, readlink: fail, space: fail, checksum: fail }));
  await put(hub.alice, '/f', 'x');
  await hub.alice.symlink('/f', '/l');
  t.is(await codeOf(hub.alice.setAttributes('/f', { mode: 0o600 })), 'unavailable');
  t.is(await codeOf(hub.alice.readlink('/l')), 'unavailable');
  t.is(await codeOf(hub.alice.space('/')), 'unavailable');
  t.is(await codeOf(hub.alice.checksum('/f', 'md5')), 'unavailable');
  const unreachable = await hubOn(
    t,
    altered(memory, { stat: fail, lstat: fail, open: fail, list: () => ({ [Symbol.asyncIterator]: () => ({ next: fail }) }) }),
  );
  t.is(await codeOf(unreachable.alice.stat('/f')), 'unavailable');
  t.is(await codeOf(unreachable.alice.open('/f', { read: true })), 'unavailable');
  t.is(await codeOf(put(unreachable.alice, '/f', 'x')), 'unavailable');
});

test('a failed rename drops the event before it removes the temporary', async t => {
  const order: string[] = [];
  const memory = new MemoryStorage();
  const rename: MemoryStorage['rename'] = async () => {
    order.push('rename');
    throw new HubError('unavailable', 'The storage does not answer');
  };
  const removeFile: MemoryStorage['removeFile'] = path => {
    if (path.startsWith('/.entrepot/')) order.push('remove');
    return memory.removeFile(path);
  };
  const configure = withBus({
    async prepare(next) {
      const pending = await next();
      order.push('prepare');
      const drop = async (): Promise<void> => {
        order.push('drop');
        await pending.drop();
      };
      return { settle: () => void order.push('settle'), drop };
    },
  });
  const hub = await hubOn(t, altered(memory, { rename, removeFile }), { configure });
  t.is(await codeOf(put(hub.alice, '/f', 'x')), 'unavailable');
  t.deepEqual(order, ['prepare', 'rename', 'drop', 'remove']);
  t.deepEqual(await recordedTypes(hub), ['upload.failed']);
});

test('when the event of a failed upload cannot be dropped, the temporary stays as the proof that nothing happened', async t => {
  const memory = new MemoryStorage();
  let closed = 0;
  const open: StorageBackend['open'] = async (path, flags) => {
    const handle = await memory.open(path, flags);
    return alteredHandle(handle, { close: async () => void closed++, abort: async () => void closed++ });
  };
  const rename = async () => Promise.reject(broken('EIO'));
  const configure = withBus({ prepare: async next => ({ ...(await next()), drop: async () => Promise.reject(broken('SQLITE_BUSY')) }) });
  const hub = await hubOn(t, altered(memory, { rename, open }), { configure });
  t.is(await codeOf(put(hub.alice, '/f', 'x')), 'internal');
  const [pending] = await hub.hub.get(EventRepository).pending();
  t.is((await unfinished(memory)).length, 1);
  t.is(pending?.proof.path, `/.entrepot/${(await unfinished(memory))[0]}`);
  t.is(closed, 1, 'a handle is closed once');
});

for (const [plan, make] of [
  ['staged', (memory: MemoryStorage): StorageBackend => memory],
  ['native', nativeStorage],
] as const) {
  test(`${plan}: the event is recorded before the file appears, and made deliverable after`, async t => {
    const order: string[] = [];
    const memory = new MemoryStorage();
    const backend = make(memory);
    const appeared = async (step: string) =>
      order.push(`${step}: ${(await memory.stat('/f').catch(() => undefined)) ? 'there' : 'not there'}`);
    const configure = withBus({
      async prepare(next) {
        const pending = await next();
        await appeared('prepared');
        const settle = (): void => {
          order.push('settled');
          pending.settle();
        };
        return { ...pending, settle };
      },
    });
    const hub = await hubOn(t, backend, { configure });
    await put(hub.alice, '/f', 'x');
    await appeared('acknowledged');
    t.deepEqual(order, ['prepared: not there', 'settled', 'acknowledged: there']);
  });

  test(`${plan}: a check before publication sees the content, and can refuse it`, async t => {
    const backend = make(new MemoryStorage());
    const hub = await hubOn(t, backend);
    await put(hub.alice, '/f', 'old');
    const seen: string[] = [];
    hub.hub.get(Guards).register('publish', async ({ path, size, content, session }) => {
      const chunks = (await content().toArray()) as Buffer[];
      seen.push(`${session.user} ${path} ${size} ${Buffer.concat(chunks)}`);
      throw new HubError('permission-denied', 'A virus was found');
    });
    await t.throwsAsync(put(hub.alice, '/f', 'virus'), { code: 'permission-denied', message: 'A virus was found' });
    t.deepEqual(seen, ['alice /f 5 virus']);
    await nothingHappened(t, hub, backend);
  });
}

test('a check before publication also sees what was written in place, though it was opened for writing only', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  await put(hub.alice, '/f', 'one ');
  const seen: string[] = [];
  hub.hub
    .get(Guards)
    .register('publish', async ({ content }) => void seen.push(Buffer.concat((await content().toArray()) as Buffer[]).toString()));
  const upload = await hub.alice.open('/f', { write: true });
  await upload.write(Buffer.from('two'), 4);
  await upload.close();
  t.deepEqual(seen, ['one two']);
});

test('a check that hangs refuses at its limit, before and after the upload', async t => {
  const backend = new MemoryStorage();
  const hub = await hubOn(t, backend, { values: { guards: { timeout: '50ms' } } });
  await put(hub.alice, '/f', 'old');
  let aborted = 0;
  hub.hub.get(Guards).register('publish', (_, signal) => new Promise(() => signal.addEventListener('abort', () => aborted++)));
  t.is(await codeOf(put(hub.alice, '/f', 'new')), 'unavailable');
  await nothingHappened(t, hub, backend);
  for (const action of ['upload', 'download', 'delete', 'rename'] as const)
    hub.hub.get(Guards).register(action, () => new Promise(() => undefined));
  t.is(await codeOf(put(hub.alice, '/g', 'x')), 'unavailable');
  t.is(await codeOf(get(hub.alice, '/f')), 'unavailable');
  t.is(await codeOf(hub.alice.removeFile('/f')), 'unavailable');
  t.is(await codeOf(hub.alice.rename('/f', '/g')), 'unavailable');
  t.is(await codeOf(hub.alice.copy('/f', '/g')), 'unavailable');
  t.is(aborted, 1);
  t.deepEqual(await names(hub.alice, '/'), ['f']);
});
