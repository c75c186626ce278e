import 'reflect-metadata';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import type { StorageBackend } from '#core/api.js';
import type { HubEvent } from '#core/events/types.js';
import { VfsServices } from '#core/vfs/scope.js';
import { altered, codeOf, get, hubOn, nativeStorage, put, recorded } from './support.js';

const REPLACE = { write: true, create: true, truncate: true };
const home = { mounts: [{ path: '/', storage: 'double', directory: '/' }] };
const text = (content: string) => Buffer.from(content);

/** What the events of files at one path tell, in the order of their ids. */
async function history(hub: Parameters<typeof recorded>[0]): Promise<string[]> {
  const told = ({ type, data }: HubEvent): string => {
    const { size, replaced, session } = data as { size?: number; replaced?: boolean; session?: { user: string } };
    return [session?.user, type, size, replaced && 'replaced'].filter(Boolean).join(' ');
  };
  return (await recorded(hub)).filter(({ type }) => !type.startsWith('download')).map(told);
}

for (const [plan, make] of [
  ['staged', (memory: MemoryStorage): StorageBackend => memory],
  ['native', nativeStorage],
] as const) {
  test(`${plan}: of two uploads to one path the one that stays has the greater id, and tells that it replaced the other`, async t => {
    const hub = await hubOn(t, make(new MemoryStorage()), { users: { bob: home } });
    const bob = await hub.files('bob');
    const first = await hub.alice.open('/f', REPLACE);
    await first.write(text('opened first'), 0);
    await put(bob, '/f', 'second');
    await first.close();
    t.is(await get(bob, '/f'), 'opened first');
    t.deepEqual(await history(hub), ['bob upload.completed 6', 'alice upload.completed 12 replaced']);
    t.is(hub.hub.get(VfsServices).order.size, 0);
  });
}

test('what happens to a path during an upload is older than its event', async t => {
  const hub = await hubOn(t, new MemoryStorage(), { users: { bob: home } });
  const bob = await hub.files('bob');
  await put(hub.alice, '/f', 'old');
  const upload = await hub.alice.open('/f', REPLACE);
  await upload.write(text('new'), 0);
  await bob.rename('/f', '/g');
  await put(bob, '/h', 'other');
  await upload.close();
  const other = await hub.alice.open('/f', REPLACE);
  await other.write(text('newer'), 0);
  await bob.removeFile('/f');
  await bob.copy('/h', '/f');
  await other.close();
  t.deepEqual(await history(hub), [
    'alice upload.completed 3',
    'bob file.renamed',
    'bob upload.completed 5',
    'alice upload.completed 3',
    'bob file.deleted 3',
    'bob file.copied',
    'alice upload.completed 5 replaced',
  ]);
  t.is(hub.hub.get(VfsServices).order.size, 0);
});

test('two who close at the same moment are published in the order of their ids', async t => {
  const memory = new MemoryStorage();
  const waiting: (() => void)[] = [];
  let holds = true;
  // The first rename takes longer than all that follow.
  const rename: MemoryStorage['rename'] = async (from, to, options) => {
    if (holds) await new Promise<void>(resolve => waiting.push(resolve));
    return memory.rename(from, to, options);
  };
  const hub = await hubOn(t, altered(memory, { rename }), { users: { bob: home } });
  const bob = await hub.files('bob');
  const [first, second] = [await hub.alice.open('/f', REPLACE), await bob.open('/f', REPLACE)];
  await first.write(text('first'), 0);
  await second.write(text('the second'), 0);
  const closing = [first.close(), second.close()];
  while (waiting.length === 0) await new Promise(setImmediate);
  holds = false;
  await new Promise(setImmediate);
  for (const go of waiting) go();
  await Promise.all(closing);
  t.is(await get(bob, '/f'), 'the second');
  t.deepEqual(await history(hub), ['alice upload.completed 5', 'bob upload.completed 10 replaced']);
});

test('an upload that fails leaves nothing that others would wait for', async t => {
  const memory = new MemoryStorage();
  let failing = true;
  const rename: MemoryStorage['rename'] = async (from, to, options) =>
    failing ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : memory.rename(from, to, options);
  const hub = await hubOn(t, altered(memory, { rename }));
  await t.throwsAsync(put(hub.alice, '/f', 'x'));
  await t.throwsAsync(hub.alice.open('/missing', { write: true }), { code: 'not-found' });
  const dropped = await hub.alice.open('/f', REPLACE);
  await dropped.write(text('half'), 0);
  await dropped.abort();
  failing = false;
  await put(hub.alice, '/f', 'whole');
  t.is(await get(hub.alice, '/f'), 'whole');
  t.is(hub.hub.get(VfsServices).order.size, 0);
});

test('a directory is not moved while something is uploaded into it, by whomever', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, memory, { users: { bob: { mounts: [{ path: '/', storage: 'double', directory: '/d' }] } } });
  await hub.alice.mkdir('/d');
  await hub.alice.mkdir('/d/in');
  await put(hub.alice, '/d/in/old', 'old');
  await put(hub.alice, '/dx', 'beside');
  const bob = await hub.files('bob');
  const beside = await hub.alice.open('/dx', REPLACE);
  for (const [path, flags] of [
    ['/in/new', REPLACE],
    ['/in/old', { write: true }],
  ] as const) {
    const upload = await bob.open(path, flags);
    await upload.write(text('uploaded'), 0);
    for (const directory of ['/d', '/d/in']) await t.throwsAsync(hub.alice.rename(directory, '/e'), { code: 'conflict' });
    await upload.close();
  }
  await hub.alice.rename('/d/in', '/d/moved');
  await hub.alice.rename('/d', '/e');
  await beside.close();
  t.is(await get(hub.alice, '/e/moved/new'), 'uploaded');
  t.is((await recorded(hub)).filter(({ type }) => type === 'directory.renamed').length, 2);
  t.is(hub.hub.get(VfsServices).order.size, 0);
});

test('who uploads into a directory that is being moved waits, and finds it gone', async t => {
  const memory = new MemoryStorage();
  let release = (): void => undefined;
  const gate = new Promise<void>(resolve => (release = resolve));
  let moving = false;
  const rename: MemoryStorage['rename'] = async (from, to, options) => {
    if (from === '/d') moving = true;
    if (from === '/d') await gate;
    return memory.rename(from, to, options);
  };
  const hub = await hubOn(t, altered(memory, { rename }));
  await hub.alice.mkdir('/d');
  const moved = hub.alice.rename('/d', '/e');
  while (!moving) await new Promise(setImmediate);
  const made = codeOf(hub.alice.mkdir('/d/sub'));
  const uploaded = codeOf(put(hub.alice, '/d/f', 'x'));
  release();
  await moved;
  t.is(await made, 'not-found');
  t.is(await uploaded, 'not-found');
  t.is(hub.hub.get(VfsServices).order.size, 0);
});
