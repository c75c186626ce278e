import { chmod, open, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Knex } from 'knex';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { CREATE_MIGRATIONS, completeMigrationsTable, Database, type DatabaseFinding, type Migration, oldestOf } from './database.js';
import { databaseError } from './errors.js';
import { ChangesAtOnce } from './sqlite-at-once.js';
import { Connection } from './sqlite-connection.js';
import { knexOver, SqliteThread } from './sqlite-thread.js';
import type { Statement, StatementResult } from './statement.js';

/** How an SQLite database is opened. */
export interface SqliteDatabaseOptions {
  /** 'sqlite:FILE', relative to the data directory, or 'sqlite::memory:'. */
  readonly url: string;
  /** Whether a commit waits for the disk, or only survives the end of the process. */
  readonly durability: 'disk' | 'process';
  readonly dataDirectory: string;
  readonly log: Logger;
}

const MEMORY = ':memory:';
/** tmpfs, as statfs(2) calls it. */
const TMPFS = 0x01021994;

/**
 * The records in one SQLite file: one connection that writes, in a thread of its own, and one that reads. Where the file is in
 * memory, a third one commits small changes on the spot: no disk is waited for there, and waking a thread costs more than they do.
 */
export class SqliteDatabase extends Database {
  readonly dialect = 'sqlite';
  readonly knex: Knex;
  readonly reader: Knex;
  readonly retries = 0;
  readonly #writer: SqliteThread;
  readonly #log: Logger;
  #readerThread: Promise<SqliteThread> | undefined;

  private constructor(
    writer: SqliteThread,
    readonly place: string,
    log: Logger,
    private readonly atOnce: ChangesAtOnce | undefined,
  ) {
    super();
    this.#writer = writer;
    this.#log = log;
    this.knex = knexOver(async () => writer, 'BEGIN IMMEDIATE');
    this.reader = place === MEMORY ? this.knex : knexOver(() => this.#openReader(), 'BEGIN');
  }

  /** Opens the database and makes it when it is missing. Throws 'unavailable' with a sentence that names the file. */
  static async open({ url, durability, dataDirectory, log }: SqliteDatabaseOptions): Promise<SqliteDatabase> {
    const name = url.replace(/^sqlite:/, '');
    const file = name === MEMORY ? MEMORY : resolve(dataDirectory, name);
    try {
      // SQLite gives its journals the mode of the file: no other user of the machine may read a password hash.
      if (file !== MEMORY) await (await open(file, 'a', 0o600)).close();
      const options = { file, readonly: false, durable: durability === 'disk' };
      const writer = await SqliteThread.open(options);
      const atOnce = (await isInMemory(file)) ? new ChangesAtOnce(new Connection(options, 0), writer) : undefined;
      return new SqliteDatabase(writer, file, log, atOnce);
    } catch (error) {
      throw openingError(file, error);
    }
  }

  async transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.knex.transaction(async (trx): Promise<T> => {
        // Knex calls also when BEGIN failed, which the caller hears by then.
        if (trx.isCompleted()) throw busy();
        return work(trx);
      });
    } catch (error) {
      throw databaseError(error);
    }
  }

  async snapshot<T>(read: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    if (this.place === MEMORY) return this.transaction(read);
    const thread = await SqliteThread.open({ file: this.place, readonly: true, durable: false });
    const knex = knexOver(async () => thread, 'BEGIN');
    try {
      return await knex.transaction(read);
    } catch (error) {
      throw databaseError(error);
    } finally {
      await knex.destroy();
      await thread.close();
    }
  }

  /** Calls of the same moment share one commit, and waiting for the disk holds up nobody else. */
  atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.atOnce?.flush();
    return this.#writer.atomically(statements);
  }

  change(statements: readonly Statement[]): Promise<void> {
    return (this.atOnce ?? this.#writer).change(statements);
  }

  /** All steps in one transaction. A file that has a schema already is copied to `<file>.before-<first step>` first. */
  async migrate(migrations: readonly Migration[]): Promise<readonly string[]> {
    if (!(await this.knex.schema.hasTable('migrations'))) await this.knex.raw(CREATE_MIGRATIONS);
    return this.transaction(async trx => {
      const applied = await this.appliedMigrations(trx);
      const pending = this.pendingOf(applied, migrations);
      if (pending.length === 0) return [];
      if (applied.length > 0 && this.place !== MEMORY) await this.#copy(pending[0]!.name);
      await completeMigrationsTable(trx);
      for (const migration of pending) {
        await migration.up(trx);
        await trx('migrations').insert({ name: migration.name, applied_at: Date.now(), oldest: oldestOf(migration, migrations) });
      }
      const names = pending.map(({ name }) => name);
      this.#log.debug({ migrations: names }, 'database schema brought up to date');
      return names;
    });
  }

  async inspect(): Promise<readonly DatabaseFinding[]> {
    const [row] = (await this.reader.raw('SELECT sqlite_version() AS version')) as { version: string }[];
    return [{ result: 'ok', detail: `SQLite ${row?.version}, ${this.place}` }];
  }

  get failed(): Promise<Error | undefined> {
    return this.#writer.failed;
  }

  async close(): Promise<void> {
    // The writer last: the connection that is left alone moves the journal into the file.
    if (this.reader !== this.knex) await this.reader.destroy();
    await (await this.#readerThread?.catch(() => undefined))?.close();
    await this.knex.destroy();
    this.atOnce?.close();
    await this.#writer.close();
  }

  protected get copyBefore(): string {
    return `the copy '${basename(this.place)}.before-…' made before the update`;
  }

  #openReader(): Promise<SqliteThread> {
    this.#readerThread ??= SqliteThread.open({ file: this.place, readonly: true, durable: false });
    this.#readerThread.catch(() => {
      this.#readerThread = undefined;
    });
    return this.#readerThread;
  }

  /** By the other connection: it sees the state before the transaction, which stays the last while that holds the lock. */
  async #copy(before: string): Promise<void> {
    const copy = `${this.place}.before-${before}`;
    const unfinished = `${copy}.tmp`;
    await rm(unfinished, { force: true });
    await this.reader.raw('VACUUM INTO ?', [unfinished]);
    await chmod(unfinished, 0o600);
    await sync(unfinished);
    await rename(unfinished, copy);
    await sync(dirname(copy));
    this.#log.info({ copy }, 'the database was copied before its schema is changed');
  }
}

async function isInMemory(file: string): Promise<boolean> {
  return file !== MEMORY && process.platform === 'linux' && (await statfs(file)).type === TMPFS;
}

function busy(): HubError {
  return new HubError('unavailable', 'The database is busy');
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

function openingError(file: string, thrown: unknown): HubError {
  const cause = thrown instanceof HubError ? thrown.cause : thrown;
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const reasons: readonly (readonly [RegExp, string])[] = [
    [/^SQLITE_(NOTADB|CORRUPT)/, 'is damaged, or is not an SQLite database'],
    [/^SQLITE_(BUSY|LOCKED)/, 'is locked by another process'],
    [/^(ENOENT|ENOTDIR)$/, 'cannot be made: its directory does not exist'],
    [/^(EISDIR)$/, 'is a directory'],
    [/^(EACCES|EPERM|EROFS|SQLITE_READONLY.*)$/, 'cannot be written: check who owns it and its directory'],
    [/^(ENOSPC|EDQUOT|SQLITE_FULL)$/, 'cannot be written: no space is left'],
  ];
  const reason = reasons.find(([pattern]) => pattern.test(String(code)))?.[1] ?? `cannot be opened: ${String(message)}`;
  return new HubError('unavailable', `The database ${file} ${reason}.`, { cause });
}
