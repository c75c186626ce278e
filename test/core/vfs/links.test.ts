import 'reflect-metadata';
import { mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { StorageRepository } from '#core/db/storages.js';
import { startHub } from '../../support/hub.js';
import { codeOf, get, names, put } from './support.js';

/** A local storage whose folder /alice is alice's home, beside /bob, with links planted on the disk. */
async function linked(t: ExecutionContext, links: 'never' | 'inside') {
  const mounts = [{ path: '/', storage: 'linked', directory: '/alice' }];
  const permissions = { '/': ['*' as const], '/closed': ['list' as const], '/blind': [] };
  const hub = await startHub(t, { users: { alice: { mounts, permissions } } });
  const root = join(hub.dataDirectory, 'files/linked');
  for (const folder of ['alice/real', 'alice/closed', 'alice/blind', 'bob']) await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(hub.dataDirectory, 'files/outside'), 'outside');
  for (const file of ['bob/f', 'alice/real/f', 'alice/closed/f', 'alice/blind/f', 'alice/target']) await writeFile(join(root, file), file);
  await hub.hub.get(StorageRepository).create({ name: 'linked', kind: 'local', options: { root, links } });
  const plant = (target: string, name: string) => symlink(target, join(root, 'alice', name));
  await plant('target', 'to-file');
  await plant('to-file', 'chain');
  await plant('real', 'to-directory');
  await plant('nothing', 'dangling');
  await plant('loop-b', 'loop-a');
  await plant('loop-a', 'loop-b');
  await plant('../bob', 'to-bob');
  await plant('../bob/f', 'to-bobs-file');
  await plant('../../outside', 'out');
  await plant('/etc/passwd', 'absolute');
  await plant('..', 'up');
  await plant('closed', 'to-closed');
  await plant('closed/f', 'to-closed-file');
  await plant('blind/f', 'to-blind-file');
  await plant('.entrepot', 'to-staging');
  return { hub, root, alice: await hub.files('alice') };
}

type Files = Awaited<ReturnType<typeof linked>>['alice'];

const FOLLOWING: Readonly<Record<string, (files: Files, path: string) => Promise<unknown>>> = {
  stat: (files, path) => files.stat(path),
  read: (files, path) => files.open(path, { read: true }),
  write: (files, path) => put(files, path, 'overwritten'),
  list: (files, path) => names(files, path),
  copy: (files, path) => files.copy(path, '/copied'),
  checksum: (files, path) => files.checksum(path, 'md5'),
  chmod: (files, path) => files.setAttributes(path, { mode: 0o600 }),
};

const OUTSIDE = ['/to-bob', '/to-bobs-file', '/to-bob/f', '/out', '/absolute', '/up', '/up/bob/f', '/to-staging', '/to-staging/x'];
const NOWHERE = ['/dangling', '/loop-a', '/loop-a/f', '/dangling/f'];

for (const links of ['never', 'inside'] as const) {
  test(`with links: ${links}, what lies outside, and what leads nowhere, is not there for any verb`, async t => {
    const { alice, hub } = await linked(t, links);
    for (const path of [...OUTSIDE, ...NOWHERE]) {
      for (const [verb, act] of Object.entries(FOLLOWING)) {
        // Where links are followed, writing through one makes what it names, as on any disk.
        if (verb === 'write' && path === '/dangling' && links === 'inside') continue;
        t.is(await codeOf(act(alice, path)), 'not-found', `${verb} ${path}`);
      }
    }
    for (const path of ['/to-bob/f', '/up/bob/f'])
      for (const act of [
        () => alice.removeFile(path),
        () => alice.rename(path, '/n'),
        () => alice.rename('/target', path),
        () => alice.lstat(path),
      ])
        t.is(await codeOf(act()), 'not-found', `${act} ${path}`);
    t.is(await codeOf(alice.mkdir('/up/bob/new')), 'not-found');
    const types = hub.events.map(({ type }) => type).filter(type => !type.startsWith('login') && !type.startsWith('session'));
    t.deepEqual(types, []);
  });

  test(`with links: ${links}, a link can be listed, described, read if it stays inside, and removed`, async t => {
    const { alice, root } = await linked(t, links);
    const listed = await names(alice, '/');
    for (const name of ['to-file', 'to-bob', 'dangling', 'loop-a', 'out']) t.true(listed.includes(name), name);
    t.is((await alice.lstat('/to-bob')).type, 'symlink');
    t.is(await alice.readlink('/to-file'), 'target');
    for (const path of ['/to-bob', '/out', '/absolute', '/up', '/to-staging']) t.is(await codeOf(alice.readlink(path)), 'not-found', path);
    t.is(await codeOf(alice.readlink('/target')), 'invalid-request');
    await alice.removeFile('/to-bob');
    await alice.removeFile('/dangling');
    t.is(await codeOf(alice.lstat('/to-bob')), 'not-found');
    t.is(await readlink(join(root, 'alice/out')), '../../outside');
  });

  test(`with links: ${links}, a link is made only to what the mount shows`, async t => {
    const { alice, root } = await linked(t, links);
    await alice.symlink('/real/f', '/made');
    await alice.symlink('f', '/real/made');
    await alice.symlink('../../../../etc/passwd', '/climbing');
    t.is(await alice.readlink('/climbing').catch(() => 'refused'), 'etc/passwd');
    t.is(await readlink(join(root, 'alice/climbing')), 'etc/passwd');
    t.is(await codeOf(alice.symlink('/.entrepot/x', '/n')), 'permission-denied');
    t.is(await codeOf(alice.symlink('/real', '/target')), 'already-exists');
    t.is(await codeOf(alice.symlink('/blind/f', '/n')), 'permission-denied');
    t.is(await codeOf(alice.symlink('/target', '/closed/n')), 'permission-denied');
    t.is(await codeOf(alice.symlink('/a\0b', '/n')), 'invalid-request');
    t.is(await codeOf(alice.stat('/made')), links === 'never' ? 'not-found' : 'done');
  });
}

test('with links: never, no verb goes through one', async t => {
  const { alice } = await linked(t, 'never');
  for (const path of ['/to-file', '/chain', '/to-directory', '/to-directory/f']) {
    for (const [verb, act] of Object.entries(FOLLOWING)) t.is(await codeOf(act(alice, path)), 'not-found', `${verb} ${path}`);
  }
  t.is(await codeOf(alice.rename('/to-directory/f', '/n')), 'not-found');
});

test('with links: inside, those that stay inside lead to what they name', async t => {
  const { alice, hub } = await linked(t, 'inside');
  t.is(await get(alice, '/chain'), 'alice/target');
  t.deepEqual(await names(alice, '/to-directory'), ['f']);
  t.is((await alice.stat('/to-directory')).type, 'directory');
  await put(alice, '/to-directory/new', 'x');
  t.is(await get(alice, '/real/new'), 'x');
  const event = await hub.event('upload.completed', ({ data }) => data.path.endsWith('new'));
  t.like(event.data, { path: '/real/new', storagePath: '/alice/real/new' });
  await put(alice, '/chain', 'replaced');
  t.is(await get(alice, '/target'), 'replaced');
  t.is((await alice.lstat('/chain')).type, 'symlink');
});

test('with links: inside, the rules of both ends hold', async t => {
  const { alice } = await linked(t, 'inside');
  t.is(await codeOf(alice.open('/to-closed-file', { read: true })), 'permission-denied');
  t.is(await codeOf(alice.open('/to-closed/f', { read: true })), 'permission-denied');
  t.is(await codeOf(put(alice, '/to-closed/new', 'x')), 'permission-denied');
  t.is(await codeOf(alice.removeFile('/to-closed/f')), 'permission-denied');
  t.is(await codeOf(alice.rename('/target', '/to-closed/n')), 'permission-denied');
  t.is(await codeOf(alice.checksum('/to-closed-file', 'md5')), 'permission-denied');
  t.is(await codeOf(alice.setAttributes('/to-closed-file', { mode: 0o777 })), 'permission-denied');
  t.is(await codeOf(alice.stat('/to-blind-file')), 'permission-denied');
  t.deepEqual(await names(alice, '/to-closed'), ['f']);
  t.is((await alice.stat('/to-closed-file')).size, 14);
});
