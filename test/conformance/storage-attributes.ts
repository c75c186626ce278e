import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cases, exists, get, put, refuses } from './storage-case.js';

const MINUTE_MS = 60_000;
const THEN = 1_600_000_000_000;

const attributes = cases(['setAttributes'], undefined, {
  'dates a file as told': async (t, storage) => {
    await put(storage, '/a', 'x');
    await storage.setAttributes('/a', { mtime: THEN, atime: THEN + MINUTE_MS });
    t.is((await storage.stat('/a')).mtime, THEN);
  },
  'changes one time and keeps the other': async (t, storage) => {
    await put(storage, '/a', 'x');
    await storage.setAttributes('/a', { mtime: THEN, atime: THEN });
    await storage.setAttributes('/a', { atime: THEN + MINUTE_MS });
    const { mtime, atime } = await storage.stat('/a');
    t.is(mtime, THEN);
    if (atime !== undefined) t.is(atime, THEN + MINUTE_MS);
  },
  'sets permission bits where it has them': async (t, storage) => {
    await put(storage, '/a', 'x');
    if ((await storage.stat('/a')).mode === undefined) return t.pass();
    await storage.setAttributes('/a', { mode: 0o600 });
    t.is(((await storage.stat('/a')).mode ?? 0) & 0o777, 0o600);
  },
  'cuts a file and extends it with zeros': async (t, storage) => {
    await put(storage, '/a', '0123456789');
    await storage.setAttributes('/a', { size: 4 });
    t.is(await get(storage, '/a'), '0123');
    await storage.setAttributes('/a', { size: 6 });
    t.is(await get(storage, '/a'), '0123\0\0');
  },
  'changes nothing when nothing is given': async (t, storage) => {
    await put(storage, '/a', 'x');
    const before = await storage.stat('/a');
    await storage.setAttributes('/a', {});
    t.deepEqual(await storage.stat('/a'), before);
  },
  'changes no attributes of what is not there': async (t, storage) => {
    await refuses(t, storage.setAttributes('/absent', { mtime: THEN }), 'not-found');
    await refuses(t, storage.setAttributes('/absent', { size: 1 }), 'not-found');
    t.false(await exists(storage, '/absent'));
  },
  'dates an open file as told': async (t, storage) => {
    const handle = await storage.open('/a', { write: true, create: true });
    await handle.write(new Uint8Array([1]), 0);
    if (handle.setAttributes) await handle.setAttributes({ mtime: THEN });
    await handle.close();
    if (handle.setAttributes) t.is((await storage.stat('/a')).mtime, THEN);
    t.is((await storage.stat('/a')).size, 1);
  },
});

const directoryAttributes = cases(['setAttributes', 'mkdir'], undefined, {
  'dates a directory as told, and gives it no size': async (t, storage) => {
    await storage.mkdir('/d');
    await storage.setAttributes('/d', { mtime: THEN });
    t.is((await storage.stat('/d')).mtime, THEN);
    await refuses(t, storage.setAttributes('/d', { size: 0 }), 'is-a-directory');
  },
});

const copying = cases(['copy'], undefined, {
  'copies a file': async (t, storage) => {
    await put(storage, '/a', 'content');
    await storage.copy('/a', '/b');
    t.is(await get(storage, '/b'), 'content');
    await put(storage, '/b', 'changed');
    t.is(await get(storage, '/a'), 'content');
  },
  'copies over a longer file': async (t, storage) => {
    await put(storage, '/a', 'short');
    await put(storage, '/b', 'a longer content');
    await storage.copy('/a', '/b');
    t.is(await get(storage, '/b'), 'short');
  },
  'copies nothing that is not there': async (t, storage) => {
    await put(storage, '/b', 'kept');
    await refuses(t, storage.copy('/absent', '/b'), 'not-found');
    t.is(await get(storage, '/b'), 'kept');
  },
  'keeps a file that is copied onto itself': async (t, storage) => {
    await put(storage, '/a', 'kept');
    await storage.copy('/a', '/a').catch(() => undefined);
    t.is(await get(storage, '/a'), 'kept');
  },
});

const copyingDirectories = cases(['copy', 'mkdir'], undefined, {
  'copies no directory, and nothing over one': async (t, storage) => {
    await storage.mkdir('/d');
    await put(storage, '/a', 'kept');
    await refuses(t, storage.copy('/d', '/e'), 'is-a-directory', 'unsupported');
    await refuses(t, storage.copy('/a', '/d'), 'is-a-directory', 'already-exists');
    t.false(await exists(storage, '/e'));
    t.is((await storage.stat('/d')).type, 'directory');
  },
});

const facts = [
  ...cases(['space'], undefined, {
    'knows how much space there is': async (t, storage) => {
      const { total, free } = await storage.space();
      t.true(total > 0 && free >= 0 && free <= total);
    },
  }),
  ...cases(['checksum'], undefined, {
    'gives the digest of the content, or none': async (t, storage) => {
      await put(storage, '/a', 'content');
      const digest = await storage.checksum('/a', 'sha256');
      t.true(digest === undefined || digest === createHash('sha256').update('content').digest('hex'));
    },
  }),
  ...cases(['localPath'], undefined, {
    'tells programs where the file is on this disk': async (t, storage) => {
      await put(storage, '/a', 'content');
      t.is(await readFile(storage.localPath('/a'), 'utf8'), 'content');
    },
  }),
];

/** Cases about attributes, copies and facts. */
export const attributeCases = [...attributes, ...directoryAttributes, ...copying, ...copyingDirectories, ...facts];
