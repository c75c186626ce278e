import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/children.js';
import { listEvents } from '../support/events.js';
import { FtpClient } from '../support/ftp-client.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';

const SIZES = [1, 40_000, 300_000, 2_000_000];
const PIECES = 20;
const PAUSE_MS = 100;

/** Who logs in. */
export interface LoadLogin {
  readonly user: string;
  readonly password: string;
  readonly privateKey: Buffer;
}

/** What clients saw. */
export interface LoadTally {
  uploads: number;
  downloads: number;
  /** Could not connect or log in. */
  readonly refused: string[];
  /** Began, and did not end as it should. */
  readonly broken: string[];
}

/** One transport as the load uses it. */
interface Client {
  put(path: string, content: Buffer, slowly: boolean): Promise<void>;
  get(path: string): Promise<Buffer>;
  end(): void;
}

/**
 * Clients of SFTP, FTP and FTPS that come, upload some files each in a folder of its own, some of them slowly, read them again and leave, over and over;
 * and what they saw.
 */
export class WorkerLoad {
  readonly tally: LoadTally = { uploads: 0, downloads: 0, refused: [], broken: [] };
  readonly #acknowledged = new Map<string, Buffer>();
  readonly #clients: Promise<void>[];
  #stopping = false;
  /** While true, transfers may break: their process was killed, or their time is over. */
  isExcused = false;
  /** Those that broke while they might. */
  excused = 0;

  constructor(
    private readonly hub: HubProcess,
    private readonly login: LoadLogin,
    /** Begins the names of their folders. */
    private readonly name: string,
    readonly clients: number,
  ) {
    this.#clients = Array.from({ length: clients }, (_, index) => this.#live(index));
  }

  /** Lets every client finish what it does. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  /** Compares what was acknowledged with what is on disk and with the events: all of it whole, each with one event, and no event of what is not there. */
  async check(): Promise<void> {
    const home = join(this.hub.files, this.login.user);
    for (const [path, content] of this.#acknowledged) assert.ok((await readFile(join(home, path))).equals(content), `${path} is not whole`);
    for (let index = 0; index < this.clients; index++) {
      const visible = (await readdir(join(home, `${this.name}${index}`)).catch(() => []))
        .map(name => `/${this.name}${index}/${name}`)
        .sort();
      const recorded = await until('events and files agree', async () => {
        const events = (await listEvents(this.hub, 'upload.completed', `/${this.name}${index}`))
          .map(({ data }) => String(data.path))
          .sort();
        return events.length === visible.length && events;
      });
      assert.deepEqual(recorded, visible);
    }
  }

  async #live(index: number): Promise<void> {
    for (let round = 0; !this.#stopping; round++) {
      const client = await this.#connect(index + round).catch((error: Error) => {
        this.#note(this.tally.refused, error);
        return sleep(PAUSE_MS);
      });
      if (!client) continue;
      try {
        for (let file = 0; file < 3; file++) {
          const path = `/${this.name}${index}/${round}-${file}`;
          const content = Buffer.alloc(SIZES[(round + file) % SIZES.length]!, `${path}\n`);
          await client.put(path, content, file === 2 && round % 3 === 0);
          this.#acknowledged.set(path, content);
          this.tally.uploads++;
          assert.ok((await client.get(path)).equals(content), `${path} came back different`);
          this.tally.downloads++;
        }
      } catch (error) {
        this.#note(this.tally.broken, error as Error);
      }
      client.end();
    }
  }

  #note(list: string[], error: Error): void {
    if (this.isExcused) this.excused++;
    else list.push(error.message);
  }

  #connect(turn: number): Promise<Client> {
    if (turn % 4 < 2) return this.#bySftp();
    return this.#byFtp(turn % 4 === 2 ? 'none' : 'explicit');
  }

  async #bySftp(): Promise<Client> {
    const { user, privateKey } = this.login;
    const client = await RawSftp.connect({ port: this.hub.port, user, privateKey });
    return {
      put: (path, content, slowly) => (slowly ? putSlowly(client, path, content) : client.put(path, content)),
      get: path => client.get(path),
      end: () => client.end(),
    };
  }

  async #byFtp(tls: 'none' | 'explicit'): Promise<Client> {
    const { user, password } = this.login;
    const client = await FtpClient.connect({ port: this.hub.portOf('ftp'), user, password, tls });
    return {
      put: async (path, content) => {
        const { code, text } = await client.send(`STOR ${path}`, content);
        if (code !== 226) throw new Error(`STOR was answered ${code} ${text}`);
      },
      get: async path => {
        const { reply, data } = await client.fetch(`RETR ${path}`);
        if (reply.code !== 226) throw new Error(`RETR was answered ${reply.code} ${reply.text}`);
        return data;
      },
      end: () => client.socket.destroy(),
    };
  }
}

async function putSlowly(client: RawSftp, path: string, content: Buffer): Promise<void> {
  const handle = await client.open(path, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
  const length = Math.max(1, Math.ceil(content.length / PIECES));
  for (let at = 0; at < content.length; at += length) {
    for (let sent = at; sent < Math.min(at + length, content.length); sent += 32_768) {
      const piece = content.subarray(sent, Math.min(sent + 32_768, at + length));
      const { code } = await client.request(FXP.WRITE, string(handle), u64(sent), string(piece));
      if (code !== 0) throw new Error(`WRITE was answered ${code}`);
    }
    await sleep(PAUSE_MS);
  }
  const { code } = await client.close(handle);
  if (code !== 0) throw new Error(`CLOSE was answered ${code}`);
}
