import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { get, listAll, put, REPLACE, refuses } from '../conformance/storage-case.js';
import { type LocalFixture, localStorage } from './local-storage.js';

/** A storage in which others have planted links: out of the root, to a directory outside, dangling, and within. */
async function planted(t: ExecutionContext, links: 'never' | 'inside'): Promise<LocalFixture> {
  const fixture = await localStorage(t, { links });
  const { root, outside } = fixture;
  await writeFile(join(outside, 'secret'), 'secret');
  await mkdir(join(outside, 'directory'));
  await writeFile(join(root, 'plain'), 'plain');
  await mkdir(join(root, 'd'));
  await writeFile(join(root, 'd', 'f'), 'inside');
  await symlink(join(outside, 'secret'), join(root, 'to-file'));
  await symlink('../outside', join(root, 'to-directory'));
  await symlink(join(outside, 'not-yet'), join(root, 'dangling'));
  await symlink('d/f', join(root, 'within'));
  await symlink(join(root, 'd'), join(root, 'within-absolute'));
  return fixture;
}

for (const links of ['never', 'inside'] as const) {
  test(`reads nothing through a link that leads out (links: ${links})`, async t => {
    const { storage } = await planted(t, links);
    await refuses(t, storage.open('/to-file', { read: true }), 'not-found');
    await refuses(t, storage.open('/to-directory/secret', { read: true }), 'not-found');
    await refuses(t, storage.stat('/to-file'), 'not-found');
    await refuses(t, storage.stat('/to-directory/secret'), 'not-found');
  });

  test(`writes nothing through a link that leads out (links: ${links})`, async t => {
    const { storage, outside } = await planted(t, links);
    await refuses(t, storage.open('/to-file', REPLACE), 'not-found');
    await refuses(t, storage.open('/dangling', REPLACE), 'not-found');
    await refuses(t, storage.open('/to-directory/new', REPLACE), 'not-found');
    await refuses(t, storage.mkdir!('/to-directory/new'), 'not-found');
    t.is(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
    t.deepEqual((await readdir(outside)).sort(), ['directory', 'secret']);
  });

  test(`changes no attributes through a link that leads out (links: ${links})`, async t => {
    const { storage, outside } = await planted(t, links);
    const before = await lstat(join(outside, 'secret'));
    await refuses(t, storage.setAttributes!('/to-file', { mode: 0o777 }), 'not-found');
    await refuses(t, storage.setAttributes!('/to-file', { size: 0 }), 'not-found');
    await refuses(t, storage.setAttributes!('/to-directory/secret', { mtime: 1 }), 'not-found');
    await storage.setAttributes!('/to-file', { mtime: 1_000, follow: false });
    const after = await lstat(join(outside, 'secret'));
    t.deepEqual([after.mode, after.size, after.mtimeMs], [before.mode, before.size, before.mtimeMs]);
  });

  test(`lists nothing through a link that leads out (links: ${links})`, async t => {
    const { storage } = await planted(t, links);
    await refuses(t, listAll(storage, '/to-directory'), 'not-found');
    await refuses(t, listAll(storage, '/to-directory/directory'), 'not-found');
  });

  test(`renames nothing through a link that leads out (links: ${links})`, async t => {
    const { storage, outside } = await planted(t, links);
    await refuses(t, storage.rename!('/plain', '/to-directory/plain', { replace: true }), 'not-found');
    await refuses(t, storage.rename!('/plain', '/to-directory/plain', { replace: false }), 'not-found');
    await refuses(t, storage.rename!('/to-directory/secret', '/stolen', { replace: true }), 'not-found');
    t.deepEqual((await readdir(outside)).sort(), ['directory', 'secret']);
  });

  test(`puts a file in the place of a link, not where it leads (links: ${links})`, async t => {
    const { storage, root, outside } = await planted(t, links);
    await storage.rename!('/plain', '/to-file', { replace: true });
    t.true((await lstat(join(root, 'to-file'))).isFile());
    t.is(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
  });

  test(`makes no hard link or copy of what a link leads to (links: ${links})`, async t => {
    const { storage, root, outside } = await planted(t, links);
    await refuses(t, storage.link!('/to-file', '/stolen'), 'not-found');
    await refuses(t, storage.copy!('/to-file', '/stolen'), 'not-found');
    await refuses(t, storage.copy!('/plain', '/to-directory/plain'), 'not-found');
    await storage.copy!('/plain', '/to-file');
    t.is(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
    t.false((await readdir(root)).includes('stolen'));
  });

  test(`removes a link and nothing through it (links: ${links})`, async t => {
    const { storage, root, outside } = await planted(t, links);
    await refuses(t, storage.removeFile!('/to-directory/secret'), 'not-found');
    await refuses(t, storage.removeDirectory!('/to-directory/directory'), 'not-found');
    await storage.removeFile!('/to-directory');
    await storage.removeFile!('/dangling');
    t.deepEqual((await readdir(outside)).sort(), ['directory', 'secret']);
    t.false((await readdir(root)).includes('to-directory'));
  });

  test(`reveals no path of this machine by a link (links: ${links})`, async t => {
    const { storage } = await planted(t, links);
    for (const path of ['/to-file', '/to-directory', '/dangling']) {
      await refuses(t, storage.readlink!(path), 'not-found');
      t.is((await storage.lstat!(path)).type, 'symlink');
    }
    t.is(await storage.readlink!('/within'), 'd/f');
    t.is(await storage.readlink!('/within-absolute'), '/d');
  });
}

test('follows no link by default, not even one that stays inside', async t => {
  const { storage } = await planted(t, 'never');
  await refuses(t, storage.open('/within', { read: true }), 'not-found');
  await refuses(t, storage.stat('/within-absolute/f'), 'not-found');
  await refuses(t, storage.stat('/plain/below'), 'not-a-directory');
  t.is(storage.realPath, undefined);
});

test('follows links that stay inside where told to, also by absolute targets and in chains', async t => {
  const { storage, root } = await planted(t, 'inside');
  await symlink('within-absolute/../within', join(root, 'chain'));
  await symlink('..', join(root, 'd', 'up'));
  t.is(await get(storage, '/within'), 'inside');
  t.is(await get(storage, '/within-absolute/f'), 'inside');
  t.is(await get(storage, '/chain'), 'inside');
  t.is(await get(storage, '/d/up/d/up/d/f'), 'inside');
  t.is(await storage.realPath!('/d/up/within-absolute/f'), '/d/f');
  await put(storage, '/within', 'changed');
  t.is(await readFile(join(root, 'd', 'f'), 'utf8'), 'changed');
});

test('leaves no root by a link with .. in it, however it is written', async t => {
  const { storage, root } = await planted(t, 'inside');
  const targets = [
    '../outside/secret',
    'd/../../outside/secret',
    `${root}/../outside/secret`,
    '/',
    '/etc/passwd',
    '../../../../../../etc/passwd',
  ];
  for (const [index, target] of targets.entries()) {
    await symlink(target, join(root, `out-${index}`));
    await refuses(t, storage.open(`/out-${index}`, { read: true }), 'not-found');
    await refuses(t, listAll(storage, `/out-${index}`), 'not-found');
    await refuses(t, storage.readlink!(`/out-${index}`), 'not-found');
  }
});

test('gives up on links that lead in a circle', async t => {
  const { storage, root } = await planted(t, 'inside');
  await symlink('b', join(root, 'a'));
  await symlink('a', join(root, 'b'));
  await refuses(t, storage.stat('/a'), 'not-found');
  await refuses(t, storage.open('/a/x', REPLACE), 'not-found');
});

test('makes links only to places inside, written relative to where they are', async t => {
  const { storage, root } = await planted(t, 'never');
  await storage.symlink!('/plain', '/d/absolute');
  await storage.symlink!('../plain', '/d/relative');
  await storage.symlink!('/', '/d/root');
  t.is(await readlink(join(root, 'd', 'absolute')), '../plain');
  t.is(await readlink(join(root, 'd', 'relative')), '../plain');
  t.is(await readlink(join(root, 'd', 'root')), '..');
  for (const target of ['..', '../outside', '/../outside', 'd/../../outside']) {
    await refuses(t, storage.symlink!(target, '/escape'), 'permission-denied');
  }
  t.false((await readdir(root)).includes('escape'));
});

test('refuses paths that are not normal, whoever let them through', async t => {
  const { storage } = await planted(t, 'inside');
  for (const path of ['', 'plain', '/../outside/secret', '/d/../plain', '/./plain', '//plain', '/d/', '/plain\0x']) {
    await refuses(t, storage.stat(path), 'invalid-request');
    await refuses(t, storage.open(path, REPLACE), 'invalid-request');
  }
});
