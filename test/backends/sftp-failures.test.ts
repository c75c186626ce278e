import { writeFile } from 'node:fs/promises';
import test from 'ava';
import ssh2 from 'ssh2';
import { fingerprintOf } from '#backends/sftp/host-key.js';
import { pattern } from '../conformance/storage-case.js';
import { until } from '../support/children.js';
import { freePort } from '../support/free-port.js';
import { Relay } from '../support/relay.js';
import { FILE, scriptedServer } from './scripted-server.js';
import { openStorage, startOpenSsh } from './sftp-servers.js';

const { STATUS_CODE } = ssh2.utils.sftp;

let server: Awaited<ReturnType<typeof startOpenSsh>>;

test.before(async () => {
  server = await startOpenSsh();
});

test.after.always(() => server?.sshd.stop());

test('refuses a server with another host key than the pinned one, and names both', async t => {
  const { login, hostKey } = await scriptedServer(t, {});
  const shown = fingerprintOf(Buffer.from(hostKey.split(' ')[1]!, 'base64'));
  const pinned = `SHA256:${'A'.repeat(43)}`;
  const error = await t.throwsAsync(openStorage({ ...login, hostKey: pinned }), { code: 'unavailable' });
  t.true(error.message.includes(shown) && error.message.includes(pinned), error.message);
  for (const hostKeyOption of [shown, hostKey, [pinned, `127.0.0.1 ${hostKey}`]]) {
    const storage = await openStorage({ ...login, hostKey: hostKeyOption });
    t.is((await storage.stat('/')).type, 'directory');
    await storage.close();
  }
});

test('takes no server without being told which, and no text that is no host key', async t => {
  for (const hostKey of [undefined, 'SHA256:short', 'ssh-ed25519 AAAA', ['any'], []]) {
    await t.throwsAsync(async () => openStorage({ port: 1, username: 'a', hostKey }), { message: /'any' to trust/ });
  }
});

test('says that the login is refused, that nobody listens, and that the root is not there', async t => {
  const other = ssh2.utils.generateKeyPairSync('ed25519').private;
  await t.throwsAsync(openStorage({ ...server.login, privateKey: other }), { code: 'unavailable', message: /refuses the login/ });
  await t.throwsAsync(openStorage({ ...server.login, port: await freePort() }), { code: 'unavailable', message: /refuses connections/ });
  await t.throwsAsync(openStorage({ ...server.login, root: '/is/not/there' }), { code: 'not-found' });
  await t.throwsAsync(openStorage({ ...server.login, privateKey: 'no key' }), { code: 'invalid-request', message: /privateKey/ });
});

test('gives up a server that accepts and never answers', async t => {
  const relay = await new Relay(server.login.port).start();
  t.teardown(() => relay.stop());
  relay.fallSilent();
  await t.throwsAsync(openStorage({ ...server.login, port: relay.port, connectTimeout: '300ms' }), {
    code: 'unavailable',
    message: 'The SFTP server did not answer within 0.3 s',
  });
});

test('gives up a server that falls silent, and comes back when it does', async t => {
  const relay = await new Relay(server.login.port).start();
  t.teardown(() => relay.stop());
  const storage = await openStorage({
    ...server.login,
    port: relay.port,
    root: await server.root(),
    connections: 1,
    connectTimeout: '5s',
    requestTimeout: '1s',
  });
  t.teardown(() => storage.close());
  await storage.mkdir('/before');
  relay.fallSilent();
  await t.throwsAsync(storage.stat('/before'), { code: 'unavailable', message: /did not answer within 1 s/ });
  await relay.stop();
  await t.throwsAsync(storage.stat('/before'), { code: 'unavailable', message: /refuses connections/ });
  await relay.start();
  await until('the storage is back', () => storage.stat('/before').catch(() => false));
  t.is((await storage.stat('/before')).type, 'directory');
});

test('goes on reading after the server was away, if the file is the same', async t => {
  const relay = await new Relay(server.login.port).start();
  t.teardown(() => relay.stop());
  const root = await server.root();
  const content = Buffer.from(pattern(3_000_000));
  await writeFile(`${root}/large`, content);
  const storage = await openStorage({ ...server.login, port: relay.port, root });
  t.teardown(() => storage.close());
  const handle = await storage.open('/large', { read: true });
  const first = Buffer.alloc(1_000_000);
  t.is(await handle.read(first, 0), first.length);
  await relay.stop();
  await t.throwsAsync(handle.read(Buffer.alloc(1), 0), { code: 'unavailable' });
  await relay.start();
  const second = Buffer.alloc(2_500_000);
  t.is(await until('the file can be read again', () => handle.read(second, 1_000_000).catch(() => false as const)), 2_000_000);
  t.true(Buffer.concat([first, second.subarray(0, 2_000_000)]).equals(content));

  await writeFile(`${root}/large`, 'another one');
  await relay.stop();
  await relay.start();
  await until('the storage is back', () => storage.stat('/').catch(() => false));
  await t.throwsAsync(handle.read(Buffer.alloc(10), 0), { code: 'unavailable' });
  await handle.close();
});

test('fails a write that the server did not acknowledge, and serves the next one', async t => {
  const relay = await new Relay(server.login.port).start();
  t.teardown(() => relay.stop());
  const storage = await openStorage({ ...server.login, port: relay.port, root: await server.root() });
  t.teardown(() => storage.close());
  const handle = await storage.open('/cut', { write: true, create: true });
  await handle.write(new Uint8Array(100_000), 0);
  const writing = handle.write(new Uint8Array(4_000_000), 100_000);
  await relay.stop();
  await t.throwsAsync(writing, { code: 'unavailable' });
  await t.throwsAsync(handle.close(), { code: 'unavailable' });
  await relay.start();
  await until('the storage is back', () => storage.stat('/cut').catch(() => false));
  const again = await storage.open('/cut', { write: true, truncate: true });
  await again.write(new Uint8Array([1]), 0);
  await again.close();
  t.is((await storage.stat('/cut')).size, 1);
});

test('does not do again what may have been done, and says so', async t => {
  const { login, asked } = await scriptedServer(t, {
    LSTAT: (sftp, id) => sftp.attrs(id, FILE),
    REMOVE: (_sftp, _id, connection) => connection.end(),
  });
  const storage = await openStorage(login);
  t.teardown(() => storage.close());
  await t.throwsAsync(storage.removeFile('/a'), { code: 'unavailable', message: /whether it was done is not known/ });
  t.is(asked.get('REMOVE'), 1);
});

test('asks once more for what changes nothing when the connection is lost', async t => {
  let times = 0;
  const { login } = await scriptedServer(t, {
    LSTAT: (sftp, id, connection) => (++times === 1 ? connection.end() : sftp.attrs(id, FILE)),
  });
  const storage = await openStorage(login);
  t.teardown(() => storage.close());
  t.is((await storage.stat('/a')).size, 3);
  t.is(times, 2);
});

test('replaces nothing where the server cannot do it in one step, and tells its other limits by what is missing', async t => {
  const { login, asked } = await scriptedServer(t, {
    LSTAT: (sftp, id) => sftp.attrs(id, FILE),
    RENAME: (sftp, id) => sftp.status(id, STATUS_CODE.OK),
  });
  const storage = await openStorage(login);
  t.teardown(() => storage.close());
  await t.throwsAsync(storage.rename('/a', '/b', { replace: true }), { code: 'unsupported', message: /in one step/ });
  t.is(asked.get('RENAME'), undefined);
  t.is(storage.link, undefined);
  t.is(storage.space, undefined);
});

test('lists no name that leads elsewhere, nor one that is not valid UTF-8', async t => {
  const names = ['.', '..', '../up', 'a/b', '', 'good', Buffer.from([0x62, 0xff])];
  let told = false;
  const { login } = await scriptedServer(t, {
    OPENDIR: (sftp, id) => sftp.handle(id, Buffer.from('d')),
    READDIR: (sftp, id) => {
      if (told) sftp.status(id, STATUS_CODE.EOF);
      else
        sftp.name(
          id,
          names.map(filename => ({ filename: filename as string, longname: '', attrs: FILE })),
        );
      told = true;
    },
  });
  const storage = await openStorage(login);
  t.teardown(() => storage.close());
  const listed: string[] = [];
  for await (const batch of storage.list('/')) listed.push(...batch.map(info => info.name));
  t.deepEqual(listed, ['good']);
});

test('follows no link on the way, wherever it leads', async t => {
  const storage = await openStorage({ ...server.login, root: await server.root() });
  t.teardown(() => storage.close());
  await storage.mkdir('/d');
  await writeFile(`${server.folder}/outside`, 'secret');
  await storage.symlink('d', '/inside');
  await storage.symlink('/d', '/absolute');
  t.is(await storage.readlink('/absolute'), 'd');
  await t.throwsAsync(storage.symlink('../outside', '/out'), { code: 'permission-denied' });
  for (const path of ['/inside/f', '/absolute/f']) {
    await t.throwsAsync(storage.open(path, { write: true, create: true }), { code: 'not-found' });
    await t.throwsAsync(storage.mkdir(path), { code: 'not-found' });
  }
  await t.throwsAsync(storage.stat('/inside/f'), { code: 'not-found' });
});

test('closes connections that nobody uses, and makes new ones', async t => {
  const { login, connections } = await scriptedServer(t, {});
  const storage = await openStorage({ ...login, idleTimeout: '100ms' });
  t.teardown(() => storage.close());
  for (let round = 0; round < 2; round++) {
    t.is((await storage.stat('/')).type, 'directory');
    await until('the connection is closed', () => connections.size === 0);
  }
});

test('makes no more connections than it may', async t => {
  const waiting: (() => void)[] = [];
  const { login, connections } = await scriptedServer(t, {
    LSTAT: (sftp, id) => waiting.push(() => sftp.attrs(id, FILE)),
  });
  const storage = await openStorage({ ...login, connections: 3 });
  t.teardown(() => storage.close());
  const looks = Array.from({ length: 9 }, (_, index) => storage.stat(`/${index}`));
  await until('all have arrived', () => waiting.length === 9);
  t.is(connections.size, 3);
  for (const answer of waiting) answer();
  t.is((await Promise.all(looks)).length, 9);
});
