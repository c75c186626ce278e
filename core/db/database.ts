import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Knex } from 'knex';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { databaseError } from './errors.js';
import { knexOver, SqliteThread } from './sqlite-thread.js';
import type { Statement, StatementResult } from './statement.js';

export type { Statement, StatementResult } from './statement.js';

/** One step from the schema of a version to that of the next. Steps have an order, and no way back. */
export interface Migration {
  readonly name: string;
  up(knex: Knex): Promise<void>;
}

/** Where the records are and how they are kept. */
export interface DatabaseOptions {
  /** 'sqlite:FILE', relative to the data directory, or 'sqlite::memory:'. */
  readonly url: string;
  /** Whether a commit waits for the disk, or only survives the end of the process. */
  readonly durability: 'disk' | 'process';
  readonly dataDirectory: string;
  readonly log: Logger;
}

const MEMORY = ':memory:';

/** The hub's records. Only the repositories of this folder and of core/events use it. */
export class Database {
  /** The connection that writes. One query or transaction at a time. */
  readonly knex: Knex;
  /** A second, read-only connection for long lists, so that they delay no write. The same as `knex` for a database in memory. */
  readonly reader: Knex;
  readonly #writer: SqliteThread;
  readonly #file: string;
  readonly #log: Logger;
  #readerThread: Promise<SqliteThread> | undefined;

  constructor(writer: SqliteThread, file: string, log: Logger) {
    this.#writer = writer;
    this.#file = file;
    this.#log = log;
    this.knex = knexOver(async () => writer, 'BEGIN IMMEDIATE');
    this.reader = file === MEMORY ? this.knex : knexOver(() => this.#openReader(), 'BEGIN');
  }

  /** Opens the database and makes it when it is missing. Throws 'unavailable' with a sentence that names the file. */
  static async open({ url, durability, dataDirectory, log }: DatabaseOptions): Promise<Database> {
    const name = url.replace(/^sqlite:/, '');
    const file = name === MEMORY ? MEMORY : resolve(dataDirectory, name);
    try {
      // SQLite gives its journals the mode of the file: no other user of the machine may read a password hash.
      if (file !== MEMORY) await (await open(file, 'a', 0o600)).close();
      return new Database(await SqliteThread.open({ file, readonly: false, durable: durability === 'disk' }), file, log);
    } catch (error) {
      throw openingError(file, error);
    }
  }

  /**
   * Runs `work` in one transaction, which is committed when it resolves and rolled back when it throws. Inside it nothing is
   * awaited but queries that are given `trx`: any other query waits for the end of this transaction.
   */
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

  /**
   * Runs `read` over a connection of its own that sees all tables as they are at this moment, whatever is written meanwhile, and cannot
   * write. For a database in memory, everything else waits.
   */
  async snapshot<T>(read: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    if (this.#file === MEMORY) return this.transaction(read);
    const thread = await SqliteThread.open({ file: this.#file, readonly: true, durable: false });
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

  /**
   * The hot path: runs `statements` together or not at all; they are as durable as configured when this resolves. Calls of the same
   * moment share one commit, and waiting for the disk holds up nobody else. Throws 'unavailable', or the error of the statement.
   */
  atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#writer.atomically(statements);
  }

  /** The same for statements of which nobody asks what they did; faster. */
  change(statements: readonly Statement[]): Promise<void> {
    return this.#writer.change(statements);
  }

  /**
   * Brings the schema up to the last of `migrations`, all steps in one transaction that keeps other processes out. A file that has
   * a schema already is copied to `<file>.before-<first step>` first. Throws 'unsupported' when a newer version made the database.
   */
  async migrate(migrations: readonly Migration[]): Promise<void> {
    if (!(await this.knex.schema.hasTable('migrations'))) await this.#createTable();
    await this.transaction(async trx => {
      const applied: readonly string[] = await trx('migrations').orderBy('name').pluck('name');
      const unknown = applied.find(name => !migrations.some(migration => migration.name === name));
      if (unknown) throw newerVersion(this.#file, unknown);
      const pending = migrations.filter(({ name }) => !applied.includes(name));
      if (pending.length === 0) return;
      if (applied.length > 0 && this.#file !== MEMORY) await this.#copy(pending[0]!.name);
      for (const migration of pending) {
        await migration.up(trx);
        await trx('migrations').insert({ name: migration.name, applied_at: Date.now() });
      }
      this.#log.debug({ migrations: pending.map(({ name }) => name) }, 'database schema brought up to date');
    });
  }

  /** Resolves, to why when that is known, when the connection that writes is lost for good. */
  get failed(): Promise<Error | undefined> {
    return this.#writer.failed;
  }

  /** Waits for what is under way and closes the connections. May be repeated. */
  async close(): Promise<void> {
    // The writer last: the connection that is left alone moves the journal into the file.
    if (this.reader !== this.knex) await this.reader.destroy();
    await (await this.#readerThread?.catch(() => undefined))?.close();
    await this.knex.destroy();
    await this.#writer.close();
  }

  #openReader(): Promise<SqliteThread> {
    this.#readerThread ??= SqliteThread.open({ file: this.#file, readonly: true, durable: false });
    this.#readerThread.catch(() => {
      this.#readerThread = undefined;
    });
    return this.#readerThread;
  }

  async #createTable(): Promise<void> {
    await this.knex.raw('CREATE TABLE IF NOT EXISTS migrations (name VARCHAR(100) NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)');
  }

  /** By the other connection: it sees the state before the transaction, which stays the last while that holds the lock. */
  async #copy(before: string): Promise<void> {
    const copy = `${this.#file}.before-${before}`;
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

function busy(): HubError {
  return new HubError('unavailable', 'The database is busy');
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

function newerVersion(file: string, migration: string): HubError {
  return new HubError(
    'unsupported',
    `The database ${file} belongs to a newer version of Entrepot (it has ${migration}): start that version, or put back the copy '${basename(file)}.before-…' made before the update.`,
  );
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
