import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { StorageRepository } from '#core/db/storages.js';
import type { Mount } from '#core/db/users.js';
import { startHub } from '../../support/hub.js';
import { codeOf, get, names, put } from './support.js';

async function mounted(t: ExecutionContext, ...mounts: readonly Mount[]) {
  const hub = await startHub(t, {
    users: {
      alice: { mounts: [{ path: '/', storage: 'memory', directory: '/alice' }, ...mounts] },
      root: { mounts: [{ path: '/', storage: 'memory', directory: '/' }] },
    },
  });
  await hub.hub.get(StorageRepository).create({ name: 'other', kind: 'memory', options: { capacity: '1MiB' } });
  return { hub, alice: await hub.files('alice'), root: await hub.files('root') };
}

const other: Mount = { path: '/in/other', storage: 'other', directory: '/' };

test('the longest mount that holds a path decides, by whole names', async t => {
  const { alice, root } = await mounted(t, { path: '/a', storage: 'memory', directory: '/one' }, other);
  await root.mkdir('/one');
  await put(alice, '/a/f', 'one');
  await alice.mkdir('/ab');
  await put(alice, '/ab/f', 'home');
  t.deepEqual(await names(root, '/one'), ['f']);
  t.is(await get(root, '/alice/ab/f'), 'home');
  await put(alice, '/in/other/f', 'other');
  t.is((await alice.stat('/in/other/f')).size, 5);
  t.is(await codeOf(root.stat('/in')), 'not-found');
});

test('mounts are seen where they lie, with the directories that lead to them, and hide what is below', async t => {
  const { alice, root } = await mounted(t, other, { path: '/x', storage: 'memory', directory: '/shared' });
  await root.mkdir('/shared');
  await root.mkdir('/alice/x');
  await put(root, '/alice/x/covered', 'x');
  await put(alice, '/f', 'x');
  t.deepEqual(await names(alice, '/'), ['f', 'in', 'x']);
  t.deepEqual(await names(alice, '/in'), ['other']);
  t.deepEqual(await names(alice, '/x'), []);
  for (const path of ['/', '/in', '/in/other', '/x']) t.is((await alice.stat(path)).type, 'directory', path);
  t.is((await alice.lstat('/in')).name, 'in');
});

test('a mount point, and what leads to it, can be neither removed, moved, replaced nor overwritten', async t => {
  const { alice } = await mounted(t, other);
  await alice.mkdir('/d');
  await put(alice, '/f', 'x');
  for (const path of ['/', '/in', '/in/other']) {
    t.is(await codeOf(alice.removeDirectory(path)), 'permission-denied', path);
    t.is(await codeOf(alice.rename(path, '/n')), 'permission-denied', path);
    for (const options of [{}, { overwrite: true }])
      t.true(['permission-denied', 'invalid-request'].includes(await codeOf(alice.rename('/d', path, options))), path);
    t.is(await codeOf(alice.rename('/f', path, { overwrite: true })), 'permission-denied', path);
    t.is(await codeOf(put(alice, path, 'x')), 'is-a-directory', path);
    t.true(['is-a-directory', 'permission-denied'].includes(await codeOf(alice.copy('/f', path, { overwrite: true }))), path);
    t.is(await codeOf(alice.link('/f', path)), 'permission-denied', path);
    t.is(await codeOf(alice.symlink('/f', path)), 'permission-denied', path);
    t.is(await codeOf(alice.removeFile(path)), 'is-a-directory', path);
  }
  await put(alice, '/in/other/f', 'still there');
});

test('no file takes the place of a mount whose directory is gone', async t => {
  const { alice, root } = await mounted(t, { path: '/gone', storage: 'memory', directory: '/missing' });
  await put(alice, '/f', 'x');
  t.is(await codeOf(put(alice, '/gone', 'x')), 'is-a-directory');
  t.is(await codeOf(alice.copy('/f', '/gone')), 'permission-denied');
  t.is(await codeOf(alice.rename('/f', '/gone')), 'permission-denied');
  t.is(await codeOf(root.stat('/missing')), 'not-found');
  await alice.mkdir('/gone');
  await put(alice, '/gone/f', 'x');
  t.is(await get(root, '/missing/f'), 'x');
});

test('files are moved within a storage, and only copied between two', async t => {
  const { hub, alice } = await mounted(t, other);
  await put(alice, '/f', 'content');
  await alice.mkdir('/d');
  t.is(await codeOf(alice.rename('/f', '/in/other/f')), 'unsupported');
  t.is(await codeOf(alice.rename('/d', '/in/other/d')), 'unsupported');
  t.is(await codeOf(alice.link('/f', '/in/other/f')), 'unsupported');
  t.is(await codeOf(alice.symlink('/f', '/in/other/f')), 'permission-denied');
  await alice.copy('/f', '/in/other/f');
  t.is(await get(alice, '/in/other/f'), 'content');
  const event = await hub.event('file.copied');
  t.like(event.data, { path: '/f', target: '/in/other/f', storage: 'memory', storagePath: '/alice/f' });
  t.is(await codeOf(alice.copy('/f', '/in/other/f')), 'already-exists');
  await put(alice, '/f', 'newer');
  await alice.copy('/f', '/in/other/f', { overwrite: true });
  t.is(await get(alice, '/in/other/f'), 'newer');
});

test('two mounts of one storage share it', async t => {
  const { alice, root } = await mounted(
    t,
    { path: '/team', storage: 'memory', directory: '/team' },
    { path: '/part', storage: 'memory', directory: '/team/part' },
  );
  await root.mkdir('/team');
  await root.mkdir('/team/part');
  await put(alice, '/team/part/f', 'x');
  t.is(await get(alice, '/part/f'), 'x');
  await alice.rename('/part/f', '/team/g');
  t.is(await get(root, '/team/g'), 'x');
  await alice.link('/team/g', '/part/g');
  t.is(await get(root, '/team/part/g'), 'x');
});

test('the way up from a mount leads to the directory above it, never out of its storage', async t => {
  const { alice, root } = await mounted(t, { path: '/m', storage: 'memory', directory: '/deep/er' });
  await root.mkdir('/deep');
  await root.mkdir('/deep/er');
  await put(root, '/deep/secret', 'x');
  await put(root, '/top', 'x');
  for (const path of ['/m/../secret', '/m/../../deep/secret', '/../../deep/secret', '../top', '/m/../../top'])
    t.is(await codeOf(alice.stat(path)), 'not-found', path);
});

test('a hidden mount is in no listing', async t => {
  const hub = await startHub(t, {
    users: {
      alice: {
        mounts: [
          { path: '/', storage: 'memory', directory: '/' },
          { path: '/dark', storage: 'memory', directory: '/dark' },
        ],
        patterns: [{ path: '/', allow: [], deny: ['dark'], hidden: true }],
      },
    },
  });
  const alice = await hub.files('alice');
  t.deepEqual(await names(alice, '/'), []);
  t.is(await codeOf(alice.stat('/dark')), 'not-found');
});

test('a storage that is gone is told of by its name, and the others work', async t => {
  const { alice } = await mounted(t, { path: '/lost', storage: 'lost', directory: '/' });
  await t.throwsAsync(alice.stat('/lost/f'), { code: 'not-found', message: "There is no storage 'lost'" });
  await put(alice, '/f', 'x');
  t.deepEqual(await names(alice, '/'), ['f', 'lost']);
});

test('a user without a home sees the mounts, and can keep nothing beside them', async t => {
  const hub = await startHub(t, { users: { alice: { mounts: [{ path: '/in', storage: 'memory', directory: '/inbox' }] } } });
  const files = await hub.files('alice');
  const names: string[] = [];
  for await (const batch of files.list('/')) names.push(...batch.map(({ name }) => name));
  t.deepEqual(names, ['in']);
  t.is((await files.stat('/')).type, 'directory');
  await t.throwsAsync(files.open('/x', { write: true, create: true, truncate: true }), { code: 'permission-denied' });
  await t.throwsAsync(files.stat('/x'), { code: 'not-found' });
});
