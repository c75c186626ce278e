import { randomBytes } from 'node:crypto';
import test from 'ava';
import { FXP, NO_ATTRS, OPEN, type RawSftp, readString, STATUS, string, u32, u64 } from '../../support/raw-sftp.js';
import { connect, startSftp } from './support.js';

const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

/** Attributes of an ATTRS answer without owners. */
function attributes(body: Buffer) {
  const flags = body.readUInt32BE(0);
  const after = flags & 2 ? 20 : 12;
  return {
    size: Number(body.readBigUInt64BE(4)),
    mode: body.readUInt32BE(after),
    atime: body.readUInt32BE(after + 4),
    mtime: body.readUInt32BE(after + 8),
  };
}

async function stat(client: RawSftp, path: string) {
  const answer = await client.request(FXP.STAT, string(path));
  return attributes(answer.body);
}

test('announces version 3 and the extensions that work', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login, false);
  const version = new Promise<Buffer>(resolve => client.channel.once('data', resolve));
  client.send(Buffer.from('000000050100000006', 'hex'));
  const bytes = await version;
  t.is(bytes[4], FXP.VERSION);
  t.is(bytes.readUInt32BE(5), 3);
  const text = bytes.toString('latin1');
  for (const name of ['posix-rename@openssh.com', 'fsync@openssh.com', 'limits@openssh.com']) t.true(text.includes(name), name);
});

test('gives back what was written, with one event for the upload', async t => {
  const hub = await startSftp(t);
  const client = await connect(t, hub.login);
  const content = randomBytes(1_000_003);
  await client.put('/a.bin', content);
  t.deepEqual(await client.get('/a.bin'), content);
  const event = await hub.event('upload.completed');
  t.is(event.data.path, '/a.bin');
  t.is(event.data.size, content.length);
});

test('takes 255 KiB in one WRITE and gives them in one READ, as limits@openssh.com says', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const limits = await client.request(FXP.EXTENDED, string('limits@openssh.com'));
  t.is(limits.type, FXP.EXTENDED_REPLY);
  t.deepEqual(
    [0, 8, 16, 24].map(at => Number(limits.body.readBigUInt64BE(at))),
    [262_144, 261_120, 261_120, 256],
  );
  const content = randomBytes(261_120);
  const handle = await client.open('/big', CREATE | OPEN.READ);
  t.is((await client.request(FXP.WRITE, string(handle), u64(0), string(content))).code, STATUS.OK);
  const read = await client.request(FXP.READ, string(handle), u64(0), u32(4_000_000));
  t.deepEqual(readString(read.body, 0), content);
  t.is((await client.request(FXP.READ, string(handle), u64(content.length), u32(1))).code, STATUS.EOF);
  t.is((await client.close(handle)).code, STATUS.OK);
});

test('puts pieces in their places when they come out of order', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const content = randomBytes(50_000);
  const handle = await client.open('/shuffled', CREATE);
  const places = [3, 0, 4, 1, 2].map(index => index * 10_000);
  const answers = await Promise.all(
    places.map(at => client.request(FXP.WRITE, string(handle), u64(at), string(content.subarray(at, at + 10_000)))),
  );
  t.true(answers.every(answer => answer.code === STATUS.OK));
  await client.close(handle);
  t.deepEqual(await client.get('/shuffled'), content);
});

test('appends to the end whatever the offset', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/log', Buffer.from('one\n'));
  const handle = await client.open('/log', OPEN.WRITE | OPEN.APPEND);
  await Promise.all([
    client.request(FXP.WRITE, string(handle), u64(0), string('two\n')),
    client.request(FXP.WRITE, string(handle), u64(0), string('three\n')),
  ]);
  t.is((await client.close(handle)).code, STATUS.OK);
  t.is((await client.get('/log')).toString(), 'one\ntwo\nthree\n');
});

test('keeps what was there when a file is opened without truncating', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/part', Buffer.from('0123456789'));
  const handle = await client.open('/part', OPEN.WRITE | OPEN.CREATE);
  await client.request(FXP.WRITE, string(handle), u64(8), string('XYZ'));
  await client.close(handle);
  t.is((await client.get('/part')).toString(), '01234567XYZ');
});

test('refuses flags that contradict each other or the file', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  await client.put('/there', Buffer.from('x'));
  const open = async (path: string, flags: number) => (await client.request(FXP.OPEN, string(path), u32(flags), NO_ATTRS)).code;
  t.is(await open('/there', OPEN.WRITE | OPEN.CREATE | OPEN.EXCLUSIVE), STATUS.FAILURE);
  t.is(await open('/absent', OPEN.READ), STATUS.NO_SUCH_FILE);
  t.is(await open('/absent', OPEN.WRITE), STATUS.NO_SUCH_FILE);
  t.is(await open('/there', OPEN.READ | OPEN.TRUNCATE), STATUS.BAD_MESSAGE);
  t.is(await open('/', OPEN.READ), STATUS.FAILURE);
  t.is((await client.get('/there')).toString(), 'x');
});

test('makes, renames, lists and removes directories and files', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const code = async (type: number, ...parts: Buffer[]) => (await client.request(type, ...parts)).code;
  t.is(await code(FXP.MKDIR, string('/d'), NO_ATTRS), STATUS.OK);
  t.is(await code(FXP.MKDIR, string('/d'), NO_ATTRS), STATUS.FAILURE);
  await client.put('/d/a', Buffer.from('a'));
  await client.put('/d/b', Buffer.from('b'));
  t.is(await code(FXP.RENAME, string('/d/a'), string('/d/b')), STATUS.FAILURE, 'plain RENAME replaces nothing');
  t.is(await code(FXP.EXTENDED, string('posix-rename@openssh.com'), string('/d/a'), string('/d/b')), STATUS.OK);
  t.deepEqual(await client.list('/d'), [Buffer.from('b')]);
  t.is((await client.get('/d/b')).toString(), 'a');
  t.is(await code(FXP.RMDIR, string('/d')), STATUS.FAILURE, 'not empty');
  t.is(await code(FXP.REMOVE, string('/d')), STATUS.FAILURE, 'a directory is no file');
  t.is(await code(FXP.REMOVE, string('/d/b')), STATUS.OK);
  t.is(await code(FXP.RMDIR, string('/d')), STATUS.OK);
  t.is(await code(FXP.STAT, string('/d')), STATUS.NO_SUCH_FILE);
  t.is(await code(FXP.OPENDIR, string('/d')), STATUS.NO_SUCH_FILE);
});

test('describes files by path and by handle, and changes size and times', async t => {
  const { login } = await startSftp(t, { storage: 'disk' });
  const client = await connect(t, login);
  await client.put('/f', Buffer.from('0123456789'));
  t.is((await stat(client, '/f')).size, 10);
  const times = Buffer.concat([u32(8), u32(1_600_000_000), u32(1_500_000_000)]);
  t.is((await client.request(FXP.SETSTAT, string('/f'), times)).code, STATUS.OK);
  t.is((await client.request(FXP.SETSTAT, string('/f'), Buffer.concat([u32(1), u64(4)]))).code, STATUS.OK);
  t.is((await stat(client, '/f')).size, 4);
  const handle = await client.open('/f', OPEN.WRITE | OPEN.READ);
  t.is((await client.request(FXP.FSETSTAT, string(handle), Buffer.concat([u32(1), u64(6)]))).code, STATUS.OK);
  t.is((await client.request(FXP.FSETSTAT, string(handle), times)).code, STATUS.OK);
  const info = attributes((await client.request(FXP.FSTAT, string(handle))).body);
  t.is(info.size, 6);
  t.is(info.mtime, 1_500_000_000);
  t.is((await client.request(FXP.EXTENDED, string('fsync@openssh.com'), string(handle))).code, STATUS.OK);
  t.is((await client.close(handle)).code, STATUS.OK);
  t.is((await client.get('/f')).toString('hex'), '303132330000');
  t.is((await stat(client, '/')).mode & 0o170000, 0o040000);
});

test('makes links with the target first, as OpenSSH sends them', async t => {
  const { login } = await startSftp(t, { storage: 'disk' });
  const client = await connect(t, login);
  await client.put('/target', Buffer.from('x'));
  t.is((await client.request(FXP.SYMLINK, string('target'), string('/link'))).code, STATUS.OK);
  const read = await client.request(FXP.READLINK, string('/link'));
  t.is(read.type, FXP.NAME);
  t.is(readString(read.body, 4).toString(), 'target');
  const info = attributes((await client.request(FXP.LSTAT, string('/link'))).body);
  t.is(info.mode & 0o170000, 0o120000);
});

test('answers REALPATH with the normal form of any path', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const [path, normal] of [
    ['.', '/'],
    ['/a/../../b//c/.', '/b/c'],
    ['x', '/x'],
    ['/ü\u0301', '/ü\u0301'],
  ] as const) {
    const answer = await client.request(FXP.REALPATH, string(path));
    t.is(readString(answer.body, 4).toString(), normal);
  }
});

test('refuses names that are no UTF-8 or hold a NUL, and never repairs them', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  for (const name of [Buffer.from('2fff', 'hex'), Buffer.from('/a\0b'), Buffer.from('2fc080', 'hex'), Buffer.from('2feda080', 'hex')]) {
    for (const type of [FXP.STAT, FXP.LSTAT, FXP.OPENDIR, FXP.REMOVE, FXP.RMDIR, FXP.REALPATH, FXP.READLINK]) {
      t.is((await client.request(type, string(name))).code, STATUS.BAD_MESSAGE, `${type} ${name.toString('hex')}`);
    }
    t.is((await client.request(FXP.MKDIR, string(name), NO_ATTRS)).code, STATUS.BAD_MESSAGE);
    t.is((await client.request(FXP.OPEN, string(name), u32(CREATE), NO_ATTRS)).code, STATUS.BAD_MESSAGE);
    t.is((await client.request(FXP.RENAME, string('/'), string(name))).code, STATUS.BAD_MESSAGE);
  }
  t.deepEqual(await client.list('/'), []);
});

test('keeps the order of requests that are sent without waiting', async t => {
  const { login } = await startSftp(t, { storage: 'disk' });
  const client = await connect(t, login);
  const handle = await client.open('/.part', CREATE);
  const answers = await Promise.all([
    client.request(FXP.WRITE, string(handle), u64(0), string('first')),
    client.request(FXP.WRITE, string(handle), u64(5), string(' second')),
    client.request(FXP.FSETSTAT, string(handle), Buffer.concat([u32(8), u32(1_000), u32(1_000)])),
    client.request(FXP.CLOSE, string(handle)),
    client.request(FXP.MKDIR, string('/new'), NO_ATTRS),
    client.request(FXP.RENAME, string('/.part'), string('/new/name')),
    client.request(FXP.STAT, string('/new/name')),
    client.request(FXP.REMOVE, string('/new/name')),
    client.request(FXP.RMDIR, string('/new')),
    client.request(FXP.STAT, string('/new')),
  ]);
  t.deepEqual(
    answers.map(answer => (answer.type === FXP.STATUS ? answer.code : 'attributes')),
    [STATUS.OK, STATUS.OK, STATUS.OK, STATUS.OK, STATUS.OK, STATUS.OK, 'attributes', STATUS.OK, STATUS.OK, STATUS.NO_SUCH_FILE],
  );
});

test('reads what was written before on the same handle', async t => {
  const { login } = await startSftp(t);
  const client = await connect(t, login);
  const handle = await client.open('/both', CREATE | OPEN.READ);
  const [, read, info] = await Promise.all([
    client.request(FXP.WRITE, string(handle), u64(0), string('fresh')),
    client.request(FXP.READ, string(handle), u64(0), u32(100)),
    client.request(FXP.FSTAT, string(handle)),
  ]);
  t.is(readString(read.body, 0).toString(), 'fresh');
  t.is(attributes(info.body).size, 5);
});

test('reads a directory of 5,000 entries in replies of at most 100 entries and 64 KiB', async t => {
  const hub = await startSftp(t);
  const files = await hub.files('alice');
  await files.mkdir('/many');
  for (let index = 0; index < 5_000; index += 1) await files.mkdir(`/many/${String(index).padStart(4, '0')}-${'x'.repeat(60)}`);
  const client = await connect(t, hub.login);
  const opened = await client.request(FXP.OPENDIR, string('/many'));
  const handle = readString(opened.body, 0);
  let count = 0;
  for (;;) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.request(FXP.READDIR, string(handle))));
    for (const answer of answers) {
      if (answer.type !== FXP.NAME) continue;
      t.true(answer.body.length <= 64 * 1024 && answer.body.readUInt32BE(0) <= 100);
      count += answer.body.readUInt32BE(0);
    }
    if (answers.some(answer => answer.code === STATUS.EOF)) break;
  }
  t.is(count, 5_000);
});
