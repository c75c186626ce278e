import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { ClientChannel } from 'ssh2';
import { connectSsh, FXP, NO_ATTRS, OPEN, packet, RawSftp, STATUS, string, u32, u64 } from '../../support/raw-sftp.js';
import { connect, PASSWORD, startSftp } from './support.js';

const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

/** Bytes after which nothing can be understood: the client is dropped. */
const DROPPED: Readonly<Record<string, Buffer>> = {
  'length 0': u32(0),
  'length 256 KiB and 1': u32(0x00_04_00_01),
  'length 2^31 - 1': u32(0x7f_ff_ff_ff),
  'length 2^31': u32(0x80_00_00_00),
  'length 2^32 - 1': u32(0xff_ff_ff_ff),
  'the five bytes that end other servers': Buffer.from('ffffffff03', 'hex'),
  'a request without an id': packet(FXP.STAT, Buffer.of(1, 2)),
  'a WRITE without an id': packet(FXP.WRITE),
  'a WRITE that ends in its handle': packet(FXP.WRITE, u32(1), Buffer.of(0)),
  'a second INIT': packet(FXP.INIT, u32(3)),
};

/** Requests whose frame is whole and whose content is not: answered as bad messages, and the client goes on. */
const ANSWERED: Readonly<Record<string, readonly [type: number, ...parts: Buffer[]]>> = {
  'no path': [FXP.STAT],
  'a path longer than the packet': [FXP.STAT, u32(400), Buffer.from('/a')],
  'a path of 2^31 bytes': [FXP.OPENDIR, u32(0x80_00_00_00)],
  'a path of 2^32 - 1 bytes': [FXP.REMOVE, u32(0xff_ff_ff_ff), Buffer.from('/a')],
  'OPEN without flags': [FXP.OPEN, string('/a')],
  'OPEN with attributes cut off': [FXP.OPEN, string('/a'), u32(OPEN.READ), u32(0xf)],
  'SETSTAT with a size cut off': [FXP.SETSTAT, string('/a'), u32(1), u32(0)],
  'RENAME with one path': [FXP.RENAME, string('/a')],
  'SYMLINK with one path': [FXP.SYMLINK, string('/a')],
  'EXTENDED without a name': [FXP.EXTENDED],
  'WRITE whose data is longer than its packet': [FXP.WRITE, string('xxxx'), u64(0), u32(100_000), Buffer.from('short')],
  'WRITE with a handle of 5,000 bytes': [FXP.WRITE, string('h'.repeat(5_000)), u64(0), string('x')],
  'WRITE with a handle of 2^32 - 1 bytes': [FXP.WRITE, u32(0xff_ff_ff_ff), Buffer.alloc(40)],
};

test('drops a client whose framing is broken, and nobody else notices', async t => {
  const { login } = await startSftp(t);
  const bystander = await connect(t, login);
  await bystander.put('/calm', Buffer.from('unmoved'));
  for (const [name, bytes] of Object.entries(DROPPED)) {
    const client = await connect(t, login);
    client.send(bytes);
    await client.dropped();
    t.is((await bystander.get('/calm')).toString(), 'unmoved', name);
  }
});

test('answers a request whose content is cut off, and goes on with the next one', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const [name, [type, ...parts]] of Object.entries(ANSWERED)) {
    t.is((await client.request(type, ...parts)).code, STATUS.BAD_MESSAGE, name);
    t.is((await client.request(FXP.STAT, string('/'))).type, FXP.ATTRS, name);
  }
});

test('takes what the length of a WRITE names, and passes over what follows in the packet', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const handle = await client.open('/short', CREATE);
  const rest = Buffer.alloc(40_000, '!');
  t.is((await client.request(FXP.WRITE, string(handle), u64(0), string('counts'), rest)).code, STATUS.OK);
  t.is((await client.request(FXP.WRITE, string(handle), u64(6), string(''), rest)).code, STATUS.OK);
  t.is((await client.close(handle)).code, STATUS.OK);
  t.is((await client.get('/short')).toString(), 'counts');
});

test('drops a client that asks before INIT', async t => {
  const { login } = await startSftp(t);
  for (const bytes of [packet(FXP.STAT, u32(1), string('/')), packet(FXP.WRITE, u32(1), string('x'), u64(0), string('x'))]) {
    const client = await connect(t, login, false);
    client.send(bytes);
    await client.dropped();
    t.false(client.alive);
  }
});

test('answers unknown requests and extensions as unsupported', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const type of [0, 2, 21, 99, 101, 199, 201, 255])
    t.is((await client.request(type, string('/'))).code, STATUS.OP_UNSUPPORTED, String(type));
  for (const name of ['nobody@example.com', '', '__proto__', 'constructor'])
    t.is((await client.request(FXP.EXTENDED, string(name))).code, STATUS.OP_UNSUPPORTED, name);
});

test('understands requests that arrive byte by byte', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const handle = await client.open('/slow', CREATE);
  const written = client.request(FXP.WRITE, string(handle), u64(0), string('in one piece'));
  t.is((await written).code, STATUS.OK);
  const request = packet(FXP.WRITE, u32(900), string(handle), u64(12), string(', then in many'));
  for (const byte of request) client.send(Buffer.of(byte));
  for (const byte of packet(FXP.CLOSE, u32(901), string(handle))) client.send(Buffer.of(byte));
  await client.request(FXP.STAT, string('/slow'));
  t.is((await client.get('/slow')).toString(), 'in one piece, then in many');
});

test('understands requests however they are cut into packets', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const handle = await client.open('/cut', CREATE);
  const content = randomBytes(400_000);
  const requests: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const piece = content.subarray(at, at + randomInt(1, 9_000));
    requests.push(packet(FXP.WRITE, u32(1_000_000), string(handle), u64(at), string(piece)));
    if (randomInt(4) === 0) requests.push(packet(FXP.STAT, u32(1_000_001), string(`/${'x'.repeat(randomInt(200))}`)));
    at += piece.length;
  }
  const stream = Buffer.concat(requests);
  for (let at = 0; at < stream.length; ) {
    const end = at + randomInt(1, 3_000);
    client.send(stream.subarray(at, end));
    at = end;
  }
  t.is((await client.close(handle)).code, STATUS.OK);
  t.deepEqual(await client.get('/cut'), content);
});

test('refuses handles that were never given, are closed, or belong to another session', async t => {
  const { login } = await startSftp(t);
  const [owner, thief] = [await connect(t, login), await connect(t, login)];
  await owner.put('/secret', Buffer.from('secret'));
  const foreign = await owner.open('/secret', OPEN.READ);
  const closed = await thief.open('/secret', OPEN.READ);
  await thief.close(closed);
  const names = ['', '__proto__', 'constructor', '\0\0\0\0\0\0\0\0', 'h'.repeat(256), '00000001'].map(name => Buffer.from(name));
  for (const handle of [...names, closed, foreign]) {
    const answers = await Promise.all([
      thief.request(FXP.READ, string(handle), u64(0), u32(10)),
      thief.request(FXP.WRITE, string(handle), u64(0), string('x')),
      thief.request(FXP.FSTAT, string(handle)),
      thief.request(FXP.FSETSTAT, string(handle), NO_ATTRS),
      thief.request(FXP.READDIR, string(handle)),
      thief.request(FXP.CLOSE, string(handle)),
      thief.request(FXP.EXTENDED, string('fsync@openssh.com'), string(handle)),
    ]);
    t.deepEqual(new Set(answers.map(answer => answer.code)), new Set([STATUS.FAILURE]), handle.toString('hex'));
  }
  t.is((await owner.request(FXP.READ, string(foreign), u64(0), u32(10))).type, FXP.DATA);
});

test('gives 256 handles for 3,000 opens, and as many again when they are closed', async t => {
  const { login } = await startSftp(t);
  const [client, other] = [await connect(t, login), await connect(t, login)];
  await client.put('/f', Buffer.from('x'));
  const openAll = async () => {
    const requests = Array.from({ length: 1_500 }, () => [
      client.request(FXP.OPEN, string('/f'), u32(OPEN.READ), NO_ATTRS),
      client.request(FXP.OPENDIR, string('/')),
    ]).flat();
    const answers = await Promise.all(requests);
    t.true(answers.every(answer => answer.type === FXP.HANDLE || answer.code === STATUS.FAILURE));
    return answers.filter(answer => answer.type === FXP.HANDLE).map(answer => answer.body.subarray(4));
  };
  const handles = await openAll();
  t.is(handles.length, 256);
  t.is((await other.get('/f')).toString(), 'x');
  await Promise.all(handles.map(handle => client.close(handle)));
  t.is((await openAll()).length, 256);
});

test('answers 5,000 requests in flight', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const answers = await Promise.all(Array.from({ length: 5_000 }, () => client.request(FXP.STAT, string('/'))));
  t.true(answers.every(answer => answer.type === FXP.ATTRS));
});

test.serial('holds little for a client that asks for gigabytes and reads nothing', async t => {
  const hub = await startSftp(t);
  const client = await connect(t, hub.login);
  await client.put('/large', Buffer.alloc(2 ** 20));
  const handle = await client.open('/large', OPEN.READ);
  client.channel.pause();
  const before = process.memoryUsage().rss;
  for (let index = 0; index < 8_192; index += 1) client.send(packet(FXP.READ, u32(index), string(handle), u64(0), u32(261_120)));
  await sleep(1_000);
  const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20;
  t.true(grownMiB < 64, `grew by ${grownMiB.toFixed(0)} MiB, the client's own buffers included`);
  const other = await connect(t, hub.login);
  t.is((await other.request(FXP.STAT, string('/large'))).type, FXP.ATTRS);
});

test('gives up the uploads of a client that is cut off, and of a channel that is closed with files open', async t => {
  const hub = await startSftp(t);
  const write = async (client: RawSftp, path: string) => {
    const handle = await client.open(path, CREATE);
    await client.request(FXP.WRITE, string(handle), u64(0), string('half'));
  };
  const cut = await connect(t, hub.login);
  await write(cut, '/cut');
  cut.cut();
  t.is((await hub.event('upload.failed', event => event.data.path === '/cut')).data.bytes, 4);
  const left = await connect(t, hub.login);
  await write(left, '/left');
  left.channel.end();
  await hub.event('upload.failed', event => event.data.path === '/left');
  const half = await connect(t, hub.login);
  const handle = await half.open('/in-mid-write', CREATE);
  half.send(packet(FXP.WRITE, u32(900), string(handle), u64(0), string(Buffer.alloc(1_000))).subarray(0, 500));
  half.channel.end();
  await hub.event('upload.failed', event => event.data.path === '/in-mid-write');
  const closed = await connect(t, hub.login);
  await write(closed, '/closed');
  closed.channel.close();
  await hub.event('upload.failed', event => event.data.path === '/closed');
  const client = await connect(t, hub.login);
  t.deepEqual(await client.list('/'), []);
});

test('refuses a WRITE to a file opened for reading, which stays usable', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/f', Buffer.from('content'));
  const handle = await client.open('/f', OPEN.READ);
  t.is((await client.request(FXP.WRITE, string(handle), u64(0), string('x'))).code, STATUS.PERMISSION_DENIED);
  t.is((await client.request(FXP.READ, string(handle), u64(0), u32(10))).type, FXP.DATA);
  t.is((await client.close(handle)).code, STATUS.OK);
});

test('answers a READ that comes right after a WRITE that fails, with the failure', async t => {
  const { login } = await startSftp(t, {
    users: { alice: { password: PASSWORD, mounts: [{ path: '/', storage: 'data', directory: '/alice' }] } },
  });
  const client = await connect(t, login);
  const handle = await client.open('/f', OPEN.READ | CREATE);
  const [written, read] = await Promise.all([
    client.request(FXP.WRITE, string(handle), u64(2 ** 52), string('beyond what any file may have')),
    client.request(FXP.READ, string(handle), u64(0), u32(10)),
  ]);
  t.is(written.code, STATUS.OK, 'it was taken');
  t.is(read.code, STATUS.FAILURE);
  t.not((await client.close(handle)).code, STATUS.OK);
  t.deepEqual(await client.list('/'), []);
});

test('ends the channel with status 0 when the client ends it', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const exit = once(client.channel, 'exit');
  await client.request(FXP.STAT, string('/'));
  client.channel.end();
  t.deepEqual((await exit)[0], 0);
});

test('refuses everything but SFTP with one line and exit status 1', async t => {
  const { login } = await startSftp(t);
  const ssh = await connectSsh(login);
  t.teardown(() => ssh.destroy());
  const channels = [
    new Promise<ClientChannel>((resolve, reject) =>
      ssh.exec('id; cat /etc/passwd', (error, channel) => (error ? reject(error) : resolve(channel))),
    ),
    new Promise<ClientChannel>((resolve, reject) => ssh.shell((error, channel) => (error ? reject(error) : resolve(channel)))),
  ];
  for (const opened of channels) {
    const channel = await opened;
    let shown = '';
    channel.resume();
    channel.stderr.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    const [code] = await once(channel, 'close');
    t.is(code, 1);
    t.regex(shown, /^(This server offers SFTP only\.|There is no shell here)\r?\n$/);
  }
  await t.throwsAsync(new Promise((_, reject) => ssh.subsys('netconf', error => error && reject(error))));
  await t.throwsAsync(new Promise((_, reject) => ssh.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, error => error && reject(error))));
});

test('opens at most 10 channels a connection, and one more when one is closed', async t => {
  const { login } = await startSftp(t);
  const ssh = await connectSsh(login);
  t.teardown(() => ssh.destroy());
  const open = () =>
    new Promise<ClientChannel>((resolve, reject) => ssh.subsys('sftp', (error, channel) => (error ? reject(error) : resolve(channel))));
  const channels = await Promise.all(Array.from({ length: 10 }, open));
  await t.throwsAsync(open());
  const closed = once(channels[0]!, 'close');
  channels[0]!.resume().end();
  await closed;
  await t.notThrowsAsync(open());
});
