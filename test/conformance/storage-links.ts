import { cases, exists, get, listAll, put, REPLACE, refuses } from './storage-case.js';

const symlinks = cases(['symlink', 'readlink', 'lstat', 'removeFile'], undefined, {
  'makes a link and says where it leads': async (t, storage) => {
    await put(storage, '/target', 'content');
    await storage.symlink('target', '/link');
    t.like(await storage.lstat('/link'), { name: 'link', type: 'symlink' });
    t.is(await storage.readlink('/link'), 'target');
  },
  'lists a link as one': async (t, storage) => {
    await put(storage, '/target', 'content');
    await storage.symlink('target', '/link');
    t.is((await listAll(storage, '/')).find(info => info.name === 'link')?.type, 'symlink');
  },
  'follows a link where it follows any; elsewhere it is not found': async (t, storage) => {
    await put(storage, '/target', 'content');
    await storage.symlink('target', '/link');
    if (storage.realPath) {
      t.is((await storage.stat('/link')).type, 'file');
      t.is(await get(storage, '/link'), 'content');
    } else {
      await refuses(t, storage.stat('/link'), 'not-found');
      await refuses(t, storage.open('/link', { read: true }), 'not-found');
    }
  },
  'removes the link and not where it leads': async (t, storage) => {
    await put(storage, '/target', 'content');
    await storage.symlink('target', '/link');
    await storage.removeFile('/link');
    t.false(await exists(storage, '/link'));
    t.is(await get(storage, '/target'), 'content');
  },
  'makes no link where something is': async (t, storage) => {
    await put(storage, '/a', 'kept');
    await refuses(t, storage.symlink('b', '/a'), 'already-exists');
    t.is(await get(storage, '/a'), 'kept');
  },
  'finds nothing through a link that leads nowhere or to itself': async (t, storage) => {
    await storage.symlink('absent', '/nowhere');
    await storage.symlink('loop', '/loop');
    for (const path of ['/nowhere', '/loop', '/loop/below']) await refuses(t, storage.stat(path), 'not-found');
  },
  'says of a file that it is no link': async (t, storage) => {
    await put(storage, '/a', 'x');
    await refuses(t, storage.readlink('/a'));
    await refuses(t, storage.readlink('/absent'), 'not-found');
  },
  'describes itself by lstat as by stat where there is no link': async (t, storage) => {
    await put(storage, '/a', 'x');
    t.deepEqual(await storage.lstat('/a'), await storage.stat('/a'));
    await refuses(t, storage.lstat('/absent'), 'not-found');
  },
  'does not change what a link that it does not follow leads to': async (t, storage) => {
    if (storage.realPath) return t.pass();
    await put(storage, '/target', 'content');
    await storage.symlink('target', '/link');
    await refuses(t, storage.open('/link', REPLACE), 'not-found');
    if (storage.setAttributes) await refuses(t, storage.setAttributes('/link', { size: 0 }), 'not-found');
    t.is(await get(storage, '/target'), 'content');
  },
});

const followed = cases(['symlink', 'realPath', 'mkdir'], undefined, {
  'gives the path without links': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/d/f', 'content');
    await storage.symlink('d', '/link');
    t.is(await storage.realPath('/link/f'), '/d/f');
    t.is(await storage.realPath('/d/f'), '/d/f');
    t.is(await get(storage, '/link/f'), 'content');
  },
});

const names = cases(['link', 'removeFile'], undefined, {
  'gives a file a second name': async (t, storage) => {
    await put(storage, '/a', 'content');
    await storage.link('/a', '/b');
    t.is(await get(storage, '/b'), 'content');
    await storage.removeFile('/a');
    t.is(await get(storage, '/b'), 'content');
  },
  'gives no second name that is taken, nor one to what is not there': async (t, storage) => {
    await put(storage, '/a', 'one');
    await put(storage, '/b', 'two');
    await refuses(t, storage.link('/a', '/b'), 'already-exists');
    await refuses(t, storage.link('/absent', '/c'), 'not-found');
    t.is(await get(storage, '/b'), 'two');
  },
});

/** Cases about links, symbolic and hard. */
export const linkCases = [...symlinks, ...followed, ...names];
