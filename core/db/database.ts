import type { Knex } from 'knex';
import { HubError } from '../errors.js';
import type { Dialect } from './dialect.js';
import type { Statement, StatementResult } from './statement.js';

export type { Dialect } from './dialect.js';
export type { Statement, StatementResult } from './statement.js';

/** One step from the schema of a version to that of the next. Steps have an order, and no way back. */
export interface Migration {
  readonly name: string;
  /**
   * The last step that a version of the program must know to work on after this one. Without it, this step only adds: every version that
   * could work on the schema before can work on it still.
   */
  readonly oldest?: string;
  up(knex: Knex): Promise<void>;
}

/** A step that a database has taken, or has begun. */
export interface AppliedMigration {
  readonly name: string;
  /** 0 while it has not ended. */
  readonly applied_at: number | string;
  /** What Migration.oldest said, or that of the step before; missing where it was taken by a version that did not keep it. */
  readonly oldest?: string | null;
}

/** One thing that is worth knowing about a database: for `doctor`. */
export interface DatabaseFinding {
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
}

/**
 * The hub's records. Only the repositories of this folder and of core/events use it. Whatever it gives throws 'unavailable', within
 * a few seconds, while the database is away, locked or full, and works again when that is over.
 */
export abstract class Database {
  abstract readonly dialect: Dialect;
  /** Where the records are, without what is secret: for messages. */
  abstract readonly place: string;
  /** The connection, or the connections, that write. In SQLite: one query or transaction at a time. */
  abstract readonly knex: Knex;
  /** Others for long lists, so that they delay no write. The same as `knex` for a database in memory. */
  abstract readonly reader: Knex;
  /** How often something was done again, because another one was in its way: after deadlocks, say. */
  abstract readonly retries: number;
  /** Resolves, to why when that is known, when the database is lost for good. */
  abstract readonly failed: Promise<Error | undefined>;

  /**
   * Runs `work` in one transaction, which is committed when it resolves and rolled back when it throws. Inside it nothing is
   * awaited but queries that are given `trx`: any other query may wait for the end of this transaction. `work` is called again when
   * another transaction was in its way, so it changes nothing but records.
   */
  abstract transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>;

  /**
   * Runs `read` over a connection of its own that sees all tables as they are at this moment, whatever is written meanwhile, and cannot
   * write. For a database in memory, everything else waits.
   */
  abstract snapshot<T>(read: (trx: Knex.Transaction) => Promise<T>): Promise<T>;

  /**
   * The hot path: runs `statements` together or not at all; they are as durable as configured when this resolves. Throws
   * 'unavailable', or the error of the statement. When isOutcomeUnknown() says so of the error, they may have taken effect.
   */
  abstract atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]>;

  /** The same for statements of which nobody asks what they did; faster. */
  abstract change(statements: readonly Statement[]): Promise<void>;

  /** The time in milliseconds since 1970 by the clock of the database: the same for all that use it, whatever clocks they have. */
  now(): number {
    return Date.now();
  }

  /**
   * Which of `migrations` have not been run. Changes nothing. Throws 'unsupported' when a newer version made the database, and says of
   * one of its steps that this version cannot work with it.
   */
  async pending(migrations: readonly Migration[]): Promise<readonly string[]> {
    return this.pendingOf(await this.appliedMigrations(this.knex), migrations).map(({ name }) => name);
  }

  /** The steps that only newer versions know. */
  async newer(migrations: readonly Migration[]): Promise<readonly string[]> {
    return unknownOf(await this.appliedMigrations(this.knex), migrations).map(({ name }) => name);
  }

  /**
   * Brings the schema up to the last of `migrations`, while other processes are kept out. Resolves to the steps that it took. Throws
   * what pending() throws.
   */
  abstract migrate(migrations: readonly Migration[]): Promise<readonly string[]>;

  /** What there is to say about the connection and how the server is set up. Throws 'unavailable'. */
  abstract inspect(): Promise<readonly DatabaseFinding[]>;

  /** Waits for what is under way and closes the connections. May be repeated. */
  abstract close(): Promise<void>;

  /** The steps that were run, and those that were begun, in order. */
  protected async appliedMigrations(knex: Knex): Promise<readonly AppliedMigration[]> {
    if (!(await knex.schema.hasTable('migrations'))) return [];
    return knex('migrations').orderBy('name');
  }

  /** Those of `migrations` that have not ended. Throws 'unsupported'. */
  protected pendingOf(applied: readonly AppliedMigration[], migrations: readonly Migration[]): readonly Migration[] {
    const pending = migrations.filter(({ name }) => !applied.some(one => one.name === name && Number(one.applied_at) > 0));
    const isKnown = (name: string | null | undefined) => migrations.some(migration => migration.name === name);
    const unknown = unknownOf(applied, migrations);
    const refused = unknown.find(({ oldest }) => !isKnown(oldest)) ?? (pending.length > 0 ? unknown[0] : undefined);
    if (!refused) return pending;
    throw new HubError(
      'unsupported',
      `The database ${this.place} belongs to a newer version of Entrepot (it has ${refused.name}): start that version, or put back ${this.copyBefore}.`,
    );
  }

  /** What to put back when the schema is newer than the program: for messages. */
  protected abstract readonly copyBefore: string;
}

/** The table in which the steps that were run are kept. */
export const CREATE_MIGRATIONS =
  'CREATE TABLE IF NOT EXISTS migrations (name VARCHAR(100) NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL, oldest VARCHAR(100))';

/** Adds to the table what databases of the first version lack. */
export async function completeMigrationsTable(knex: Knex): Promise<void> {
  if (await knex.schema.hasColumn('migrations', 'oldest')) return;
  await knex.schema.alterTable('migrations', table => {
    table.string('oldest', 100);
  });
}

/** Of the row that is kept of `step`, one of `migrations`. */
export function oldestOf({ name }: Migration, migrations: readonly Migration[]): string {
  const before = migrations.slice(0, migrations.findIndex(migration => migration.name === name) + 1);
  return before.findLast(({ oldest }) => oldest !== undefined)?.oldest ?? migrations[0]!.name;
}

function unknownOf(applied: readonly AppliedMigration[], migrations: readonly Migration[]): readonly AppliedMigration[] {
  return applied.filter(({ name }) => !migrations.some(migration => migration.name === name));
}
