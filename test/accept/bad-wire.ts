import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { type Answer, Dropped, FXP, NO_ATTRS, OPEN, packet, RawSftp, STATUS, string, u32, u64 } from '../support/raw-sftp.js';
import type { Report } from './script.js';

/** How long the hub may take to answer or to drop a client that sends rubbish. */
const LIMIT_MS = 1_000;

/** Bytes that a client sends after the greeting, and whether it must be dropped for them. */
const PACKETS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['length 0', u32(0)],
  ['length 1 without an id', packet(FXP.STAT)],
  ['length 4 with half an id', Buffer.concat([u32(3), Buffer.of(FXP.STAT, 0, 0)])],
  ['length 2^18 + 1', Buffer.concat([u32(0x00_04_00_01), Buffer.of(FXP.STAT)])],
  ['length 2^31 - 1', Buffer.concat([u32(0x7f_ff_ff_ff), Buffer.of(FXP.STAT)])],
  ['length 2^31', Buffer.concat([u32(0x80_00_00_00), Buffer.of(FXP.STAT)])],
  ['length 2^32 - 1, the five bytes', Buffer.from('ffffffff03', 'hex')],
  ['a second INIT', packet(FXP.INIT, u32(3))],
  ['a string longer than its packet', packet(FXP.STAT, u32(1), u32(400), Buffer.from('/a'))],
  ['a string of 2^32 - 1 bytes', packet(FXP.STAT, u32(1), u32(0xff_ff_ff_ff), Buffer.from('/a'))],
  ['a string of 2^31 bytes', packet(FXP.OPENDIR, u32(1), u32(0x80_00_00_00))],
  ['OPEN without flags', packet(FXP.OPEN, u32(1), string('/a'))],
  ['OPEN with attributes cut off', packet(FXP.OPEN, u32(1), string('/a'), u32(OPEN.READ), u32(0x8000_000f))],
  ['SETSTAT with 2^32 - 1 extended attributes', packet(FXP.SETSTAT, u32(1), string('/a'), u32(0x8000_0000), u32(0xff_ff_ff_ff))],
  ['WRITE whose data is longer than its packet', packet(FXP.WRITE, u32(1), string('xxxx'), u64(0), u32(100_000), Buffer.from('short'))],
  ['READ cut off', packet(FXP.READ, u32(1), string('xxxx'), u32(1))],
  ['EXTENDED without a name', packet(FXP.EXTENDED, u32(1))],
  ['SYMLINK with one path', packet(FXP.SYMLINK, u32(1), string('/a'))],
  ['4,000 random bytes', Buffer.from(Array.from({ length: 4_000 }, (_, index) => (index * 167 + 13) % 251))],
];

const HANDLES = ['', 'a', '0', '__proto__', 'constructor', 'toString', '\u0000\u0000\u0000\u0000', 'h'.repeat(256), 'h'.repeat(5_000)];

/** Sends what no client should send, beside a client that behaves and must not notice. */
export async function checkWire(report: Report, hub: HubProcess, account: Account): Promise<void> {
  const login = { port: hub.port, user: account.user, password: account.password ?? '' };
  const bystander = await RawSftp.connect(login);
  await bystander.put('/bystander.txt', Buffer.from('unmoved'));
  const undisturbed = async () => {
    assert.ok(hub.alive, `the hub died:\n${hub.log.slice(-2_000)}`);
    assert.equal((await within(bystander.get('/bystander.txt'), 'the bystander')).toString(), 'unmoved');
  };

  await report.check('malformed packets are answered or their sender is dropped within 1 s', async () => {
    const [answered, dropped, slowest] = await sendPackets(login, undisturbed);
    return `${PACKETS.length} packets: ${answered} answered, ${dropped} dropped, slowest ${slowest.toFixed(0)} ms`;
  });
  await report.check('unknown requests and extensions are refused as unsupported', async () => {
    const client = await RawSftp.connect(login);
    for (const type of [0, 21, 77, 99, 199, 255])
      assert.equal((await client.request(type, string('/'))).code, STATUS.OP_UNSUPPORTED, `type ${type}`);
    for (const name of ['nobody@example.com', '', '__proto__', 'constructor']) {
      assert.equal((await client.request(FXP.EXTENDED, string(name), string('/'))).code, STATUS.OP_UNSUPPORTED, `extension ${name}`);
    }
    client.end();
  });
  await report.check('handles that were never given, closed ones and those of others are refused', () => foreignHandles(login));
  await report.check('3,000 opens: a cap, and everybody else may still open', async () => {
    const client = await RawSftp.connect(login);
    const requests = Array.from({ length: 3_000 }, () => client.request(FXP.OPEN, string('/bystander.txt'), u32(OPEN.READ), NO_ATTRS));
    const answers = await settle(requests, 20_000);
    const opened = answers.filter(answer => answer?.type === FXP.HANDLE).length;
    assert.ok(opened > 0 && opened < 3_000, `${opened} were opened`);
    await undisturbed();
    client.cut();
    return `${opened} opened`;
  });
  await report.check('5,000 requests in flight: all answered or the sender dropped', async () => {
    const client = await RawSftp.connect(login);
    const answers = await settle(
      Array.from({ length: 5_000 }, () => client.request(FXP.STAT, string('/bystander.txt'))),
      20_000,
    );
    assert.ok(answers.every(answer => answer === undefined) || answers.every(answer => answer?.type === FXP.ATTRS));
    await undisturbed();
    client.cut();
  });
  await report.check('a client that asks for 64 MiB and never reads does not fill the memory', () => neverReads(hub, login, undisturbed));
  await report.check('memory is flat after 500 rude clients', () => manyRude(hub, login, undisturbed));
  bystander.end();
}

type Login = Parameters<typeof RawSftp.connect>[0];

async function sendPackets(
  login: Login,
  undisturbed: () => Promise<void>,
): Promise<[answered: number, dropped: number, slowestMs: number]> {
  let [answered, dropped, slowest] = [0, 0, 0];
  for (const [name, bytes] of PACKETS) {
    const client = await RawSftp.connect(login);
    const answer = new Promise<'answered'>(resolve => client.channel.once('data', () => resolve('answered')));
    const began = performance.now();
    client.send(bytes);
    // A packet that is not whole yet may be waited for; what follows makes it whole, and wrong.
    client.send(Buffer.alloc(64, 0xff));
    const outcome = await within(Promise.race([answer, client.dropped().then(() => 'dropped' as const)]), name);
    slowest = Math.max(slowest, performance.now() - began);
    if (outcome === 'answered') answered += 1;
    else dropped += 1;
    client.cut();
    await undisturbed();
  }
  return [answered, dropped, slowest];
}

/** Asks with handles that were never given, closed ones and those of another session: all must be refused. */
export async function foreignHandles(login: Login): Promise<string> {
  const [owner, thief] = [await RawSftp.connect(login), await RawSftp.connect(login)];
  const open = await owner.open('/bystander.txt', OPEN.READ);
  const closed = await thief.open('/bystander.txt', OPEN.READ);
  await thief.close(closed);
  // The owner's handle is a number of his; the thief has none open.
  const handles = [...HANDLES.map(handle => Buffer.from(handle)), closed, open];
  const requests = (handle: Buffer): Promise<Answer>[] => [
    thief.request(FXP.READ, string(handle), u64(0), u32(10)),
    thief.request(FXP.WRITE, string(handle), u64(0), string('x')),
    thief.request(FXP.FSTAT, string(handle)),
    thief.request(FXP.FSETSTAT, string(handle), NO_ATTRS),
    thief.request(FXP.READDIR, string(handle)),
    thief.request(FXP.CLOSE, string(handle)),
  ];
  let count = 0;
  for (const handle of handles) {
    for (const answer of await Promise.all(requests(handle))) {
      count += 1;
      assert.ok(
        answer.type === FXP.STATUS && answer.code !== STATUS.OK && answer.code !== STATUS.EOF,
        `handle ${handle.toString('hex').slice(0, 20)}: ${answer.type}/${answer.code}`,
      );
    }
  }
  assert.equal((await owner.request(FXP.READ, string(open), u64(0), u32(10))).type, FXP.DATA, "the owner's handle still works");
  owner.end();
  thief.end();
  return `${count} refused`;
}

async function neverReads(hub: HubProcess, login: Login, undisturbed: () => Promise<void>): Promise<string> {
  const client = await RawSftp.connect(login);
  await client.put('/large.bin', Buffer.alloc(2 ** 20));
  const handle = await client.open('/large.bin', OPEN.READ);
  const before = await hub.memoryMiB('VmRSS');
  client.channel.pause();
  for (let index = 0; index < 2_000; index += 1) client.request(FXP.READ, string(handle), u64(0), u32(32_768)).catch(() => {});
  await sleep(1_500);
  const grown = (await hub.memoryMiB('VmRSS')) - before;
  await undisturbed();
  client.cut();
  assert.ok(grown < 48, `the memory grew by ${grown.toFixed(0)} MiB`);
  return `${grown.toFixed(0)} MiB more`;
}

async function manyRude(hub: HubProcess, login: Login, undisturbed: () => Promise<void>): Promise<string> {
  const round = async (count: number) => {
    for (let index = 0; index < count; index += 10) {
      await Promise.all(
        Array.from({ length: 10 }, async (_, offset) => {
          const client = await RawSftp.connect(login);
          client.send(PACKETS[(index + offset) % PACKETS.length]![1]);
          await sleep(5);
          client.cut();
        }),
      );
    }
  };
  await round(100);
  const before = await hub.memoryMiB('VmRSS');
  await round(400);
  await undisturbed();
  const grown = (await hub.memoryMiB('VmRSS')) - before;
  assert.ok(grown < 48, `the memory grew by ${grown.toFixed(0)} MiB`);
  return `${grown.toFixed(0)} MiB more`;
}

/** The answers; undefined for those that never come because the client was dropped. */
function settle(requests: readonly Promise<Answer>[], limitMs: number): Promise<(Answer | undefined)[]> {
  const calm = requests.map(request =>
    request.catch(error => {
      if (error instanceof Dropped) return undefined;
      throw error;
    }),
  );
  return within(Promise.all(calm), 'the answers', limitMs);
}

async function within<T>(promise: Promise<T>, what: string, limitMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: neither answered nor dropped within ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
