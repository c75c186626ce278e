import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Answer, FXP, OPEN, type RawSftp, STATUS, string, u32, u64 } from '../../support/raw-sftp.js';
import { connect, startSftp } from './support.js';

const CIPHERS = ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr'];
const MEMORY = '/dev/shm';
const SIZE = 3_000_001;
const KIB = 1024;

/** A client of a hub that keeps files in memory where this machine has such a place: there, READs are answered together, from where they are sent. */
async function start(t: ExecutionContext, cipher = CIPHERS[0]!): Promise<RawSftp> {
  const dataDirectory = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'entrepot-reads-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  const hub = await startSftp(t, { storage: 'disk', dataDirectory, sftp: { algorithms: { ciphers: [cipher] } } });
  return connect(t, hub.login);
}

const read = (client: RawSftp, handle: Buffer, offset: number, length: number): Promise<Answer> =>
  client.request(FXP.READ, string(handle), u64(offset), u32(length));

/** Has what `ask` sends arrive at once. */
function together<T>(client: RawSftp, ask: () => T): T {
  const parts: Buffer[] = [];
  const { send } = client;
  client.send = bytes => void parts.push(bytes);
  const asked = ask();
  client.send = send;
  client.send(Buffer.concat(parts));
  return asked;
}

const dataOf = (answer: Answer): Buffer => answer.body.subarray(4, 4 + answer.body.readUInt32BE(0));

for (const cipher of CIPHERS) {
  test.serial(`READs that come together are answered whole and in order, whatever their lengths, by ${cipher}`, async t => {
    const client = await start(t, cipher);
    const content = randomBytes(SIZE);
    await client.put('/file', content);
    const handle = await client.open('/file', OPEN.READ);
    // Around the 32 KiB of a packet, so that heads and data begin and end at every place of one.
    const lengths = [
      1,
      13,
      32 * KIB,
      32 * KIB,
      32 * KIB - 13,
      32 * KIB - 14,
      7,
      32 * KIB - 20,
      32 * KIB - 6,
      255 * KIB,
      100 * KIB,
      4 * KIB,
    ];
    const order: number[] = [];
    for (const shift of [0, 5, 9]) {
      order.length = 0;
      const wanted = Array.from({ length: 60 }, (_, index) => ({
        offset: (index * 49_999) % SIZE,
        length: lengths[(index + shift) % lengths.length]! + (index % 5),
      }));
      const answers = await Promise.all(
        wanted.map(async ({ offset, length }, index) => {
          const answer = await read(client, handle, offset, length);
          order.push(index);
          return answer;
        }),
      );
      t.deepEqual(
        order,
        wanted.map((_, index) => index),
      );
      for (const [index, { offset, length }] of wanted.entries()) {
        const expected = content.subarray(offset, offset + Math.min(length, 255 * KIB));
        t.is(answers[index]!.type, FXP.DATA);
        if (!dataOf(answers[index]!).equals(expected)) t.fail(`READ of ${length} at ${offset}`);
      }
    }
  });
}

test.serial('among READs that come together, one beyond the end and one that is refused fail alone', async t => {
  const client = await start(t);
  const content = randomBytes(200 * KIB);
  await client.put('/file', content);
  const handle = await client.open('/file', OPEN.READ);
  const writing = await client.open('/other', OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
  const answers = await Promise.all([
    read(client, handle, 0, 32 * KIB),
    read(client, handle, content.length, 32 * KIB),
    read(client, handle, content.length - 5, 32 * KIB),
    read(client, writing, 0, 32 * KIB),
    read(client, handle, 1, 32 * KIB),
    read(client, Buffer.from('no handle'), 0, 32 * KIB),
    read(client, handle, 2, 32 * KIB),
  ]);
  t.deepEqual(
    answers.map(({ type, code }) => (type === FXP.DATA ? 'data' : code)),
    ['data', STATUS.EOF, 'data', STATUS.PERMISSION_DENIED, 'data', STATUS.FAILURE, 'data'],
  );
  t.deepEqual(dataOf(answers[2]!), content.subarray(-5));
  for (const [index, offset] of [
    [0, 0],
    [4, 1],
    [6, 2],
  ] as const)
    t.true(dataOf(answers[index]!).equals(content.subarray(offset, offset + 32 * KIB)));
});

test.serial('a READ tells what was there before the WRITE, and before the change of the size, that follow it at once', async t => {
  const client = await start(t);
  const [before, after] = [Buffer.alloc(64 * KIB, 'b'), Buffer.alloc(20 * KIB, 'a')];
  for (let round = 0; round < 20; round++) {
    await client.put('/file', before);
    const handle = await client.open('/file', OPEN.READ | OPEN.WRITE);
    const asked = together(client, () => [
      read(client, handle, 0, after.length),
      client.request(FXP.WRITE, string(handle), u64(0), string(after)),
      read(client, handle, 0, after.length),
      client.request(FXP.FSETSTAT, string(handle), u32(1), u64(10)),
    ]);
    const [first, , second] = await Promise.all(asked);
    t.true(dataOf(first!).equals(before.subarray(0, after.length)));
    t.true(dataOf(second!).equals(after));
    await client.close(handle);
  }
});

test.serial('a READ, and a CLOSE, that come together with the WRITE before them are answered', async t => {
  const client = await start(t);
  const content = Buffer.alloc(20 * KIB, 'c');
  for (let round = 0; round < 5; round++) {
    const handle = await client.open('/file', OPEN.READ | OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
    const write = (at: number) => client.request(FXP.WRITE, string(handle), u64(at), string(content));
    const [written, seen] = await Promise.all(together(client, () => [write(0), read(client, handle, 0, content.length)]));
    t.is(written!.code, STATUS.OK);
    t.deepEqual(dataOf(seen!), content);
    for (const { code } of await Promise.all(together(client, () => [write(content.length), client.close(handle)]))) t.is(code, STATUS.OK);
    t.is((await client.get('/file')).length, 2 * content.length);
  }
});
