import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, temporaryFolder, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { addWebhook } from '../support/events.js';
import { FtpClient } from '../support/ftp-client.js';
import { curlLogin } from '../support/ftp-clients.js';
import { HubProcess } from '../support/hub-process.js';
import { type PartProcess, processesOf, replaced } from '../support/hub-processes.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { tool } from '../support/tools.js';
import { contentOf, Ledger, type Tally } from './kill-ledger.js';

const TYPE = 'upload.completed';
const PASSWORD = 'secret';

/** How hard the harness tries. */
export interface KillPlan {
  readonly kills: number;
  /** At least so many uploads are acknowledged in all. */
  readonly acknowledged: number;
  /** A module that runs another hub than the product's. */
  readonly main?: string;
  /** The end waits for missing deliveries until none came for so long. */
  readonly quietMs: number;
  /** What clients upload by; SFTP unless told. */
  readonly protocol?: 'sftp' | 'ftp';
  /** Settings of the hub: its database, its Redis, its workers. Of a hub of several processes, any of them is killed, the first included. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A hub ends when this many of its processes die within a minute: before that, the whole hub is killed. */
const DEATHS = 4;
const DEATHS_MS = 60_000;

/** Lets FTP clients in without TLS, too. */
const FTP_ENVIRONMENT = { ENTREPOT_PROTOCOLS__FTP__TLS: 'optional', ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: 'any' };

/**
 * Uploads by several clients at once and without a pause, kills the hub at random moments and starts it again on the same data,
 * with a receiver that fails one time in five; then compares what was acknowledged, what is on disk and what was delivered.
 */
export async function killLoop(plan: KillPlan): Promise<Tally & { readonly kills: number; readonly leftBehind: number }> {
  const run = await KillRun.begin(plan);
  try {
    return await run.finish(plan);
  } finally {
    await run.clear();
  }
}

class KillRun {
  readonly #ledger = new Ledger();
  #stopping = false;
  /** Open while the hub runs; clients wait here while it is down. */
  #gate: Promise<void> = Promise.resolve();
  #writing = 0;

  private constructor(
    private readonly options: Parameters<typeof HubProcess.start>[0] & object,
    private hub: HubProcess,
    private readonly receiver: Receiver,
    private readonly clients: Clients,
    private readonly key: string,
  ) {}

  static async begin(plan: KillPlan): Promise<KillRun> {
    const receiver = await Receiver.listen(() => (Math.random() < 0.2 ? 500 : 200));
    const clients = await Clients.create();
    const key = await clients.makeKey('alice');
    const dataDirectory = await temporaryFolder('killed');
    const env = { ...FTP_ENVIRONMENT, ...plan.env, ENTREPOT_EVENTS__RETRY: JSON.stringify(Array.from({ length: 20 }, () => '300ms')) };
    const first = await HubProcess.start({ dataDirectory, env });
    await first.addUser('alice', PASSWORD, ['--key', `${key}.pub`]);
    await addWebhook(first, receiver, TYPE);
    await first.stop();
    const options = { dataDirectory, env, ...(plan.main === undefined ? {} : { main: plan.main }) };
    return new KillRun(options, await HubProcess.start(options), receiver, clients, key);
  }

  async finish(plan: KillPlan): Promise<Tally & { readonly kills: number; readonly leftBehind: number }> {
    const byFtp = plan.protocol === 'ftp';
    const workers = [0, 1, 2, 3].map(index =>
      this.#upload(`w${index}`, path => (byFtp ? this.#putByFtp(path, index % 2 === 0) : this.#putRaw(path))),
    );
    workers.push(this.#upload('program', path => (byFtp ? this.#putByCurl(path) : this.#putByOpenSsh(path))));
    const watcher = this.#watch();
    let kills = 0;
    for (; kills < plan.kills; kills += 1) {
      await sleep(100 + Math.random() * 1_400);
      await this.#killAndRestart();
    }
    await until(`${plan.acknowledged} acknowledged uploads`, () => this.#ledger.acknowledged >= plan.acknowledged, 240_000);
    this.#stopping = true;
    await Promise.all([...workers, watcher]);
    await this.#ledger.inspect(this.#home);
    await this.#drain(plan.quietMs);
    // What a dead process left is swept by another within seconds.
    if (plan.env?.ENTREPOT_WORKERS !== undefined)
      await until('temporaries are swept', async () => (await countTemporaries(this.hub.files)) === 0, 15_000).catch(() => undefined);
    const leftBehind = await countTemporaries(this.hub.files);
    return { kills, leftBehind, ...this.#ledger.tally(this.receiver.accepted(TYPE)) };
  }

  async clear(): Promise<void> {
    this.#stopping = true;
    await this.hub.kill();
    await this.receiver.close();
  }

  get #home(): string {
    return join(this.hub.files, 'alice');
  }

  readonly #deaths: number[] = [];

  async #killAndRestart(): Promise<void> {
    const victim = await this.#chooseVictim();
    let open = () => {};
    this.#gate = new Promise(resolve => {
      open = resolve;
    });
    if (victim) process.kill(victim.pid, 'SIGKILL');
    else await this.hub.kill();
    await until('the clients have noticed', () => this.#writing === 0, 30_000);
    await this.#ledger.inspect(this.#home);
    if (victim) await replaced(this.hub, victim);
    else this.hub = await HubProcess.start(this.options);
    open();
  }

  /** One process of a hub of several; undefined for the whole hub. */
  async #chooseVictim(): Promise<PartProcess | undefined> {
    const parts = this.options.env?.ENTREPOT_WORKERS === undefined ? [] : await processesOf(this.hub);
    const victim = parts[Math.floor(Math.random() * (parts.length + 1))];
    const recent = this.#deaths.filter(at => at > Date.now() - DEATHS_MS);
    if (!victim || recent.length >= DEATHS) {
      this.#deaths.length = 0;
      return undefined;
    }
    this.#deaths.push(Date.now());
    return victim;
  }

  /** Uploads again and again until told to stop: mostly over a few files of its own, sometimes to a new one. */
  async #upload(name: string, put: (path: string) => Promise<boolean>): Promise<void> {
    for (let round = 0; !this.#stopping; round += 1) {
      await this.#gate;
      this.#writing += 1;
      const path = Math.random() < 0.7 ? `/${name}-${Math.floor(Math.random() * 5)}.dat` : `/${name}-new-${round}.dat`;
      const done = await put(path).catch(() => false);
      this.#writing -= 1;
      if (!done) await sleep(20);
    }
  }

  readonly #connections = new Map<string, RawSftp>();

  async #putRaw(path: string): Promise<boolean> {
    const name = path.slice(0, 3);
    let client = this.#connections.get(name);
    if (client === undefined || !client.alive) {
      client = await RawSftp.connect({ port: this.hub.port, user: 'alice', password: PASSWORD });
      this.#connections.set(name, client);
    }
    const upload = this.#ledger.begin(path);
    await client.put(path, contentOf(upload));
    this.#ledger.acknowledge(upload);
    return true;
  }

  async #putByOpenSsh(path: string): Promise<boolean> {
    const upload = this.#ledger.begin(path);
    const file = join(this.clients.home, 'next.dat');
    await writeFile(file, contentOf(upload));
    const put = await this.clients.sftp({ port: this.hub.port, user: 'alice', keyFile: this.key }, [`put ${file} ${path}`], [], 30_000);
    if (put.code === 0) this.#ledger.acknowledge(upload);
    return put.code === 0;
  }

  readonly #ftpConnections = new Map<string, FtpClient>();

  async #putByFtp(path: string, secure: boolean): Promise<boolean> {
    const name = path.slice(0, 3);
    let client = this.#ftpConnections.get(name);
    if (client === undefined || client.socket.destroyed) {
      const login = { port: this.hub.portOf('ftp'), user: 'alice', password: PASSWORD };
      client = await FtpClient.connect({ ...login, tls: secure ? 'explicit' : 'none' });
      this.#ftpConnections.set(name, client);
    }
    const upload = this.#ledger.begin(path);
    const { code } = await client.send(`STOR ${path}`, contentOf(upload));
    if (code === 226) this.#ledger.acknowledge(upload);
    return code === 226;
  }

  async #putByCurl(path: string): Promise<boolean> {
    const upload = this.#ledger.begin(path);
    const file = join(this.clients.home, 'next.dat');
    await writeFile(file, contentOf(upload));
    const { login, at } = curlLogin({ port: this.hub.portOf('ftp'), user: 'alice', password: PASSWORD, tls: 'explicit', data: 'extended' });
    const put = await run(tool('curl'), [...login, '-T', file, at(path)], { timeoutMs: 30_000 });
    if (put.code === 0) this.#ledger.acknowledge(upload);
    return put.code === 0;
  }

  /** Looks at files under their final names while they are written. */
  async #watch(): Promise<void> {
    while (!this.#stopping) {
      const { uploads } = this.#ledger;
      const some = uploads[Math.floor(Math.random() * uploads.length)];
      if (some !== undefined) await this.#ledger.glance(this.#home, some.path);
      await sleep(20);
    }
  }

  /** Waits until every upload that took place was delivered, or nothing has come for `quietMs`. */
  async #drain(quietMs: number): Promise<void> {
    let [count, since] = [-1, Date.now()];
    while (Date.now() - since < quietMs) {
      const accepted = this.receiver.accepted(TYPE);
      if (this.#ledger.missing(accepted).length === 0) break;
      if (accepted.length !== count) [count, since] = [accepted.length, Date.now()];
      await sleep(100);
    }
    // Whatever is delivered although it should not be has the same time to come.
    await sleep(500);
  }
}

async function countTemporaries(root: string): Promise<number> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile() && (entry.name.startsWith('.entrepot') || entry.parentPath.includes('/.entrepot'))).length;
}
