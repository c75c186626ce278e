import type { Knex } from 'knex';

/** One statement with its values. Kept prepared by its text: build the text once, never with values in it. */
export interface Statement {
  readonly sql: string;
  readonly bindings: readonly (string | number | null | Buffer)[];
}

/** What one statement did. */
export interface StatementResult {
  /** Rows changed; 0 for a SELECT. */
  readonly changes: number;
  /** Rows of a SELECT or of RETURNING. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** The hub's records. Only the repositories of this folder and of core/events use it. */
export declare class Database {
  readonly knex: Knex;
  readonly reader: Knex;
  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>;
  atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]>;
  close(): Promise<void>;
}
