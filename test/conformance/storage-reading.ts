import type { ExecutionContext } from 'ava';
import type { FileInfo, StorageBackend } from '#core/storage/backend.js';
import { cases, getBytes, listAll, put, refuses, writable } from './storage-case.js';

const CONTENT = 'The quick brown fox';

/** Cases that a read-only backend passes too, on what it holds. */
export const readingCases = cases([], undefined, {
  'describes its root as a directory without a name': async (t, storage) => {
    const root = await storage.stat('/');
    t.like(root, { name: '', type: 'directory', size: 0 });
  },
  'says what it can as two facts': async (t, { features }) => {
    t.is(typeof features.randomWrites, 'boolean');
    t.is(typeof features.atomicWrites, 'boolean');
  },
  'lists its root': async (t, storage) => {
    for (const { name } of await listAll(storage, '/')) t.regex(name, /^[^/\0]+$/);
    t.pass();
  },
  'lists each name once, and neither . nor ..': async (t, storage) => {
    const names = (await listAll(storage, '/')).map(info => info.name);
    t.is(new Set(names).size, names.length);
    t.false(names.includes('.') || names.includes('..'));
  },
  'says of an entry that is not there that it is not found': async (t, storage) => {
    await refuses(t, storage.stat('/is-not-there'), 'not-found');
    await refuses(t, storage.stat('/is-not-there/below'), 'not-found');
  },
  'does not open what is not there': async (t, storage) => {
    await refuses(t, storage.open('/is-not-there', { read: true }), 'not-found');
  },
  'does not list what is not there': async (t, storage) => {
    await refuses(t, listAll(storage, '/is-not-there'), 'not-found');
  },
  'does not open its root as a file': async (t, storage) => {
    await refuses(t, storage.open('/', { read: true }), 'is-a-directory');
  },
  'lists a file as stat describes it': async (t, storage) => {
    const listed = await someFile(t, storage);
    if (!listed) return;
    const { name, type, size } = await storage.stat(`/${listed.name}`);
    t.deepEqual({ name, type, size }, { name: listed.name, type: 'file', size: listed.size });
  },
  'does not list a file': async (t, storage) => {
    const file = await someFile(t, storage);
    if (file) await refuses(t, listAll(storage, `/${file.name}`), 'not-a-directory');
  },
  'finds nothing below a file': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    await refuses(t, storage.stat(`/${file.name}/below`), 'not-found', 'not-a-directory');
    await refuses(t, storage.open(`/${file.name}/below`, { read: true }), 'not-found', 'not-a-directory');
  },
  'reads a file to the size that stat gives': async (t, storage) => {
    const file = await someFile(t, storage);
    if (file) t.is((await getBytes(storage, `/${file.name}`)).length, file.size);
  },
  'reads the same in small pieces as in large ones': async (t, storage) => {
    const file = await someFile(t, storage);
    if (file) t.deepEqual(await getBytes(storage, `/${file.name}`, 7), await getBytes(storage, `/${file.name}`));
  },
  'reads from any position': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const whole = await getBytes(storage, `/${file.name}`);
    const handle = await storage.open(`/${file.name}`, { read: true });
    const position = Math.floor(whole.length / 2);
    const target = new Uint8Array(1);
    t.is(await handle.read(target, position), 1);
    t.is(target[0], whole[position]);
    await handle.close();
  },
  'reads nothing at the end and behind it': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const handle = await storage.open(`/${file.name}`, { read: true });
    t.is(await handle.read(new Uint8Array(10), file.size), 0);
    t.is(await handle.read(new Uint8Array(10), file.size + 1_000_000), 0);
    await handle.close();
  },
  'reads one file through two handles at once': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const [a, b] = await Promise.all([getBytes(storage, `/${file.name}`, 5), getBytes(storage, `/${file.name}`, 3)]);
    t.deepEqual(a, b);
  },
  'describes a file that is open': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const handle = await storage.open(`/${file.name}`, { read: true });
    t.like(await handle.stat(), { type: 'file', size: file.size });
    await handle.close();
  },
  'gives up a file that was read without a failure': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const handle = await storage.open(`/${file.name}`, { read: true });
    await t.notThrowsAsync(handle.abort());
    t.is((await getBytes(storage, `/${file.name}`)).length, file.size);
  },
  'takes no write through a handle that reads': async (t, storage) => {
    const file = await someFile(t, storage);
    if (!file) return;
    const before = await getBytes(storage, `/${file.name}`);
    const handle = await storage.open(`/${file.name}`, { read: true });
    await refuses(t, handle.write(new Uint8Array([1]), 0));
    await handle.abort();
    t.deepEqual(await getBytes(storage, `/${file.name}`), before);
  },
});

/** A file with content in the root: one that the backend holds, or one that is written now. */
async function someFile(t: ExecutionContext, storage: StorageBackend): Promise<FileInfo | undefined> {
  if (writable.holds(storage)) await put(storage, '/some.txt', CONTENT);
  const file = (await listAll(storage, '/')).find(info => info.type === 'file' && info.size > 0);
  if (file) return file;
  t.log('does not apply: the root of this read-only backend holds no file');
  t.pass();
  return undefined;
}
