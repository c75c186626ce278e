import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { UploadRepository } from '#core/db/uploads.js';
import { until } from '../../support/children.js';
import { Clients } from '../../support/clients.js';
import type { TestHub } from '../../support/hub.js';
import { FXP, NO_ATTRS, OPEN, type RawSftp, STATUS, string, u32, u64 } from '../../support/raw-sftp.js';
import { connect, PASSWORD, startSftp } from './support.js';

const shared = { password: PASSWORD, mounts: [{ path: '/', storage: 'data', directory: '/both' }] };
const users = { alice: shared, bob: shared };

const kept = ({ hub }: Pick<TestHub, 'hub'>) => until('the upload is kept', async () => (await hub.get(UploadRepository).list())[0]);

/** Uploads `bytes` of `content` and loses the connection without CLOSE. */
async function sendHalf(client: RawSftp, path: string, content: Buffer, bytes: number): Promise<void> {
  const handle = await client.open(path, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
  for (let offset = 0; offset < bytes; offset += 32_768) {
    const piece = content.subarray(offset, Math.min(offset + 32_768, bytes));
    await client.request(FXP.WRITE, string(handle), u64(offset), string(piece));
  }
  await client.request(FXP.FSTAT, string(handle));
  client.cut();
}

/** The size in the answer to STAT or LSTAT; the status where that is refused. */
async function sizeOf(client: RawSftp, path: string, request: number = FXP.STAT): Promise<number | string> {
  const answer = await client.request(request, string(path));
  return answer.type === FXP.STATUS ? `status ${answer.code}` : Number(answer.body.readBigUInt64BE(4));
}

test('a cut connection leaves the upload to its user, by STAT, LSTAT and OPEN without TRUNC, or to append', async t => {
  const hub = await startSftp(t, { storage: 'disk', users });
  const content = randomBytes(300_000);
  await sendHalf(await connect(t, hub.login), '/f', content, 100_000);
  await kept(hub);
  const [alice, bob] = [await connect(t, hub.login), await connect(t, { ...hub.login, user: 'bob' })];
  for (const request of [FXP.STAT, FXP.LSTAT]) {
    t.is(await sizeOf(alice, '/f', request), 100_000);
    t.is(await sizeOf(bob, '/f', request), `status ${STATUS.NO_SUCH_FILE}`);
  }
  t.deepEqual(await alice.list('/'), []);

  const handle = await alice.open('/f', OPEN.WRITE);
  await alice.request(FXP.WRITE, string(handle), u64(100_000), string(content.subarray(100_000, 120_000)));
  await alice.request(FXP.FSTAT, string(handle));
  alice.cut();
  await kept(hub);
  const again = await connect(t, hub.login);
  const appending = await again.open('/f', OPEN.WRITE | OPEN.APPEND);
  for (let offset = 120_000; offset < 300_000; offset += 30_000)
    await again.request(FXP.WRITE, string(appending), u64(0), string(content.subarray(offset, offset + 30_000)));
  t.is((await again.close(appending)).code, STATUS.OK);
  t.true(content.equals(await again.get('/f')));
  t.like((await hub.event('upload.completed')).data, { path: '/f', size: 300_000, bytes: 180_000 });
});

test('all that was answered is kept, however soon the connection is cut after it', async t => {
  const hub = await startSftp(t, { storage: 'disk', users });
  // More than is at the storage at a time.
  const count = 15;
  const piece = randomBytes(255 * 1024);
  for (let round = 0; round < 10; round++) {
    const client = await connect(t, hub.login);
    const handle = await client.open(`/f${round}`, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
    const write = (index: number) => client.request(FXP.WRITE, string(handle), u64(index * piece.length), string(piece));
    await Promise.all(Array.from({ length: count }, (_, index) => write(index)));
    client.cut();
    const all = await until('the upload is kept', async () => {
      const uploads = await hub.hub.get(UploadRepository).list();
      return uploads.length > round ? uploads : undefined;
    });
    t.deepEqual(
      all.map(({ size }) => size),
      all.map(() => count * piece.length),
    );
  }
});

test('a subsystem that ends with an upload open leaves it to its user', async t => {
  const hub = await startSftp(t, { storage: 'disk', users });
  const client = await connect(t, hub.login);
  const answer = await client.request(FXP.OPEN, string('/f'), u32(OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE), NO_ATTRS);
  const handle = answer.body.subarray(4, 4 + answer.body.readUInt32BE(0));
  await client.request(FXP.WRITE, string(handle), u64(0), string('half'));
  client.channel.end();
  t.is((await kept(hub)).size, 4);
});

test("OpenSSH's reput and put -a, and lftp's put -c go on where a client was killed", async t => {
  const hub = await startSftp(t, { storage: 'disk', users });
  const clients = await Clients.create();
  const content = randomBytes(5_000_000);
  const file = join(clients.home, 'file');
  await writeFile(file, content);
  const account = { port: hub.port('sftp'), user: 'alice', password: PASSWORD };
  const ways = {
    '/reput': () => clients.sftp(account, [`reput ${file} /reput`]),
    '/put-a': () => clients.sftp(account, [`put -a ${file} /put-a`]),
    '/lftp': () => clients.lftp(account, `put -c ${file} -o /lftp`),
  };
  for (const [path, resume] of Object.entries(ways)) {
    await sendHalf(await connect(t, hub.login), path, content, 3_000_000);
    await kept(hub);
    const outcome = await resume();
    t.is(outcome.code, 0, outcome.output);
    t.true(content.equals(await readFile(join(hub.dataDirectory, 'files/both', path))));
    const done = await hub.event('upload.completed', ({ data }) => data.path === path);
    t.like(done.data, { size: 5_000_000, bytes: 2_000_000 });
    t.deepEqual(await hub.hub.get(UploadRepository).list(), []);
  }
  t.deepEqual(await readdir(join(hub.dataDirectory, 'files/.entrepot')), []);
});
