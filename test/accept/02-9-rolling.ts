import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endNow, start, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import type { HubProcess } from '../support/hub-process.js';
import { type CollectedMemory, ProbedHub } from '../support/probed-hub.js';
import { FXP, type Login, NO_ATTRS, OPEN, RawSftp, string, u32, u64 } from '../support/raw-sftp.js';
import { tool } from '../support/tools.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
/** Connections that log in at a time: with the programs, fewer than an address may have. */
const LOGGING_IN = 6;
/** So many times that long until memory has to be level. */
const WARM_ROUNDS = 12;
const WARM_ROUND_MS = { short: 15_000, full: 25_000 } as const;
/** What the C library keeps of what was freed depends on how threads and sizes fell, and differs by a tenth from minute to minute. */
const FRUGAL_ALLOCATOR = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '65536' };
const CREATE = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE;

const script: AcceptScript = {
  id: '02.9',
  title: '200 connections come and go, many of them killed in mid-transfer, and nothing of them stays',
  alone: true,
  async run(report, scale) {
    const runMs = scale === 'full' ? 600_000 : 60_000;
    const scene = await Scene.start(false);
    await report.check(`${runMs / 1_000} s: descriptors, sessions and memory return to the start`, async () => {
      const before = await scene.warmUp(WARM_ROUND_MS[scale]);
      const rolling = await scene.roll(runMs, 0);
      const after = await scene.rest();
      const { hub } = scene;
      assert.ok(hub.alive, hub.log.slice(-2_000));
      assert.ok(rolling.refused.length < rolling.connections / 100, reasons(hub.log));
      const told = figures(before, after);
      assert.deepEqual(changes(before, after), [], told);
      return [
        `${rolling.connections} connections, up to ${rolling.most} at a time, ${rolling.cut} cut, ${rolling.killed} programs killed, ${rolling.refused.length} logins tried again`,
        told,
      ].join('; ');
    });
    await report.check('whoever comes next has all handles', async () => {
      const client = await RawSftp.connect(scene.login);
      await client.put('/last', Buffer.from('x'));
      const answers = await Promise.all(
        Array.from({ length: 256 }, () => client.request(FXP.OPEN, string('/last'), u32(OPEN.READ), NO_ATTRS)),
      );
      assert.ok(answers.every(({ type }) => type === FXP.HANDLE));
      client.cut();
    });
    await report.check('the hub stops in good order', async () => assert.equal(await scene.hub.stop(), 0));
    await report.check('control: a hub that keeps what it knew of its connections is found out in a fraction of that', async () => {
      const leaky = await Scene.start(true);
      await leaky.roll(0, 200);
      const before = await leaky.rest();
      await leaky.roll(0, 300);
      const after = await leaky.rest();
      await leaky.hub.kill();
      assert.ok(changes(before, after).includes('used memory'), figures(before, after));
      return figures(before, after);
    });
  },
};

/** A hub, and who comes to it. */
class Scene {
  private constructor(
    private readonly probed: ProbedHub,
    private readonly clients: Clients,
    private readonly key: string,
    private readonly file: string,
    readonly login: Login,
  ) {}

  static async start(leaky: boolean): Promise<Scene> {
    const probed = await ProbedHub.start({ ENTREPOT_LOG__FORMAT: 'json', ...FRUGAL_ALLOCATOR }, leaky);
    const clients = await Clients.create();
    const key = await clients.makeKey('alice');
    await probed.hub.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    const file = join(clients.home, 'file.bin');
    await writeFile(file, Buffer.alloc(16 * 2 ** 20, 'k'));
    return new Scene(probed, clients, key, file, { port: probed.hub.port, user: 'alice', privateKey: await readFile(key) });
  }

  get hub(): HubProcess {
    return this.probed.hub;
  }

  /** Has clients come and go for so long, and until there were so many. */
  async roll(forMs: number, connections: number): Promise<Rolling> {
    const rolling = new Rolling(this.login, index => this.#kill(index));
    await rolling.run(forMs, connections);
    return rolling;
  }

  /**
   * A hub serves for weeks: what the first connections have compiled, cached and pooled is what all the others use, and
   * allocators keep what the busiest moment took. Gives what it holds once that is level; throws when it never is.
   */
  async warmUp(roundMs: number): Promise<Rest> {
    let most: Rest | undefined;
    for (let round = 0; round < WARM_ROUNDS; round++) {
      await this.roll(roundMs, 0);
      const now = await this.rest();
      if (most && round >= 2 && now.residentMiB < most.residentMiB * 1.02) return now.residentMiB > most.residentMiB ? now : most;
      if (!most || now.residentMiB > most.residentMiB) most = now;
    }
    throw new Error(`the memory does not become level; ${most?.residentMiB.toFixed(1)} MiB in the end`);
  }

  /** What the hub holds when all clients are gone. */
  async rest(): Promise<Rest> {
    const { hub } = this;
    await until('all sessions end', async () => (await hub.json<readonly unknown[]>(['sessions', 'list'])).length === 0);
    const memory = await this.probed.memory();
    return { files: (await readdir(`/proc/${hub.pid}/fd`)).length, ...memory };
  }

  /** OpenSSH's client is killed while it sends. */
  async #kill(index: number): Promise<void> {
    const { port } = this.login;
    const account = { port, user: 'alice', keyFile: this.key };
    const client = start(
      tool('sftp'),
      [...this.clients.sshOptions(account), '-l', '80000', '-b', '-', '-P', String(port), 'alice@127.0.0.1'],
      { env: this.clients.environment({}), stdio: ['pipe', 'ignore', 'ignore'] },
    );
    client.stdin?.on('error', () => {});
    client.stdin?.end(`put ${this.file} /killed-${index}.bin\n`);
    await sleep(randomInt(500, 1_500));
    endNow(client);
  }
}

/** Why connections were refused or dropped, as the hub tells. */
function reasons(log: string): string {
  return [...new Set(log.match(/"reason":"[^"]*"/g))].join(', ');
}

interface Rest extends CollectedMemory {
  readonly files: number;
}

/**
 * What did not return to where it was, give or take a twentieth; a tenth for what the allocators keep, which differs by
 * that much from minute to minute also where nothing new is in use.
 */
function changes(before: Rest, after: Rest): string[] {
  return [
    ...(after.files > Math.ceil(before.files * 1.05) || after.files < Math.floor(before.files * 0.95) ? ['descriptors'] : []),
    ...(after.usedMiB > before.usedMiB * 1.05 ? ['used memory'] : []),
    ...(after.residentMiB > before.residentMiB * 1.1 ? ['resident memory'] : []),
  ];
}

function figures(before: Rest, after: Rest): string {
  const from = (what: keyof Rest, digits: number) => `${before[what].toFixed(digits)}, then ${after[what].toFixed(digits)}`;
  return `descriptors ${from('files', 0)}; MiB in use ${from('usedMiB', 1)}; MiB resident ${from('residentMiB', 1)}`;
}

/** Connections that come, do something, and go by one way or another. */
class Rolling {
  connections = 0;
  most = 0;
  cut = 0;
  killed = 0;
  readonly refused: string[] = [];
  #failed = false;
  #living = 0;
  #loggingIn = 0;

  constructor(
    private readonly login: Login,
    private readonly kill: (index: number) => Promise<void>,
  ) {}

  /** Goes on for so long, and until there were so many. */
  async run(forMs: number, connections: number): Promise<void> {
    const last = Date.now() + forMs;
    const goesOn = () => !this.#failed && (Date.now() < last || this.connections < connections);
    const one = async (index: number) => {
      while (goesOn()) {
        await this.#connection(index).catch((error: unknown) => {
          this.#failed = true;
          throw error;
        });
      }
    };
    const killer = async (index: number) => {
      while (goesOn()) {
        await this.kill(index);
        this.killed++;
      }
    };
    const all = await Promise.allSettled([
      ...Array.from({ length: 200 }, (_, index) => one(index)),
      ...Array.from({ length: 2 }, (_, index) => killer(index)),
    ]);
    for (const ended of all) if (ended.status === 'rejected') throw ended.reason;
  }

  async #connection(index: number): Promise<void> {
    while (this.#loggingIn >= LOGGING_IN) await sleep(20);
    this.#loggingIn++;
    const client = await this.#connect().finally(() => this.#loggingIn--);
    this.connections++;
    this.most = Math.max(this.most, ++this.#living);
    try {
      await this.#work(client, `/file-${index}`);
    } finally {
      this.#living--;
    }
  }

  /** A busy machine may have connections of programs wait for their login longer than planned: then once more. */
  async #connect(): Promise<RawSftp> {
    for (let tries = 0; ; tries++) {
      try {
        return await RawSftp.connect(this.login);
      } catch (error) {
        this.refused.push(String(error));
        if (tries === 3) throw error;
        await sleep(500);
      }
    }
  }

  async #work(client: RawSftp, path: string): Promise<void> {
    const content = Buffer.alloc(randomInt(1, 300_000), 'r');
    await client.put(path, content);
    await sleep(randomInt(2_000, 10_000));
    assert.ok(content.equals(await client.get(path)));
    if (randomInt(3) === 0) {
      client.end();
      return;
    }
    // In mid-upload, in mid-download, in mid-listing, at whatever moment it comes to.
    const handle = await client.open(path, CREATE);
    const reading = await client.open(path, OPEN.READ);
    const requests = [
      client.request(FXP.OPENDIR, string('/')),
      ...Array.from({ length: 8 }, (_, piece) =>
        client.request(FXP.WRITE, string(handle), u64(piece * 32_768), string(Buffer.alloc(32_768))),
      ),
      ...Array.from({ length: 8 }, (_, piece) => client.request(FXP.READ, string(reading), u64(piece * 32_768), u32(32_768))),
    ];
    const ended = Promise.allSettled(requests);
    await sleep(randomInt(20));
    client.cut();
    this.cut++;
    await ended;
  }
}

export default script;
