import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ControlClient, ControlServer, readRunFile } from '#core/control.js';
import { HubError } from '#core/errors.js';

async function folder(t: ExecutionContext, name = ''): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), 'entrepot-control-'));
  t.teardown(() => rm(base, { recursive: true, force: true }));
  const directory = join(base, name);
  await mkdir(directory, { recursive: true });
  return directory;
}

const handle = async (operation: string, input: unknown) => {
  if (operation === 'hub.status') return { pid: process.pid };
  if (operation === 'fail') throw new HubError('not-found', 'There is no such thing');
  return { operation, input };
};

async function claim(t: ExecutionContext, directory: string): Promise<ControlServer> {
  const server = await ControlServer.claim(directory, handle);
  t.teardown(() => server.close());
  return server;
}

/** What a hub leaves that is killed: a socket file on which nobody answers. */
async function leaveStaleSocket(directory: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(join(directory, 'control.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  await new Promise(resolve => child.once('exit', resolve));
}

test('carries an operation there and its result or error back', async t => {
  const directory = await folder(t);
  await claim(t, directory);
  const client = (await ControlClient.connect(directory))!;
  t.deepEqual(await client.call('users.add', { username: 'ä\n' }), { operation: 'users.add', input: { username: 'ä\n' } });
  await t.throwsAsync(client.call('fail', {}), { code: 'not-found', message: 'There is no such thing' });
  client.close();
});

test('is open to its owner alone', async t => {
  const directory = await folder(t);
  await claim(t, directory);
  t.is((await stat(join(directory, 'control.sock'))).mode & 0o777, 0o600);
});

test('refuses a second one with the pid of the first', async t => {
  const directory = await folder(t);
  const first = await claim(t, directory);
  await t.throwsAsync(ControlServer.claim(directory, handle), {
    code: 'conflict',
    message: `Another hub (pid ${process.pid}) already runs on ${directory}`,
  });
  t.deepEqual(await readdir(directory), ['control.sock']);
  await first.close();
  await claim(t, directory);
});

test('lets exactly one of several that start at once have the data directory', async t => {
  const directory = await folder(t);
  await leaveStaleSocket(directory);
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => claim(t, directory)));
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
  const client = await ControlClient.connect(directory);
  t.truthy(client);
  client?.close();
});

test('removes what a killed hub left', async t => {
  const directory = await folder(t);
  await leaveStaleSocket(directory);
  await writeFile(join(directory, 'run.json'), '{"pid":1,"listeners":[]}');
  t.is(await ControlClient.connect(directory), undefined);
  await claim(t, directory);
  t.is(await readRunFile(directory), undefined);
  t.deepEqual(await readdir(directory), ['control.sock']);
});

test('leaves nothing behind when it is closed, and never the socket of another', async t => {
  const directory = await folder(t);
  const first = await claim(t, directory);
  await first.announce([{ protocol: 'sftp', host: '127.0.0.1', port: 1, tls: false }]);
  t.deepEqual(await readRunFile(directory), {
    pid: process.pid,
    listeners: [{ protocol: 'sftp', host: '127.0.0.1', port: 1, tls: false }],
  });
  await first.close();
  t.deepEqual(await readdir(directory), []);
});

test('works where the path is longer than a socket may have', async t => {
  const directory = await folder(t, 'long/'.repeat(40));
  if (process.platform !== 'linux') {
    await t.throwsAsync(ControlServer.claim(directory, handle), { message: /too long/ });
    return;
  }
  await claim(t, directory);
  const client = (await ControlClient.connect(directory))!;
  t.like(await client.call('hub.status', {}), { pid: process.pid });
  client.close();
});

test('drops a client whose request has no end, and serves the others', async t => {
  const directory = await folder(t);
  await claim(t, directory);
  const socket = connect(join(directory, 'control.sock'));
  const received: Buffer[] = [];
  socket.on('data', chunk => received.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise(resolve => socket.once('close', resolve));
  socket.write(Buffer.alloc(2 * 1024 * 1024, 'a'));
  await closed;
  t.regex(Buffer.concat(received).toString(), /too-large/);
  const client = (await ControlClient.connect(directory))!;
  t.like(await client.call('hub.status', {}), { pid: process.pid });
  client.close();
});

test('answers a line that is no request', async t => {
  const directory = await folder(t);
  await claim(t, directory);
  const socket = connect(join(directory, 'control.sock'));
  const answer = new Promise<Buffer>(resolve => socket.once('data', resolve));
  socket.write('hello\n');
  t.regex(String(await answer), /invalid-request/);
  socket.destroy();
});

test('tells a caller that waits when the hub goes away', async t => {
  const directory = await folder(t);
  const server = await ControlServer.claim(directory, () => new Promise(() => undefined));
  const client = (await ControlClient.connect(directory))!;
  const waiting = t.throwsAsync(client.call('users.list', {}), { code: 'unavailable' });
  await new Promise(resolve => setImmediate(resolve));
  await server.close();
  await waiting;
});
