import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FtpClient } from '../support/ftp-client.js';
import type { HubProcess } from '../support/hub-process.js';
import { OPEN, RawSftp } from '../support/raw-sftp.js';
import { logIn } from '../support/web-process.js';
import { contentOf, type Ledger, type Upload } from './kill-ledger.js';

/** The hub that a load is on at the moment: another one after a kill. */
export interface Target {
  readonly hub: HubProcess;
  /** Where its web server is. */
  readonly base: string;
}

/** Of the time, each client works for about this share. */
const SHARE = 0.3;
const PATHS = 5;

type Put = (upload: Upload) => Promise<boolean>;

/** Clients of SFTP, FTP and HTTP that upload over a few files again and again, and read back what is there. */
export class Load {
  #stopping = false;
  #rounds: Promise<void>[] = [];
  readonly #sftp = new Map<string, RawSftp>();
  #ftp: FtpClient | undefined;
  /** Broken off on purpose, or by a fault. */
  broken = 0;

  constructor(
    private readonly target: () => Target,
    private readonly ledger: Ledger,
    private readonly account: { readonly user: string; readonly password: string },
  ) {}

  begin(): void {
    this.#rounds = [
      this.#upload('sftp-one', upload => this.#putBySftp('sftp-one', upload)),
      this.#upload('sftp-two', upload => this.#putBySftp('sftp-two', upload)),
      this.#upload('ftp', upload => this.#putByFtp(upload)),
      this.#upload('http', upload => this.#putByHttp(upload)),
      this.#look(),
    ];
  }

  /** Ends all clients and waits for them. */
  async end(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#rounds);
    for (const client of this.#sftp.values()) client.end();
    this.#ftp?.socket.destroy();
  }

  /** Begins an upload by SFTP and drops the connection in the middle of it. */
  async cut(name: string): Promise<void> {
    const upload = this.ledger.begin(`/cut-${name}.dat`);
    const client = await RawSftp.connect({ port: this.target().hub.port, ...this.account });
    await client.open(upload.path, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
    this.broken += 1;
    client.cut();
  }

  /** A path whose upload failed is not used again: what is there is looked at in the end. */
  async #upload(name: string, put: Put): Promise<void> {
    let generation = 0;
    for (let round = 0; !this.#stopping; round += 1) {
      const upload = this.ledger.begin(`/${name}-${generation}-${round % PATHS}.dat`);
      const began = performance.now();
      const done = await put(upload).catch(() => false);
      if (done) this.ledger.acknowledge(upload);
      else {
        generation += 1;
        this.broken += 1;
      }
      await sleep(done ? ((performance.now() - began) * (1 - SHARE)) / SHARE : 250);
    }
  }

  async #putBySftp(name: string, upload: Upload): Promise<boolean> {
    let client = this.#sftp.get(name);
    if (!client?.alive) {
      client = await RawSftp.connect({ port: this.target().hub.port, ...this.account });
      this.#sftp.set(name, client);
    }
    await client.put(upload.path, contentOf(upload));
    return true;
  }

  async #putByFtp(upload: Upload): Promise<boolean> {
    if (!this.#ftp || this.#ftp.socket.destroyed) {
      this.#ftp = await FtpClient.connect({ port: this.target().hub.portOf('ftp'), ...this.account, tls: 'explicit' });
    }
    const { code } = await this.#ftp.send(`STOR ${upload.path}`, contentOf(upload));
    return code === 226;
  }

  async #putByHttp(upload: Upload): Promise<boolean> {
    const browser = await this.#browser();
    const answer = await browser.raw('PUT', `/files/content?path=${encodeURIComponent(upload.path)}`, {
      body: new Uint8Array(contentOf(upload)),
    });
    await answer.arrayBuffer();
    if (answer.status === 401) this.#login = undefined;
    return answer.ok;
  }

  #login: { readonly base: string; readonly browser: Awaited<ReturnType<typeof logIn>> } | undefined;

  async #browser() {
    const { base } = this.target();
    if (this.#login?.base !== base) this.#login = { base, browser: await logIn(base, 'user', this.account.user, this.account.password) };
    return this.#login.browser;
  }

  /** Files are whole whenever they are looked at. */
  async #look(): Promise<void> {
    while (!this.#stopping) {
      const { uploads } = this.ledger;
      const some = uploads[Math.floor(Math.random() * uploads.length)];
      if (some) await this.ledger.glance(join(this.target().hub.files, this.account.user), some.path);
      if (some && Math.random() < 0.2) await this.#readBack(some.path).catch(() => undefined);
      await sleep(50);
    }
  }

  async #readBack(path: string): Promise<void> {
    const browser = await this.#browser();
    const answer = await browser.raw('GET', `/files/content?path=${encodeURIComponent(path)}`);
    await answer.arrayBuffer();
  }
}
