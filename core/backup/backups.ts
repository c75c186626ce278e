import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Database } from '../db/database.js';
import type { SettingsRepository } from '../db/settings.js';
import { MIGRATIONS_TABLE, rowsOf, tablesOf } from '../db/tables.js';
import { HubError, toHubError } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { Logger } from '../log.js';
import type { Secrets } from '../secrets.js';
import type { StorageRegistry } from '../storage/registry.js';
import { HUB_VERSION } from '../version.js';
import { nextBackupAt } from './due.js';
import { sealKeyFiles } from './files.js';
import { type BackupLine, encodeBackup, RowDigest } from './format.js';
import type { BackupPlace } from './place.js';
import { filesIn, writeLocal, writeStored } from './target.js';

/** How and when backups are made. Times are in ms. */
export interface BackupSettings {
  readonly place: BackupPlace;
  /** How many of those in the place stay. */
  readonly keep: number;
  /** 0: only when asked to. */
  readonly every: number;
  /** Minutes since midnight. */
  readonly at: number | undefined;
  readonly node: string;
  readonly dataDirectory: string;
  readonly log: Logger;
}

/** A backup that was made. */
export interface BackupReport {
  /** A path of this machine, or 'data:/.backups/<name>'. */
  readonly file: string;
  readonly bytes: number;
  readonly rows: number;
  readonly durationMs: number;
}

/** A backup that is kept in the place of them. */
export interface KeptBackup {
  readonly file: string;
  readonly bytes: number;
  /** RFC 3339, UTC. */
  readonly modifiedAt: string;
}

/** Rows that are of no use to another run of the hub: logins of browsers, which might have ended since, answers kept for a repeat, and who is alive. */
const PASSING: ReadonlySet<string> = new Set(['web_sessions', 'idempotent_answers', 'processes']);
/** In the order of time. */
const NAME = /^entrepot-\d{8}T\d{9}Z\.jsonl\.gz$/;
const UNFINISHED = /^entrepot-\d{8}T\d{9}Z\.jsonl\.gz\.unfinished$/;
const LAST = 'backup.last';
const RETRY_MS = 3_600_000;

/** Makes backups of the whole database and of the hub's own keys, while it runs. Files of users are no part of them. */
export class Backups {
  /** Where the host keys are. Set once, when the hub opens. */
  hostKeyDirectory: string | undefined;
  #running = false;
  #retryAt = 0;

  constructor(
    private readonly database: Database,
    private readonly settings: SettingsRepository,
    private readonly secrets: Secrets,
    private readonly storages: StorageRegistry,
    private readonly bus: EventBus,
    private readonly options: BackupSettings,
  ) {}

  /**
   * Makes a backup, of one moment: the new file `file` of this machine, or one in the place of backups, where the oldest then go. Tells
   * by 'backup.completed' or 'backup.failed'. Throws 'conflict' while another one is made, 'already-exists', or what stood in the way.
   */
  async create(file?: string): Promise<BackupReport> {
    if (this.#running) throw new HubError('conflict', 'Another backup is being made');
    this.#running = true;
    const began = performance.now();
    let target = file ?? this.#shown(this.options.place.directory);
    try {
      const counted = { rows: 0 };
      const chunks = (lines: AsyncIterable<BackupLine>) => packed(encodeBackup(lines));
      const stored = file === undefined ? await this.#freePath() : undefined;
      if (stored !== undefined) target = this.#shown(stored);
      // Looked up before the snapshot, which may hold the only connection.
      const backend = stored === undefined ? undefined : await this.storages.backend(this.options.place.storage);
      const bytes = await this.database.snapshot(async trx => {
        const lines = this.#lines(trx, counted);
        return backend && stored !== undefined ? writeStored(backend, stored, chunks(lines)) : writeLocal(file!, chunks(lines));
      });
      const report = { file: target, bytes, rows: counted.rows, durationMs: Math.round(performance.now() - began) };
      if (stored !== undefined) await this.#prune();
      await this.settings.set(LAST, { at: Date.now(), file: target, bytes });
      await this.bus.publish('backup.completed', report);
      this.options.log.info(report, 'made a backup');
      return report;
    } catch (error) {
      const failure = toHubError(error);
      this.options.log.error({ err: failure.code === 'internal' ? (failure.cause ?? failure) : failure, file: target }, 'a backup failed');
      await this.bus.publish('backup.failed', { file: target, reason: failure.message }).catch(() => undefined);
      throw failure;
    } finally {
      this.#running = false;
    }
  }

  /** Those in the place of backups, oldest first. */
  async list(): Promise<readonly KeptBackup[]> {
    const { storage, directory } = this.options.place;
    const files = (await filesIn(await this.storages.backend(storage), directory)).filter(({ name }) => NAME.test(name));
    return files.map(({ name, size, mtime }) => ({
      file: this.#shown(`${directory}/${name}`),
      bytes: size,
      modifiedAt: new Date(mtime).toISOString(),
    }));
  }

  /** When the last one was made, in ms since 1970; undefined when none was, to the knowledge of the database. */
  async lastAt(): Promise<number | undefined> {
    const last = (await this.settings.get(LAST)) as { readonly at?: number; readonly file?: string } | undefined;
    return last?.file === undefined ? undefined : last.at;
  }

  /** When the next one is due by the clock, in ms since 1970; undefined when none is. */
  async dueAt(now = Date.now()): Promise<number | undefined> {
    const { every, at } = this.options;
    if (every === 0) return undefined;
    const last = (await this.settings.get(LAST)) as { readonly at?: number } | undefined;
    return nextBackupAt(last?.at ?? now, every, at);
  }

  /** Makes one when it is due: `every` after the last, or after the first start. After a failure it is tried again an hour later. */
  async runWhenDue(now = Date.now()): Promise<void> {
    const { every, at } = this.options;
    if (every === 0 || this.#running || now < this.#retryAt) return;
    await this.settings.add(LAST, { at: now });
    const { at: lastAt } = (await this.settings.get(LAST)) as { readonly at: number };
    if (now < nextBackupAt(lastAt, every, at)) return;
    this.#retryAt = now + RETRY_MS;
    // What went wrong is told by create().
    await this.create().then(
      () => {
        this.#retryAt = 0;
      },
      () => undefined,
    );
  }

  async *#lines(trx: Parameters<typeof rowsOf>[0], counted: { rows: number }): AsyncGenerator<BackupLine> {
    const migrations: readonly string[] = await trx(MIGRATIONS_TABLE).orderBy('name').pluck('name');
    const { node, dataDirectory } = this.options;
    const createdAt = new Date().toISOString();
    yield { format: 'entrepot-backup', version: 1, hub: HUB_VERSION, node, createdAt, migrations };
    yield* sealKeyFiles({ dataDirectory, hostKeyDirectory: this.hostKeyDirectory }, this.secrets);
    for (const table of await tablesOf(trx)) {
      if (PASSING.has(table.name)) continue;
      yield { table: table.name, columns: table.columns };
      const digest = new RowDigest();
      for await (const batch of rowsOf(trx, table)) {
        for (const row of batch) {
          digest.add(row);
          yield { row };
        }
      }
      counted.rows += digest.rows;
      yield { end: table.name, rows: digest.rows, digest: digest.toString() };
    }
  }

  async #freePath(): Promise<string> {
    const { storage, directory } = this.options.place;
    const there = new Set((await filesIn(await this.storages.backend(storage), directory)).map(({ name }) => name));
    for (let time = Date.now(); ; time++) {
      const name = `entrepot-${new Date(time).toISOString().replace(/[-:.]/g, '')}.jsonl.gz`;
      if (!there.has(name)) return `${directory}/${name}`;
    }
  }

  /** Removes the oldest beyond `keep`, and what a crash left. */
  async #prune(): Promise<void> {
    const { place, keep, log } = this.options;
    const backend = await this.storages.backend(place.storage);
    const files = await filesIn(backend, place.directory);
    const names = files.map(({ name }) => name);
    const old = names.filter(name => NAME.test(name)).slice(0, -keep);
    for (const name of [...old, ...names.filter(name => UNFINISHED.test(name))]) {
      await backend.removeFile?.(`${place.directory}/${name}`).catch((error: unknown) => {
        log.warn({ err: error, name }, 'an old backup could not be removed');
      });
    }
  }

  #shown(path: string): string {
    return `${this.options.place.storage}:${path}`;
  }
}

async function* packed(texts: AsyncIterable<string>): AsyncGenerator<Buffer> {
  const gzip = createGzip();
  const pumping = pipeline(texts, gzip);
  // Heard below, or by whoever reads the stream.
  pumping.catch(() => undefined);
  for await (const chunk of gzip) yield chunk as Buffer;
  await pumping;
}
