import assert from 'node:assert/strict';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, copyFile, mkdir, open, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { until } from '../support/children.js';
import type { Account, Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import type { ClientMaker, FileClient } from '../support/file-client.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, OPEN, RawSftp, STATUS, string, u64 } from '../support/raw-sftp.js';
import { Lacking } from '../support/tools.js';

const MIB = 2 ** 20;
const FILE_BYTES = 64 * MIB + 12_345;
const RESUMED_BYTES = 16 * MIB + 4_320;
const KEPT_BYTES = 8 * MIB;
const NAMES = ['plain.txt', 'with space.txt', 'zw\u00f6lf.txt'] as const;

/** What each client is asked to do, where it can. */
export const STEPS = ['put', 'get', 'resume put', 'resume get', 'list', 'rename', 'delete'] as const;

export type Step = (typeof STEPS)[number];

/** The local files that clients carry. */
export interface Sources {
  readonly file: string;
  readonly resumed: string;
}

/** Makes them in `folder`. */
export async function makeSources(folder: string): Promise<Sources> {
  const sources = { file: join(folder, 'file source'), resumed: join(folder, 'resumed source') };
  await writeContent(sources.file, FILE_BYTES);
  await writeContent(sources.resumed, RESUMED_BYTES);
  return sources;
}

/** One client and a folder of its own on the server. */
export class ClientBench {
  readonly #row = new Map<Step, string>();

  constructor(
    private readonly hub: HubProcess,
    private readonly account: Account,
    private readonly clients: Clients,
    private readonly folder: string,
    private readonly sources: Sources,
  ) {}

  /** Does every step that the client can do; gives how each went. Throws Lacking where the client is missing. */
  async row(make: ClientMaker): Promise<ReadonlyMap<Step, string>> {
    await mkdir(this.#stored(''), { recursive: true });
    const client = await make(this.clients, this.account);
    try {
      await this.#do('put', client.put, put => this.#put(put, client.closesLater));
      await this.#do('get', client.get, get => this.#get(get));
      await this.#do('resume put', client.resumePut, resume => this.#resumePut(resume, client.closesLater));
      await this.#do('resume get', client.resumeGet, resume => this.#resumeGet(resume));
      for (const name of NAMES) await writeFile(this.#stored(name), name);
      await this.#do('list', client.list, list => this.#list(list));
      await this.#do('rename', client.rename, rename => this.#rename(rename));
      await this.#do('delete', client.remove, remove => this.#remove(remove));
    } finally {
      await client.end?.();
    }
    return this.#row;
  }

  async #do<Act>(step: Step, act: Act | undefined, check: (act: Act) => Promise<string>): Promise<void> {
    if (act === undefined) return;
    try {
      this.#row.set(step, await check(act));
    } catch (error) {
      if (error instanceof Lacking) throw error;
      this.#row.set(step, `FAIL ${error instanceof Error ? error.message : error}`);
    }
  }

  async #put(put: FileClient['put'], later = false): Promise<string> {
    const speed = await timed(FILE_BYTES, () => put(this.sources.file, this.#path('file')));
    if (later) await this.#isCompleted('file');
    await assertSame(this.#stored('file'), this.sources.file);
    assert.equal((await this.#events('upload.completed', 'file')).length, 1, 'not one event');
    return speed;
  }

  async #get(get: FileClient['get']): Promise<string> {
    const local = join(this.clients.home, 'got');
    const speed = await timed(FILE_BYTES, () => get(this.#path('file'), local));
    await assertSame(local, this.sources.file);
    await rm(local);
    return speed;
  }

  /** Another program of the same user was cut off in the middle: what the server kept of it is gone on with. */
  async #resumePut(resume: NonNullable<FileClient['resumePut']>, later = false): Promise<string> {
    const path = this.#path('resumed');
    await interrupt({ ...this.account, port: this.hub.port }, path, this.sources.resumed);
    await until('the interruption is noticed', async () => (await this.#events('upload.failed', 'resumed')).length === 1);
    await resume(this.sources.resumed, path);
    if (later) await this.#isCompleted('resumed');
    const [done, ...more] = await this.#events('upload.completed', 'resumed');
    await assertSame(this.#stored('resumed'), this.sources.resumed);
    assert.ok(done && more.length === 0, 'not one event');
    assert.ok(done.bytes <= RESUMED_BYTES - KEPT_BYTES, `${done.bytes} bytes were sent`);
    return 'ok';
  }

  async #resumeGet(resume: NonNullable<FileClient['resumeGet']>): Promise<string> {
    await copyFile(this.sources.resumed, this.#stored('half'));
    const local = join(this.clients.home, 'half');
    await copyFile(this.sources.resumed, local);
    await truncate(local, RESUMED_BYTES / 2);
    await resume(this.#path('half'), local);
    await assertSame(local, this.sources.resumed);
    await rm(local);
    const read = (await this.#events('download.completed', 'half')).reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(read <= RESUMED_BYTES / 2 + MIB, `${read} bytes were read`);
    return 'ok';
  }

  async #list(list: NonNullable<FileClient['list']>): Promise<string> {
    const lines = await list(this.folder);
    for (const name of NAMES)
      assert.ok(
        lines.some(line => line === name || line.endsWith(` ${name}`)),
        `${name} is not in ${lines.join(' | ')}`,
      );
    return 'ok';
  }

  async #rename(rename: NonNullable<FileClient['rename']>): Promise<string> {
    await rename(this.#path(NAMES[1]), this.#path('renamed too.txt'));
    await access(this.#stored('renamed too.txt'));
    await assert.rejects(access(this.#stored(NAMES[1])), 'the old name is still there');
    assert.equal((await this.#events('file.renamed', NAMES[1])).length, 1, 'not one event');
    return 'ok';
  }

  async #remove(remove: NonNullable<FileClient['remove']>): Promise<string> {
    await remove(this.#path(NAMES[2]));
    await assert.rejects(access(this.#stored(NAMES[2])), 'it is still there');
    assert.equal((await this.#events('file.deleted', NAMES[2])).length, 1, 'not one event');
    return 'ok';
  }

  #isCompleted(name: string): Promise<unknown> {
    return until(`${name} is complete`, async () => (await this.#events('upload.completed', name)).length > 0);
  }

  async #events(type: string, name: string): Promise<readonly { readonly bytes: number }[]> {
    const events = await listEvents(this.hub, type);
    return events.map(({ data }) => data as unknown as { path: string; bytes: number }).filter(({ path }) => path === this.#path(name));
  }

  #path(name: string): string {
    return `${this.folder}/${name}`;
  }

  #stored(name: string): string {
    return join(this.hub.files, this.account.user, this.folder, name);
  }
}

/** Throws unless both files hold the same. */
export async function assertSame(file: string, other: string): Promise<void> {
  const [one, two] = await Promise.all([digest(file), digest(other)]);
  assert.equal(one, two, `${file} differs`);
}

/** Runs `work`, which carries `bytes`; gives its speed. */
export async function timed(bytes: number, work: () => Promise<unknown>): Promise<string> {
  const began = performance.now();
  await work();
  return `${(bytes / MIB / ((performance.now() - began) / 1_000)).toFixed(0)} MiB/s`;
}

/** Fills a file with bytes of which no piece comes twice. */
export async function writeContent(file: string, bytes: number): Promise<void> {
  const zeros = Buffer.alloc(MIB);
  const pieces = function* () {
    for (let left = bytes; left > 0; left -= MIB) yield zeros.subarray(0, left);
  };
  await pipeline(pieces, createCipheriv('aes-128-ctr', randomBytes(16), Buffer.alloc(16)), createWriteStream(file));
}

/** Sends the first part of a file over SFTP and cuts the connection. */
async function interrupt(account: Account, path: string, source: string): Promise<void> {
  const client = await RawSftp.connect({ port: account.port, user: account.user, password: account.password ?? '' });
  const handle = await client.open(path, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
  const piece = Buffer.alloc(2 ** 17);
  const file = await open(source);
  for (let at = 0; at < KEPT_BYTES; at += piece.length) {
    await file.read(piece, 0, piece.length, at);
    assert.equal((await client.request(FXP.WRITE, string(handle), u64(at), string(piece))).code, STATUS.OK);
  }
  await file.close();
  client.cut();
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
