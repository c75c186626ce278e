import type { Statement, StatementResult } from './statement.js';

/** How one SQLite connection is opened. */
export interface SqliteOptions {
  /** Absolute path, or ':memory:'. */
  readonly file: string;
  readonly readonly: boolean;
  /** Whether a commit waits until the disk has it. */
  readonly durable: boolean;
}

/** What one query of knex did: rows, or what was changed. */
export type QueryResult = readonly Readonly<Record<string, unknown>>[] | { readonly changes: number; readonly lastInsertRowid: number };

/** What may be bound to a parameter of a query. */
export type Binding = string | number | bigint | null | Uint8Array;

/** Statements that take effect together or not at all. */
export interface Call {
  readonly id: number;
  readonly statements: readonly Statement[];
  /** Nobody asks what each statement did: what need not travel between threads costs nothing. */
  readonly quiet: boolean;
}

/** From the hub to the thread of a connection. */
export type Request =
  | { readonly kind: 'query'; readonly id: number; readonly sql: string; readonly bindings: readonly Binding[] }
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  | { readonly kind: 'reset'; readonly id: number }
  | { readonly kind: 'close'; readonly id: number };

/** An error on its way between threads. */
export interface WireError {
  readonly code: string;
  readonly message: string;
}

/** The answer to the request, or the call, of that id; id 0 says that the connection is open. */
export interface Answer {
  readonly id: number;
  readonly result?: QueryResult | readonly StatementResult[];
  readonly error?: WireError;
}
