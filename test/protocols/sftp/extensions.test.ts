import 'reflect-metadata';
import { createHash, randomBytes } from 'node:crypto';
import test from 'ava';
import { RIGHTS, type Right } from '#core/db/users.js';
import type { TestUser } from '../../support/hub.js';
import { FXP, OPEN, type RawSftp, readString, STATUS, string, u32, u64 } from '../../support/raw-sftp.js';
import { wrongRows } from '../../support/sftp-rights.js';
import { connect, PASSWORD, startSftp } from './support.js';

const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;
const ask = (client: RawSftp, name: string, ...parts: readonly Buffer[]) => client.request(FXP.EXTENDED, string(name), ...parts);
const hashed = (algorithm: string, ...pieces: readonly Buffer[]) =>
  Buffer.concat(pieces.map(piece => createHash(algorithm).update(piece).digest()));

/** The pairs of name and version that a server announces. */
async function announced(client: RawSftp): Promise<Map<string, string>> {
  const version = new Promise<Buffer>(resolve => client.channel.once('data', resolve));
  client.send(Buffer.from('000000050100000003', 'hex'));
  const body = (await version).subarray(9);
  const pairs = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const [name, value] = [readString(body, at), readString(body, at + 4 + readString(body, at).length)];
    pairs.set(name.toString(), value.toString());
    at += 8 + name.length + value.length;
  }
  return pairs;
}

test('announces links and space where the storage has them, and nowhere else', async t => {
  const { login } = await startSftp(t);
  const pairs = await announced(await connect(t, login, false));
  for (const [name, version] of [
    ['posix-rename@openssh.com', '1'],
    ['statvfs@openssh.com', '2'],
    ['fstatvfs@openssh.com', '2'],
    ['hardlink@openssh.com', '1'],
    ['lsetstat@openssh.com', '1'],
    ['expand-path@openssh.com', '1'],
    ['copy-data', '1'],
    ['users-groups-by-id@openssh.com', '1'],
  ] as const)
    t.is(pairs.get(name), version, name);
  const bare = await startSftp(t, { users: { alice: { password: PASSWORD, mounts: [] } } });
  const fewer = await announced(await connect(t, bare.login, false));
  for (const name of ['statvfs@openssh.com', 'fstatvfs@openssh.com', 'hardlink@openssh.com']) t.false(fewer.has(name), name);
  t.true(fewer.has('copy-data'));
});

test('answers what it does not know with OP_UNSUPPORTED', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const name of ['', 'posix-rename', 'toString', 'copy-file', 'vendor-id', 'text-seek', 'space-available', 'x'.repeat(5_000)])
    t.is((await ask(client, name)).code, STATUS.OP_UNSUPPORTED, name);
  t.is((await client.request(199)).code, STATUS.OP_UNSUPPORTED);
});

test('gives a file a second name, once, with an event', async t => {
  const hub = await startSftp(t, { storage: 'disk' });
  const client = await connect(t, hub.login);
  await client.put('/a', Buffer.from('one'));
  t.is((await ask(client, 'hardlink@openssh.com', string('/a'), string('/b'))).code, STATUS.OK);
  t.is((await ask(client, 'hardlink@openssh.com', string('/a'), string('/b'))).code, STATUS.FAILURE);
  t.is((await ask(client, 'hardlink@openssh.com', string('/absent'), string('/c'))).code, STATUS.NO_SUCH_FILE);
  t.is((await client.get('/b')).toString(), 'one');
  t.is((await hub.event('file.linked')).data.path, '/b');
});

test('tells the space of a storage by path and by handle', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/a', Buffer.from('one'));
  const handle = await client.open('/a', OPEN.READ);
  const byPath = await ask(client, 'statvfs@openssh.com', string('/a'));
  const byHandle = await ask(client, 'fstatvfs@openssh.com', string(handle));
  for (const { type, body } of [byPath, byHandle]) {
    t.is(type, FXP.EXTENDED_REPLY);
    const values = Array.from({ length: 11 }, (_, index) => Number(body.readBigUInt64BE(8 * index)));
    t.is(values[1]! * values[2]!, 1024 ** 3);
    t.true(values[3]! < values[2]! && values[3]! >= values[2]! - 1);
    t.is(values[10], 255);
  }
  t.is((await ask(client, 'statvfs@openssh.com', string('/absent'))).code, STATUS.NO_SUCH_FILE);
});

test('sets the times of a link and leaves its file alone', async t => {
  const { login } = await startSftp(t, { storage: 'disk' });
  const client = await connect(t, login);
  await client.put('/target', Buffer.from('x'));
  await client.request(FXP.SYMLINK, string('target'), string('/link'));
  const times = Buffer.concat([u32(8), u32(1_000), u32(2_000)]);
  const mtime = async (type: number, path: string) => (await client.request(type, string(path))).body.subarray(-4).readUInt32BE();
  t.is((await ask(client, 'lsetstat@openssh.com', string('/link'), times)).code, STATUS.OK);
  t.is(await mtime(FXP.LSTAT, '/link'), 2_000);
  t.not(await mtime(FXP.STAT, '/target'), 2_000);
  t.is((await ask(client, 'lsetstat@openssh.com', string('/link'), u32(1), u64(3))).code, STATUS.BAD_MESSAGE);
  t.is((await ask(client, 'lsetstat@openssh.com', string('/absent'), u32(0))).code, STATUS.NO_SUCH_FILE);
});

test('copies ranges between open files, in order with what is written around them', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const content = randomBytes(700_001);
  await client.put('/from', content);
  const source = await client.open('/from', OPEN.READ);
  const target = await client.open('/to', CREATE | OPEN.READ);
  const copy = (from: number, length: number, to: number) =>
    ask(client, 'copy-data', string(source), u64(from), u64(length), string(target), u64(to));
  const answers = await Promise.all([
    client.request(FXP.WRITE, string(target), u64(0), string('head')),
    copy(0, 0, 4),
    client.request(FXP.WRITE, string(target), u64(2), string('AD..')),
    copy(700_000, 50, 10),
    copy(800_000, 0, 10),
    client.close(target),
  ]);
  t.deepEqual(
    answers.map(({ code }) => code),
    Array(6).fill(STATUS.OK),
  );
  const wanted = Buffer.concat([Buffer.from('head'), content]);
  wanted.write('AD..', 2);
  wanted[10] = content[700_000]!;
  t.true((await client.get('/to')).equals(wanted));
});

test('copies nothing where a handle does not allow it', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/a', Buffer.from('a'));
  await client.put('/b', Buffer.from('b'));
  const [readA, readB, appendB, writeB] = [
    await client.open('/a', OPEN.READ),
    await client.open('/b', OPEN.READ),
    await client.open('/b', OPEN.WRITE | OPEN.APPEND),
    await client.open('/b', OPEN.WRITE),
  ];
  const copy = async (from: Buffer, to: Buffer) => (await ask(client, 'copy-data', string(from), u64(0), u64(0), string(to), u64(0))).code;
  t.is(await copy(readA, readB), STATUS.PERMISSION_DENIED);
  t.is(await copy(readA, appendB), STATUS.FAILURE);
  t.is(await copy(readB, writeB), STATUS.FAILURE, 'one file twice');
  t.is(await copy(readA, readA), STATUS.FAILURE);
  t.is(await copy(Buffer.alloc(8), writeB), STATUS.FAILURE);
  const wide = await ask(client, 'copy-data', string(readA), u64(2 ** 53 - 1), u64(2 ** 53 - 1), string(writeB), u64(0));
  t.is(wide.code, STATUS.OK, 'beyond the end there is nothing');
  for (const handle of [readA, readB, appendB, writeB]) await client.close(handle);
  t.is((await client.get('/b')).toString(), 'b');
});

test('expands ~ to the root, which is home, and tells of no other user', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const [path, expanded] of [
    ['~', '/'],
    ['~/a/../b', '/b'],
    ['~alice/b', '/b'],
    ['a/~', '/a/~'],
  ] as const) {
    const answer = await ask(client, 'expand-path@openssh.com', string(path));
    t.is(readString(answer.body, 4).toString(), expanded, path);
  }
  t.is((await ask(client, 'expand-path@openssh.com', string('~bob'))).code, STATUS.FAILURE);
  t.is(readString((await ask(client, 'home-directory', string('alice'))).body, 4).toString(), '/');
  t.is((await ask(client, 'home-directory', string('bob'))).code, STATUS.FAILURE);
});

test('answers owners by number with empty names', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const answer = await ask(client, 'users-groups-by-id@openssh.com', string(Buffer.concat([u32(0), u32(1_000)])), string(u32(7)));
  t.is(answer.body.toString('hex'), '00000008' + '0000000000000000' + '00000004' + '00000000');
  t.is((await ask(client, 'users-groups-by-id@openssh.com', string('abc'), string(''))).code, STATUS.BAD_MESSAGE);
});

test('digests files and ranges by name and by handle', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const content = randomBytes(600_000);
  await client.put('/f', content);
  const handle = await client.open('/f', OPEN.READ);
  const tail = (from: number, length: number, block: number) => [u64(from), u64(length), u32(block)];
  const byName = await ask(client, 'check-file-name', string('/f'), string('crc32,sha256,md5'), ...tail(0, 0, 0));
  t.deepEqual(byName.body, Buffer.concat([string('sha256'), hashed('sha256', content)]));
  const blocks = await ask(client, 'check-file-handle', string(handle), string('md5'), ...tail(100, 700, 256));
  const pieces = [content.subarray(100, 356), content.subarray(356, 612), content.subarray(612, 800)];
  t.deepEqual(blocks.body, Buffer.concat([string('md5'), hashed('md5', ...pieces)]));
  const titled = await ask(client, 'check-file', string(handle), string('sha1'), ...tail(0, 0, 0));
  t.deepEqual(titled.body, Buffer.concat([string('check-file'), string('sha1'), hashed('sha1', content)]));
  const code = async (...parts: readonly Buffer[]) => (await ask(client, 'check-file-name', ...parts)).code;
  t.is(await code(string('/f'), string('crc32'), ...tail(0, 0, 0)), STATUS.OP_UNSUPPORTED);
  t.is(await code(string('/f'), string('md5'), ...tail(0, 0, 255)), STATUS.BAD_MESSAGE);
  t.is(await code(string('/f'), string('md5'), ...tail(0, 0, 256)), STATUS.BAD_MESSAGE, 'more than 2,048 blocks');
  t.is(await code(string('/absent'), string('md5'), ...tail(0, 0, 0)), STATUS.NO_SUCH_FILE);
});

test('digests by MD5 only when the quick check agrees', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const content = randomBytes(5_000);
  await client.put('/f', content);
  const handle = await client.open('/f', OPEN.READ);
  const ranged = [u64(10), u64(3_000)];
  const wanted = hashed('md5', content.subarray(10, 3_010));
  const quick = hashed('md5', content.subarray(10, 2_058));
  const answers = await Promise.all([
    ask(client, 'md5-hash', string('/f'), ...ranged, string('')),
    ask(client, 'md5-hash', string('/f'), ...ranged, string(quick)),
    ask(client, 'md5-hash', string('/f'), ...ranged, string(wanted)),
    ask(client, 'md5-hash-handle', string(handle), ...ranged, string(quick)),
  ]);
  t.deepEqual(
    answers.map(({ body }) => body),
    [
      Buffer.concat([string('md5-hash'), string(wanted)]),
      Buffer.concat([string('md5-hash'), string(wanted)]),
      Buffer.concat([string('md5-hash'), string('')]),
      Buffer.concat([string('md5-hash-handle'), string(wanted)]),
    ],
  );
});

test('each request takes the rights that the manual says, and no others', async t => {
  const mounts = [{ path: '/', storage: 'memory', directory: '/shared' }];
  const user = (permissions: readonly Right[]) => ({ password: PASSWORD, mounts, permissions: { '/': [...permissions] } });
  const users = Object.fromEntries([
    ['full', user(RIGHTS)],
    ...RIGHTS.map(right => [right, user(RIGHTS.filter(other => other !== right))]),
  ]) as Record<string, TestUser>;
  const { login } = await startSftp(t, { users, values: { events: { record: [] } } });
  const full = await connect(t, { ...login, user: 'full' });
  t.deepEqual(await wrongRows({ ...login, user: 'full' }, undefined, full), []);
  for (const right of RIGHTS) t.deepEqual(await wrongRows({ ...login, user: right }, right, full), []);
});
