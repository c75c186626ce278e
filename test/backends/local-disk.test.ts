import { execFileSync } from 'node:child_process';
import { link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openLocalStorage } from '#backends/local/local.js';
import { createLogger } from '#core/log.js';
import type { StorageBackend } from '#core/storage/backend.js';
import { get, namesIn, put, REPLACE, refuses } from '../conformance/storage-case.js';
import { localStorage, MEMORY_FOLDER } from './local-storage.js';

test('neither lists nor opens named pipes, sockets and devices, and does not wait for them', async t => {
  const { storage, root } = await localStorage(t);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const server = createServer().listen(join(root, 'socket'));
  await new Promise(resolve => server.once('listening', resolve));
  t.teardown(() => server.close());
  await put(storage, '/file', 'x');
  t.deepEqual(await namesIn(storage, '/'), ['file']);
  for (const path of ['/pipe', '/socket']) {
    await refuses(t, storage.open(path, { read: true }), 'permission-denied', 'not-found');
    await refuses(t, storage.open(path, REPLACE), 'permission-denied', 'not-found');
    await refuses(t, storage.stat(path), 'not-found');
    await refuses(t, storage.copy!(path, '/copy'), 'permission-denied', 'not-found');
    await refuses(t, storage.rename!(path, '/renamed', { replace: true }), 'not-found');
  }
});

test('leaves out names that are not valid UTF-8, so that none stands for another', async t => {
  const { storage, root } = await localStorage(t);
  await writeFile(Buffer.concat([Buffer.from(join(root, 'bad-')), Buffer.from([0xff, 0xfe])]), 'x');
  await writeFile(join(root, '\ufeffgood'), 'x');
  t.deepEqual(await namesIn(storage, '/'), ['\ufeffgood']);
});

test('makes files and directories that others cannot write, whatever a client asks for', async t => {
  const { storage, root } = await localStorage(t);
  await put(storage, '/a', 'x');
  await storage.mkdir!('/d');
  await storage.setAttributes!('/a', { mode: 0o7777 });
  await storage.setAttributes!('/d', { mode: 0o777 });
  const handle = await storage.open('/b', REPLACE);
  await handle.setAttributes?.({ mode: 0o666 });
  await handle.close();
  t.is(execFileSync('find', [root, '-perm', '/7002', '-not', '-type', 'l'], { encoding: 'utf8' }), '');
});

test('keeps its staging folder private, and makes it again when someone removed it', async t => {
  const { storage, root } = await localStorage(t);
  t.is(await storage.stagingFolder!('/a'), '/.entrepot');
  t.is((await stat(join(root, '.entrepot'))).mode & 0o777, 0o700);
  await rm(join(root, '.entrepot'), { recursive: true });
  await put(storage, '/.entrepot/upload', 'x', { ...REPLACE, exclusive: true });
  await storage.rename!('/.entrepot/upload', '/a', { replace: true });
  t.is(await get(storage, '/a'), 'x');
  t.is((await stat(join(root, '.entrepot'))).mode & 0o777, 0o700);
});

test('takes an upload that a crash left under two names as published, and one under one name as not', async t => {
  const { storage, root } = await localStorage(t);
  await storage.stagingFolder!('/a');
  await put(storage, '/.entrepot/published', 'x');
  await put(storage, '/.entrepot/unfinished', 'y');
  await link(join(root, '.entrepot', 'published'), join(root, 'a'));
  const next = await openLocalStorage({ root, links: 'never', create: true }, createLogger('silent'));
  t.teardown(async () => next.close?.());
  t.deepEqual(await namesIn(next, '/.entrepot'), ['unfinished']);
  t.is(await get(next, '/a'), 'x');
});

test('does not stage in a folder that is a link', async t => {
  const { storage, root, outside } = await localStorage(t);
  execFileSync('ln', ['-s', outside, join(root, '.entrepot')]);
  await refuses(t, storage.stagingFolder!('/a'), 'not-found');
  t.deepEqual(await readdir(outside), []);
});

test('stages on the file system of the target, and finds that folder again after a crash', async t => {
  const { storage, root } = await localStorage(t);
  await mkdir(join(root, 'mounted'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'mounted')], { stdio: 'pipe' });
  } catch (error) {
    t.log(`does not apply: this user cannot mount (${String(error).split('\n')[0]})`);
    return t.pass();
  }
  unmountAtEnd(t, storage, join(root, 'mounted'));
  await storage.mkdir!('/mounted/deep');
  t.is(await storage.stagingFolder!('/mounted/deep/file'), '/mounted/.entrepot');
  t.is(await storage.stagingFolder!('/file'), '/.entrepot');
  await put(storage, '/mounted/.entrepot/upload', 'x', REPLACE);
  await storage.rename!('/mounted/.entrepot/upload', '/mounted/deep/file', { replace: false });
  t.is(await get(storage, '/mounted/deep/file'), 'x');
  t.deepEqual(await namesIn(storage, '/.entrepot'), []);
  const next = await openLocalStorage({ root, links: 'never', create: true }, createLogger('silent'));
  t.teardown(async () => next.close?.());
  t.deepEqual(await next.stagingFolders!(), ['/.entrepot', '/mounted/.entrepot']);
});

test('stages beside a bind mount of the same device, where the device alone would mislead', async t => {
  const { storage, root, outside } = await localStorage(t);
  await mkdir(join(root, 'bound'));
  try {
    execFileSync('mount', ['--bind', outside, join(root, 'bound')], { stdio: 'pipe' });
  } catch (error) {
    t.log(`does not apply: this user cannot mount (${String(error).split('\n')[0]})`);
    return t.pass();
  }
  unmountAtEnd(t, storage, join(root, 'bound'));
  t.is(await storage.stagingFolder!('/bound/file'), '/bound/.entrepot');
  await put(storage, '/bound/.entrepot/upload', 'x', REPLACE);
  await storage.rename!('/bound/.entrepot/upload', '/bound/file', { replace: true });
  t.is(await get(storage, '/bound/file'), 'x');
});

test('stays in its folder when that is renamed while the hub runs', async t => {
  const { storage, root } = await localStorage(t);
  await put(storage, '/a', 'mine');
  await rename(root, `${root}-moved`);
  await mkdir(root);
  await writeFile(join(root, 'a'), 'planted');
  t.is(await get(storage, '/a'), 'mine');
});

test('says that the folder is missing when it may not make it, and names no path to clients', async t => {
  const { root } = await localStorage(t);
  const opening = openLocalStorage({ root: join(root, 'absent'), links: 'never', create: false }, createLogger('silent'));
  const error = await t.throwsAsync(opening, { code: 'unavailable' });
  t.false(error.message.includes(root));
});

test('says that there is no space left on a full disk, and goes on when there is', async t => {
  const { storage, root } = await localStorage(t);
  await mkdir(join(root, 'small'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', join(root, 'small')], { stdio: 'pipe' });
  } catch (error) {
    t.log(`does not apply: this user cannot mount (${String(error).split('\n')[0]})`);
    return t.pass();
  }
  unmountAtEnd(t, storage, join(root, 'small'));
  const handle = await storage.open('/small/a', REPLACE);
  await t.throwsAsync(handle.write(new Uint8Array(1_000_000), 0), { code: 'unavailable', message: 'No space left on the storage' });
  await handle.abort();
  await storage.removeFile!('/small/a');
  await put(storage, '/small/b', 'fits');
  t.is(await get(storage, '/small/b'), 'fits');
});

test.serial('leaves no descriptor open behind what fails and what succeeds', async t => {
  const { storage } = await localStorage(t);
  await storage.mkdir!('/d');
  await put(storage, '/d/f', 'x');
  const before = (await readdir('/proc/self/fd')).length;
  for (let round = 0; round < 200; round++) {
    await storage.stat('/d/f');
    await storage.stat('/d/absent/f').catch(() => undefined);
    await storage.open('/d', { read: true }).catch(() => undefined);
    await storage.copy!('/d/absent', '/x').catch(() => undefined);
    await storage.copy!('/d/f', '/absent/x').catch(() => undefined);
    await storage.rename!('/d/f', '/absent/x', { replace: true }).catch(() => undefined);
    await namesIn(storage, '/d');
    for await (const _batch of storage.list('/')) break;
    await storage.setAttributes!('/d/f', { mtime: 1_000 });
  }
  t.true((await readdir('/proc/self/fd')).length <= before + 5);
});

test('refuses a handle that was closed, whose number may stand for another file', async t => {
  const { storage, root } = await localStorage(t);
  const handle = await storage.open('/a', REPLACE);
  await handle.close();
  const other = await open(join(root, 'other'), 'w');
  await refuses(t, handle.write(new Uint8Array([1]), 0), 'aborted');
  await refuses(t, handle.close(), 'aborted');
  await handle.abort();
  t.is((await other.stat()).size, 0);
  await other.close();
});

/** Directories that the storage holds, if only for a moment, keep a file system busy: it is closed first. */
function unmountAtEnd(t: ExecutionContext, storage: StorageBackend, mounted: string): void {
  t.teardown(async () => {
    await storage.close?.();
    execFileSync('umount', [mounted]);
  });
}

for (const parent of process.platform === 'linux' ? [undefined, MEMORY_FOLDER] : [undefined]) {
  test(`reads all that is asked for of a file that has grown since it was opened (${parent ?? 'on disk'})`, async t => {
    const { storage } = await localStorage(t, {}, parent);
    await put(storage, '/file', 'short');
    const handle = await storage.open('/file', { read: true, write: true });
    await handle.write(Buffer.alloc(100_000, 'x'), 5);
    const target = Buffer.alloc(90_000);
    t.is(await handle.read(target, 0), target.length);
    t.is(target.toString(), `short${'x'.repeat(target.length - 5)}`);
    await handle.close();
  });
}
