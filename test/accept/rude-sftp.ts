import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bystander, percentile } from '../support/bystander.js';
import type { Clients } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { Mutations } from '../support/mutations.js';
import {
  type Answer,
  Dropped,
  FXP,
  type Login,
  NO_ATTRS,
  OPEN,
  packet,
  RawSftp,
  readString,
  STATUS,
  string,
  u32,
  u64,
} from '../support/raw-sftp.js';
import { foreignHandles } from './bad-wire.js';
import type { Report, Scale } from './script.js';

/** A hub, whom strangers attack it as, and a user beside them. */
export interface Scene {
  readonly hub: HubProcess;
  /** What the hub has of the machine's memory when its garbage is collected, in MiB. */
  readonly keptMiB: () => Promise<number>;
  readonly clients: Clients;
  /** Logs in by a key, which is quick. */
  readonly mallory: Login;
  readonly malloryKeyFile: string;
  readonly alice: Login;
  readonly scale: Scale;
}

const LENGTHS = [0, 0x00_04_00_01, 0x0100_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/** Mutated packets after which it is asked whether the server goes on. */
const BATCH = 50;
const READ_BYTES = 261_120;
const MAX_ANSWER_BYTES = 256 * 1024;

/** T10 to T13 and T18: lengths, handles, listings, pipelines. */
export async function checkRudeSftp(report: Report, scene: Scene): Promise<void> {
  await report.check('T11 256 handles a session and 1,024 a user, and a login of another is as quick as before', () => handles(scene));
  await report.check('T12 a large directory is listed in small answers', () => largeDirectory(scene));
  await report.check('T13 5,000 requests without waiting for an answer', () => pipeline(scene));
  await report.check('T13 a client that asks for 10 GiB and reads nothing', () => neverReads(scene));
  await report.check('T13 key exchanges in mid-transfer, and a file each way', () => rekeying(scene));
  await report.check('T18 handles of others, closed ones and invented ones', async () => {
    const client = await RawSftp.connect(scene.mallory);
    await client.put('/bystander.txt', Buffer.from('x'));
    client.cut();
    return foreignHandles(scene.mallory);
  });
  await report.check('T10 lengths no packet may have, and strings and attributes that contradict theirs', () => lengthBombs(scene));
}

/** Packets that were changed at random: the hub goes on, for others too, and keeps its memory. */
export async function checkMutations(report: Report, scene: Scene): Promise<void> {
  const count = scene.scale === 'full' ? 50_000 : 5_000;
  await report.check(`${count} mutated packets: no restart, no hang, and the memory stays`, async () => {
    const { pid } = scene.hub;
    const mutator = new Mutator(scene.mallory, 20_261_124);
    await mutator.send(2_000);
    const before = await scene.keptMiB();
    const bystander = await Bystander.start(scene.alice);
    await mutator.send(count);
    const figures = await bystander.stop();
    assert.ok(scene.hub.alive && scene.hub.pid === pid, scene.hub.log.slice(-2_000));
    const grown = (await scene.keptMiB()) - before;
    assert.ok(grown < 20, `the memory grew by ${grown.toFixed(1)} MiB`);
    assert.ok(!/"level":(50|60)|ERROR|FATAL/.test(scene.hub.log), errorsOf(scene.hub.log));
    return `${mutator.connections} connections, ${mutator.dropped} dropped; ${figures}; ${grown.toFixed(1)} MiB more`;
  });
}

/** The memory of a hub once it is quiet: the least of some seconds. */
export async function settledMiB(hub: HubProcess, seconds = 4): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let times = 0; times < seconds * 2; times++) {
    await sleep(500);
    least = Math.min(least, await hub.memoryMiB('VmRSS'));
  }
  return least;
}

class Mutator {
  connections = 0;
  dropped = 0;
  readonly #mutations: Mutations;

  constructor(
    private readonly login: Login,
    seed: number,
  ) {
    this.#mutations = new Mutations(seed);
  }

  async send(count: number): Promise<void> {
    for (let sent = 0; sent < count; ) {
      const client = await RawSftp.connect(this.login);
      this.connections++;
      try {
        for (let batch = 0; batch < 20 && sent < count && client.alive; batch++) {
          sent += BATCH;
          await this.#batch(client);
        }
      } catch (error) {
        // The change may have hit the number of a request, or what the file was.
        if (!(error instanceof Dropped) && !/^open:/.test(String((error as Error).message))) throw error;
      }
      if (!client.alive) this.dropped++;
      client.cut();
    }
  }

  async #batch(client: RawSftp): Promise<void> {
    const handle = await within(client.open(`/own-${this.connections}`, OPEN.READ | OPEN.WRITE | OPEN.CREATE), 'open');
    const packets = Array.from({ length: BATCH }, () => this.#mutations.next(handle));
    for (const bytes of packets) client.send(bytes);
    const answered = Promise.race([client.request(FXP.REALPATH, string('/')), client.dropped()]).catch(() => undefined);
    const timer = setTimeout(() => {
      // It may wait for the rest of a packet, which this makes whole, and what follows wrong.
      for (let at = 0; at < 2 * MAX_ANSWER_BYTES; at += 32_768) client.send(Buffer.alloc(32_768));
    }, 300);
    await within(answered, 'the answer to what follows').finally(() => clearTimeout(timer));
  }
}

async function lengthBombs({ keptMiB, mallory, alice, scale }: Scene): Promise<string> {
  const [repeats, warm] = scale === 'full' ? [1_000, 200] : [100, 50];
  const bystander = await Bystander.start(alice);
  let slowest = 0;
  const attack = async (index: number) => {
    const client = await RawSftp.connect(mallory);
    const began = performance.now();
    client.send(Buffer.concat([u32(LENGTHS[index % LENGTHS.length]!), Buffer.of(FXP.STAT)]));
    await within(client.dropped(), 'being dropped', 1_000);
    slowest = Math.max(slowest, performance.now() - began);
    client.cut();
  };
  for (let index = 0; index < warm; index++) await attack(index);
  const before = await keptMiB();
  for (let index = 0; index < repeats; index++) await attack(index);
  const grown = (await keptMiB()) - before;
  const client = await RawSftp.connect(mallory);
  for (const bytes of [
    [FXP.STAT, u32(0xffff_ffff), Buffer.from('/a')],
    [FXP.OPENDIR, u32(0x8000_0000)],
    [FXP.SETSTAT, string('/a'), u32(1), u32(0)],
    [FXP.OPEN, string('/a')],
  ] as const)
    assert.equal((await client.request(bytes[0], ...bytes.slice(1).map(part => part as Buffer))).code, STATUS.BAD_MESSAGE);
  const many = await client.request(FXP.SETSTAT, string('/'), u32(0x8000_0000), u32(0xffff_ffff));
  assert.equal(many.type, FXP.STATUS);
  client.cut();
  const figures = await bystander.stop();
  assert.ok(grown < 5, `the memory grew by ${grown.toFixed(1)} MiB`);
  return `${repeats} dropped, the slowest after ${slowest.toFixed(0)} ms, ${grown.toFixed(1)} MiB more; ${figures}`;
}

async function handles({ hub, mallory, alice }: Scene): Promise<string> {
  const login = async () => {
    const began = performance.now();
    const client = await RawSftp.connect(alice);
    assert.equal((await client.request(FXP.STAT, string('/'))).type, FXP.ATTRS);
    client.cut();
    return performance.now() - began;
  };
  const logins = async () => {
    const times: number[] = [];
    for (let times_ = 0; times_ < 20; times_++) times.push(await login());
    return percentile(times, 0.99);
  };
  await logins();
  const idle = await logins();
  const owner = await RawSftp.connect(mallory);
  await owner.put('/h', Buffer.from('x'));
  const open = (client: RawSftp) => client.request(FXP.OPEN, string('/h'), u32(OPEN.READ), NO_ATTRS);
  const opened = (answers: readonly Answer[]) => answers.filter(({ type }) => type === FXP.HANDLE).length;
  const answers = await Promise.all(Array.from({ length: 3_000 }, () => open(owner)));
  assert.equal(opened(answers), 256);
  assert.ok(answers.every(({ type, code }) => type === FXP.HANDLE || code === STATUS.FAILURE));
  const others: RawSftp[] = [];
  let all = 256;
  for (let session = 0; session < 19; session++) {
    const client = await RawSftp.connect(mallory);
    others.push(client);
    all += opened(await Promise.all(Array.from({ length: 256 }, () => open(client))));
  }
  assert.equal(all, 1_024);
  const busy = await logins();
  for (const client of [owner, ...others]) client.cut();
  assert.ok(busy < Math.max(2 * idle, 100), `a login took ${busy.toFixed(0)} ms, ${idle.toFixed(0)} ms before`);
  const reasons = hub.log.split('\n').filter(line => /Too many open files: at most (256 in a session|1024 of a user)/.test(line)).length;
  assert.ok(reasons >= 3_000 - 256, `${reasons} lines say why`);
  return `${all} handles in 20 sessions; p99 of a login ${idle.toFixed(0)} ms before, ${busy.toFixed(0)} ms then`;
}

async function largeDirectory({ hub, mallory, scale }: Scene): Promise<string> {
  const count = scale === 'full' ? 100_000 : 5_000;
  const folder = join(hub.files, mallory.user, 'large');
  await mkdir(folder);
  const names = Array.from({ length: count }, (_, index) => join(folder, `an entry with a name of some length ${index}`));
  for (let at = 0; at < count; at += 500) await Promise.all(names.slice(at, at + 500).map(name => writeFile(name, '')));
  const before = await hub.memoryMiB('VmRSS');
  const client = await RawSftp.connect(mallory);
  const handle = readString((await client.request(FXP.OPENDIR, string('/large'))).body, 0);
  let [entries, largest, answers, most] = [0, 0, 0, 0];
  for (;;) {
    const answer = await client.request(FXP.READDIR, string(handle));
    if (answer.type !== FXP.NAME) break;
    answers++;
    entries += answer.body.readUInt32BE(0);
    assert.ok(answer.body.readUInt32BE(0) <= 100);
    largest = Math.max(largest, answer.body.length);
    if (answers % 50 === 0) most = Math.max(most, (await hub.memoryMiB('VmRSS')) - before);
  }
  client.cut();
  assert.equal(entries, count);
  assert.ok(largest <= MAX_ANSWER_BYTES && most < 50, `${largest} bytes, ${most.toFixed(0)} MiB more`);
  return `${entries} entries in ${answers} answers of at most ${largest} bytes; ${most.toFixed(1)} MiB more`;
}

async function pipeline({ mallory, alice }: Scene): Promise<string> {
  const bystander = await Bystander.start(alice);
  const client = await RawSftp.connect(mallory);
  const answers = await within(
    Promise.all(Array.from({ length: 5_000 }, () => client.request(FXP.STAT, string('/')))),
    'the answers',
    20_000,
  );
  assert.ok(answers.every(({ type }) => type === FXP.ATTRS));
  client.cut();
  return bystander.stop();
}

/** Both kinds of READ: as much as there is, and one byte, whose answers cost more than they hold. */
async function neverReads({ hub, mallory, alice }: Scene): Promise<string> {
  const figures: string[] = [];
  for (const [name, length] of [
    ['all', READ_BYTES],
    ['a byte', 1],
  ] as const) {
    const client = await RawSftp.connect(mallory);
    await client.put('/large.bin', Buffer.alloc(2 ** 20));
    const handle = await client.open('/large.bin', OPEN.READ);
    const before = await settledMiB(hub, 2);
    const bystander = await Bystander.start(alice);
    client.channel.pause();
    for (let id = 0; id < 41_000; id++) client.send(packet(FXP.READ, u32(id), string(handle), u64(0), u32(length)));
    await sleep(3_000);
    const grown = (await hub.memoryMiB('VmRSS')) - before;
    await bystander.stop();
    client.cut();
    figures.push(`READs of ${name}: ${grown.toFixed(1)} MiB more`);
    assert.ok(grown < 16, figures.at(-1));
  }
  return figures.join(', ');
}

async function rekeying({ hub, clients, mallory, malloryKeyFile, scale }: Scene): Promise<string> {
  const content = randomBytes((scale === 'full' ? 100 : 16) * 2 ** 20);
  const [file, back] = [join(clients.home, 'rekeyed'), join(clients.home, 'rekeyed.back')];
  await writeFile(file, content);
  const account = { port: hub.port, user: mallory.user, keyFile: malloryKeyFile };
  const outcome = await clients.sftp(account, [`put ${file} /rekeyed`, `get /rekeyed ${back}`], ['-oRekeyLimit=64K'], 200_000);
  assert.equal(outcome.code, 0, outcome.output);
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  assert.equal(digest(await readFile(back)), digest(content));
  return `${content.length / 2 ** 20} MiB each way, a key exchange every 64 KiB`;
}

async function within<T>(promise: Promise<T>, what: string, limitMs = 5_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function errorsOf(log: string): string {
  return log
    .split('\n')
    .filter(line => /"level":(50|60)|ERROR|FATAL/.test(line))
    .slice(0, 5)
    .join('\n');
}
