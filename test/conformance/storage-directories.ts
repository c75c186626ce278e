import { cases, exists, get, listAll, namesIn, put, REPLACE, refuses } from './storage-case.js';

const making = cases(['mkdir'], undefined, {
  'makes a directory': async (t, storage) => {
    await storage.mkdir('/d');
    t.like(await storage.stat('/d'), { name: 'd', type: 'directory', size: 0 });
    t.deepEqual(await listAll(storage, '/d'), []);
    t.like((await listAll(storage, '/'))[0], { name: 'd', type: 'directory' });
  },
  'makes no directory where something is': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/f', 'file');
    await refuses(t, storage.mkdir('/d'), 'already-exists');
    await refuses(t, storage.mkdir('/f'), 'already-exists');
    await refuses(t, storage.mkdir('/'), 'already-exists');
    t.is(await get(storage, '/f'), 'file');
  },
  'makes one directory, and none above it': async (t, storage) => {
    await refuses(t, storage.mkdir('/a/b'), 'not-found');
    t.false(await exists(storage, '/a'));
  },
  'makes no directory below a file': async (t, storage) => {
    await put(storage, '/f', 'file');
    await refuses(t, storage.mkdir('/f/d'), 'not-found', 'not-a-directory');
  },
  'makes no file in a directory that is not there': async (t, storage) => {
    await refuses(t, storage.open('/absent/f', REPLACE), 'not-found');
    t.false(await exists(storage, '/absent'));
  },
  'opens no directory as a file': async (t, storage) => {
    await storage.mkdir('/d');
    await refuses(t, storage.open('/d', { read: true }), 'is-a-directory');
    await refuses(t, storage.open('/d', REPLACE), 'is-a-directory');
    await refuses(t, storage.open('/d', { ...REPLACE, exclusive: true }), 'already-exists', 'is-a-directory');
  },
  'lists what lies in a directory, and not what lies deeper or beside it': async (t, storage) => {
    await storage.mkdir('/a');
    await storage.mkdir('/a/b');
    await storage.mkdir('/ab');
    await put(storage, '/a/f', '1');
    await put(storage, '/a/b/g', '2');
    await put(storage, '/ab/h', '3');
    t.deepEqual(await namesIn(storage, '/'), ['a', 'ab']);
    t.deepEqual(await namesIn(storage, '/a'), ['b', 'f']);
    t.deepEqual(await namesIn(storage, '/a/b'), ['g']);
  },
  'lists 350 entries, each once': async (t, storage) => {
    await storage.mkdir('/many');
    const names = Array.from({ length: 350 }, (_, index) => `entry-${String(index).padStart(3, '0')}`);
    for (const name of names) await storage.mkdir(`/many/${name}`);
    t.deepEqual(await namesIn(storage, '/many'), names);
  },
  'lets a listing be left early': async (t, storage) => {
    for (let index = 0; index < 150; index++) await storage.mkdir(`/d-${index}`);
    for await (const batch of storage.list('/')) {
      t.true(batch.length > 0);
      break;
    }
    t.is((await listAll(storage, '/')).length, 150);
  },
  'keeps a file that lies ten directories deep': async (t, storage) => {
    let path = '';
    for (let depth = 0; depth < 10; depth++) {
      path += `/level ${depth}`;
      await storage.mkdir(path);
    }
    await put(storage, `${path}/deep.txt`, 'deep');
    t.is(await get(storage, `${path}/deep.txt`), 'deep');
  },
});

const removing = cases(['removeFile'], undefined, {
  'removes a file': async (t, storage) => {
    await put(storage, '/a', 'x');
    await storage.removeFile('/a');
    t.false(await exists(storage, '/a'));
    t.deepEqual(await namesIn(storage, '/'), []);
  },
  'removes no file that is not there': async (t, storage) => {
    await refuses(t, storage.removeFile('/absent'), 'not-found');
  },
  'removes one file of two with a common beginning': async (t, storage) => {
    await put(storage, '/a', '1');
    await put(storage, '/ab', '2');
    await storage.removeFile('/a');
    t.is(await get(storage, '/ab'), '2');
  },
  'takes a name again after its file was removed': async (t, storage) => {
    await put(storage, '/a', 'old');
    await storage.removeFile('/a');
    await put(storage, '/a', 'new', { write: true, create: true, exclusive: true });
    t.is(await get(storage, '/a'), 'new');
  },
  'closes a handle whose file was removed': async (t, storage) => {
    await put(storage, '/a', 'x');
    const handle = await storage.open('/a', { read: true });
    await storage.removeFile('/a');
    await t.notThrowsAsync(handle.close());
    t.false(await exists(storage, '/a'));
  },
});

const removingDirectories = cases(['mkdir', 'removeFile', 'removeDirectory'], undefined, {
  'does not remove a directory as a file': async (t, storage) => {
    await storage.mkdir('/d');
    await refuses(t, storage.removeFile('/d'), 'is-a-directory', 'permission-denied');
    t.true(await exists(storage, '/d'));
  },
  'removes an empty directory': async (t, storage) => {
    await storage.mkdir('/d');
    await storage.removeDirectory('/d');
    t.false(await exists(storage, '/d'));
  },
  'removes no directory that holds something': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/d/f', 'kept');
    await refuses(t, storage.removeDirectory('/d'), 'directory-not-empty');
    t.is(await get(storage, '/d/f'), 'kept');
  },
  'removes no directory that is not there': async (t, storage) => {
    await refuses(t, storage.removeDirectory('/absent'), 'not-found');
  },
  'does not remove a file as a directory': async (t, storage) => {
    await put(storage, '/f', 'kept');
    await refuses(t, storage.removeDirectory('/f'), 'not-a-directory', 'not-found');
    t.is(await get(storage, '/f'), 'kept');
  },
  'removes a directory once it is empty': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/d/f', 'x');
    await storage.removeFile('/d/f');
    await storage.removeDirectory('/d');
    t.deepEqual(await namesIn(storage, '/'), []);
  },
  'keeps its root': async (t, storage) => {
    await refuses(t, storage.removeDirectory('/'));
    t.is((await storage.stat('/')).type, 'directory');
  },
});

/** Cases about directories, and about what is removed. */
export const directoryCases = [...making, ...removing, ...removingDirectories];
