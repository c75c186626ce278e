import type { Knex } from 'knex';
import type { DatabaseFinding, Migration } from './database.js';
import type { ServerSettings } from './server-options.js';
import type { Statement, StatementResult } from './statement.js';

/** What is waited for before something is given up. */
export const LIMITS = {
  /** For a free connection, or a new one. */
  acquireMs: 5_000,
  /** For the answer to a statement of the hot path or of an operator. */
  queryMs: 8_000,
  /** For a list. */
  listMs: 30_000,
  /** For a row or a table that another connection holds. */
  lockMs: 4_000,
  /** For another process to bring the schema up to date. */
  migrationLockMs: 120_000,
  /** For one step of that. */
  migrationMs: 3_600_000,
} as const;

/** One connection of a driver. Knex pools them. */
export type ServerConnection = object;

/** Everything in which MySQL and PostgreSQL differ, beside the texts of a few statements. */
export interface ServerDriver {
  readonly dialect: ServerSettings['dialect'];
  /** Knex's class of this kind of server. */
  readonly knexClient: typeof Knex.Client;
  /** What knex is to know beside the connections, for a server of that version. */
  schemaSettings(version: string): Readonly<Record<string, string>>;
  /** Connects and sets the connection up. Throws the driver's error. */
  connect(settings: ServerSettings): Promise<ServerConnection>;
  isAlive(connection: ServerConnection): boolean;
  /** Closes it at once, whatever it is doing. */
  kill(connection: ServerConnection): void;
  /** Closes it in peace. */
  end(connection: ServerConnection): void;
  /** Asks for the time in milliseconds since 1970, as `now`. */
  readonly clock: string;
  run(connection: ServerConnection, statement: Statement): Promise<StatementResult>;
  /** Runs the steps that `pending` gives, under the lock, in order, while no other process does. Gives their names. */
  migrate(trx: Knex.Transaction, lock: string, pending: () => Promise<readonly Migration[]>): Promise<readonly string[]>;
  /** Whether a statement failed only because it took effect before the process that ran it was killed. */
  isDoneAlready?(connection: ServerConnection, error: unknown): boolean;
  /** Why a server of that version cannot be used; undefined for one that can. */
  refuses(version: string): string | undefined;
  /** Asks as `most` how many connections the server takes of an account without privileges. */
  readonly mostConnections: string;
  inspect(run: (sql: string) => Promise<Readonly<Record<string, unknown>>>, settings: ServerSettings): Promise<readonly DatabaseFinding[]>;
}
