import { bytes, cases, exists, get, namesIn, put, REPLACE, refuses } from './storage-case.js';

const renaming = cases(['rename'], undefined, {
  'gives a file another name': async (t, storage) => {
    await put(storage, '/a', 'moved');
    await storage.rename('/a', '/b', { replace: true });
    t.is(await get(storage, '/b'), 'moved');
    t.deepEqual(await namesIn(storage, '/'), ['b']);
  },
  'puts a file in the place of another when told to replace': async (t, storage) => {
    await put(storage, '/a', 'new');
    await put(storage, '/b', 'old');
    await storage.rename('/a', '/b', { replace: true });
    t.is(await get(storage, '/b'), 'new');
    t.false(await exists(storage, '/a'));
  },
  'replaces nothing when told not to': async (t, storage) => {
    await put(storage, '/a', 'one');
    await put(storage, '/b', 'two');
    await refuses(t, storage.rename('/a', '/b', { replace: false }), 'already-exists');
    t.is(await get(storage, '/a'), 'one');
    t.is(await get(storage, '/b'), 'two');
  },
  'takes a free name when told not to replace': async (t, storage) => {
    await put(storage, '/a', 'moved');
    await storage.rename('/a', '/b', { replace: false });
    t.is(await get(storage, '/b'), 'moved');
    t.deepEqual(await namesIn(storage, '/'), ['b']);
  },
  'lets one of ten have a name that none may replace': async (t, storage) => {
    const names = Array.from({ length: 10 }, (_, index) => `/from-${index}`);
    for (const name of names) await put(storage, name, name);
    const done = await Promise.allSettled(names.map(name => storage.rename(name, '/to', { replace: false })));
    const winners = names.filter((_, index) => done[index]?.status === 'fulfilled');
    t.is(winners.length, 1);
    t.is(await get(storage, '/to'), winners[0]!);
    t.is((await namesIn(storage, '/')).length, 10);
  },
  'renames nothing that is not there': async (t, storage) => {
    await put(storage, '/b', 'kept');
    await refuses(t, storage.rename('/absent', '/b', { replace: true }), 'not-found');
    await refuses(t, storage.rename('/absent', '/c', { replace: false }), 'not-found');
    t.is(await get(storage, '/b'), 'kept');
  },
  'keeps a file that is renamed to itself': async (t, storage) => {
    await put(storage, '/a', 'kept');
    await storage.rename('/a', '/a', { replace: true });
    t.is(await get(storage, '/a'), 'kept');
  },
  'shows the whole old file or the whole new one while it is replaced': async (t, storage) => {
    const [old, fresh] = ['o'.repeat(50_000), 'n'.repeat(50_000)];
    await put(storage, '/a', old);
    let replacing = true;
    const replace = async (): Promise<void> => {
      for (let round = 0; round < 10; round++) {
        await put(storage, '/next', round % 2 === 0 ? fresh : old);
        await storage.rename('/next', '/a', { replace: true });
      }
      replacing = false;
    };
    const read = async (): Promise<void> => {
      while (replacing) {
        const seen = await get(storage, '/a');
        t.true(seen === old || seen === fresh);
      }
    };
    await Promise.all([replace(), read()]);
  },
  'lets a reader finish with the file that it opened': async (t, storage) => {
    await put(storage, '/a', 'old content');
    await put(storage, '/b', 'new content');
    const handle = await storage.open('/a', { read: true });
    await storage.rename('/b', '/a', { replace: true });
    const target = new Uint8Array(11);
    t.is(await handle.read(target, 0), 11);
    t.is(new TextDecoder().decode(target), 'old content');
    await handle.close();
  },
});

const directories = cases(['rename', 'mkdir'], undefined, {
  'moves a file into another directory': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/a', 'moved');
    await storage.rename('/a', '/d/b', { replace: true });
    t.is(await get(storage, '/d/b'), 'moved');
    t.deepEqual(await namesIn(storage, '/'), ['d']);
  },
  'moves a directory with what it holds': async (t, storage) => {
    await storage.mkdir('/d');
    await storage.mkdir('/d/e');
    await put(storage, '/d/e/f', 'deep');
    await storage.rename('/d', '/moved', { replace: false });
    t.is(await get(storage, '/moved/e/f'), 'deep');
    t.false(await exists(storage, '/d'));
  },
  'moves nothing into a directory that is not there': async (t, storage) => {
    await put(storage, '/a', 'kept');
    await refuses(t, storage.rename('/a', '/absent/a', { replace: true }), 'not-found');
    await refuses(t, storage.rename('/a', '/absent/a', { replace: false }), 'not-found');
    t.is(await get(storage, '/a'), 'kept');
  },
  'does not move a directory into itself': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/d/f', 'kept');
    await refuses(t, storage.rename('/d', '/d/e', { replace: false }), 'invalid-request', 'conflict');
    t.is(await get(storage, '/d/f'), 'kept');
  },
  'puts no file in the place of a directory': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/d/f', 'kept');
    await put(storage, '/a', 'file');
    await refuses(t, storage.rename('/a', '/d', { replace: true }), 'is-a-directory', 'already-exists', 'directory-not-empty');
    await refuses(t, storage.rename('/a', '/d', { replace: false }), 'already-exists');
    t.is(await get(storage, '/d/f'), 'kept');
    t.is(await get(storage, '/a'), 'file');
  },
  'puts no directory in the place of a file': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/a', 'kept');
    await refuses(t, storage.rename('/d', '/a', { replace: true }), 'not-a-directory', 'already-exists');
    await refuses(t, storage.rename('/d', '/a', { replace: false }), 'already-exists');
    t.is(await get(storage, '/a'), 'kept');
  },
  'puts no directory in the place of one that holds something': async (t, storage) => {
    await storage.mkdir('/d');
    await storage.mkdir('/e');
    await put(storage, '/e/f', 'kept');
    await refuses(t, storage.rename('/d', '/e', { replace: true }), 'directory-not-empty', 'already-exists');
    await refuses(t, storage.rename('/d', '/e', { replace: false }), 'already-exists');
    t.is(await get(storage, '/e/f'), 'kept');
  },
});

const staging = cases(['rename', 'mkdir', 'stagingFolder', 'stagingFolders'], undefined, {
  'keeps an unfinished upload where a rename brings it in place': async (t, storage) => {
    await storage.mkdir('/d');
    const folder = await storage.stagingFolder('/d/f');
    t.true((await storage.stagingFolders()).includes(folder));
    await put(storage, `${folder}/upload`, 'staged', { ...REPLACE, exclusive: true });
    t.deepEqual(await namesIn(storage, '/d'), []);
    await storage.rename(`${folder}/upload`, '/d/f', { replace: true });
    t.is(await get(storage, '/d/f'), 'staged');
    t.deepEqual(await namesIn(storage, folder), []);
  },
  'gives a staging folder for a file that is not there yet, twice the same': async (t, storage) => {
    t.is(await storage.stagingFolder('/a'), await storage.stagingFolder('/b'));
    t.is((await storage.stat(await storage.stagingFolder('/a'))).type, 'directory');
  },
});

const uploads = cases(['stage', 'stagingFolders', 'mkdir'], undefined, {
  'shows a file that was begun once it is published, and not before': async (t, storage) => {
    await storage.mkdir('/d');
    const file = await storage.stage('/d/f', '.entrepot-test');
    await file.write(bytes('staged'), 0);
    t.is(file.existing, undefined);
    t.false(await exists(storage, '/d/f'));
    t.deepEqual(await namesIn(storage, '/d'), []);
    t.is(await file.publish({ replace: false }), undefined);
    t.is(await get(storage, '/d/f'), 'staged');
    t.false(await exists(storage, file.temporary));
  },
  'keeps a file that was begun in a staging folder, under the name that it tells': async (t, storage) => {
    const file = await storage.stage('/f', '.entrepot-test');
    const folder = file.temporary.slice(0, file.temporary.lastIndexOf('/'));
    t.true((await storage.stagingFolders()).includes(folder));
    t.true(file.temporary.startsWith(`${folder}/.entrepot-test`));
    t.true(await exists(storage, file.temporary));
    await file.abort();
    t.false(await exists(storage, file.temporary));
    t.false(await exists(storage, '/f'));
  },
  'keeps the old file whole until the new one is published, flushed or not': async (t, storage) => {
    for (const flush of [false, true]) {
      await put(storage, '/f', 'old content');
      const before = await storage.stat('/f');
      const file = await storage.stage('/f', '.entrepot-test');
      t.deepEqual(file.existing, before);
      await file.write(bytes('new'), 0);
      if (flush) await file.sync?.();
      t.is(await get(storage, '/f'), 'old content');
      t.is(await file.publish({ replace: true }), undefined);
      t.is(await get(storage, '/f'), 'new');
    }
  },
  'publishes over nothing when told not to replace': async (t, storage) => {
    const file = await storage.stage('/f', '.entrepot-test');
    await file.write(bytes('late'), 0);
    await put(storage, '/f', 'first');
    await refuses(t, file.publish({ replace: false }), 'already-exists');
    await file.abort();
    t.is(await get(storage, '/f'), 'first');
    t.false(await exists(storage, file.temporary));
  },
  'begins nothing in a directory that is not there, and leaves nothing behind': async (t, storage) => {
    await refuses(t, storage.stage('/absent/f', '.entrepot-test'), 'not-found');
    for (const folder of await storage.stagingFolders()) {
      if (await exists(storage, folder)) t.deepEqual(await namesIn(storage, folder), []);
    }
    t.false(await exists(storage, '/absent'));
  },
  'begins many files of one directory at once': async (t, storage) => {
    await storage.mkdir('/d');
    const names = Array.from({ length: 30 }, (_, index) => `/d/file-${index}`);
    await Promise.all(
      names.map(async name => {
        const file = await storage.stage(name, '.entrepot-test');
        await file.write(bytes(name), 0);
        await file.publish({ replace: true });
      }),
    );
    t.deepEqual(await Promise.all(names.map(name => get(storage, name))), names);
  },
});

const resumed = cases(['stage', 'restage', 'mkdir'], undefined, {
  'goes on with a file that was begun and left': async (t, storage) => {
    await storage.mkdir('/d');
    const begun = await storage.stage('/d/f', '.entrepot-test');
    await begun.write(bytes('first, and more'), 0);
    await begun.close();
    const file = await storage.restage('/d/f', begun.temporary);
    t.is(file.temporary, begun.temporary);
    t.is(file.existing, undefined);
    t.is((await file.stat()).size, 15);
    await file.truncate?.(5);
    await file.write(bytes(' second  '), 5);
    t.deepEqual(await namesIn(storage, '/d'), []);
    await file.sync?.();
    t.is(await file.publish({ replace: false }), undefined);
    t.is(await get(storage, '/d/f'), file.truncate ? 'first second  ' : 'first second  e');
    t.false(await exists(storage, begun.temporary));
  },
  'leaves a file that was begun more than once, and gives it up': async (t, storage) => {
    const begun = await storage.stage('/f', '.entrepot-test');
    await begun.write(bytes('kept'), 0);
    await begun.close();
    await (await storage.restage('/f', begun.temporary)).close();
    t.true(await exists(storage, begun.temporary));
    await put(storage, '/f', 'in the way');
    const file = await storage.restage('/f', begun.temporary);
    t.is(file.existing?.size, 10);
    await refuses(t, file.publish({ replace: false }), 'already-exists');
    await file.abort();
    t.false(await exists(storage, begun.temporary));
    t.is(await get(storage, '/f'), 'in the way');
  },
  'goes on with nothing that is gone, nor where the directory is': async (t, storage) => {
    await storage.mkdir('/d');
    const begun = await storage.stage('/d/f', '.entrepot-test');
    await begun.close();
    await storage.removeDirectory?.('/d');
    if (storage.removeDirectory) await refuses(t, storage.restage('/d/f', begun.temporary), 'not-found');
    t.true(await exists(storage, begun.temporary));
    await storage.removeFile?.(begun.temporary);
    if (storage.removeFile) await refuses(t, storage.restage('/f', begun.temporary), 'not-found');
  },
});

const durable = cases(['syncDirectory', 'mkdir'], undefined, {
  'makes a directory survive a power cut': async (t, storage) => {
    await storage.mkdir('/d');
    await t.notThrowsAsync(storage.syncDirectory('/d'));
    await t.notThrowsAsync(storage.syncDirectory('/'));
    await refuses(t, storage.syncDirectory('/absent'), 'not-found');
  },
});

/** Cases about rename, and what is built on it. */
export const renamingCases = [...renaming, ...directories, ...staging, ...uploads, ...resumed, ...durable];
