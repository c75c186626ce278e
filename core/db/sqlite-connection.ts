import Sqlite from 'better-sqlite3';
import type { Answer, Binding, Call, QueryResult, Request, SqliteOptions, WireError } from './sqlite-messages.js';
import type { Statement, StatementResult } from './statement.js';

const JOURNAL_SIZE_BYTES = 64 * 1024 * 1024;
/** Texts of statements that stay prepared. The hub has a few dozen; the bound is for a caller that builds texts with values in them. */
const PREPARED = 256;

/** One SQLite connection. In its thread it answers queries as they come, and commits together all calls that arrived meanwhile. */
export class Connection {
  readonly #database: Sqlite.Database;
  readonly #prepared = new Map<string, Sqlite.Statement>();
  #waiting: Call[] = [];
  #scheduled = false;

  /** Opens it; `busyTimeoutMs` is how long it waits for the lock of another. Throws SQLite's error. */
  constructor(
    options: SqliteOptions,
    busyTimeoutMs: number,
    private readonly answer: (answers: readonly Answer[]) => void = () => undefined,
  ) {
    this.#database = open(options, busyTimeoutMs);
  }

  /** Does what the hub asks of a thread, and answers. */
  handle(request: Request): void {
    if (request.kind === 'calls') {
      this.#waiting.push(...request.calls);
      this.#schedule();
      return;
    }
    this.answer([request.kind === 'query' ? this.#answerQuery(request.id, request.sql, request.bindings) : this.#end(request)]);
    if (this.#waiting.length > 0) this.#schedule();
  }

  /** Commits at once. Gives for each call the error that kept it from taking effect, if any. */
  commit(calls: readonly (readonly Statement[])[]): readonly (WireError | undefined)[] {
    return this.#commit(calls.map((statements, id) => ({ id, statements, quiet: true }))).map(({ error }) => error);
  }

  close(): void {
    this.#database.close();
  }

  #answerQuery(id: number, sql: string, bindings: readonly Binding[]): Answer {
    try {
      return { id, result: this.#query(sql, bindings) };
    } catch (error) {
      // A COMMIT that fails, on a deferred constraint, leaves its transaction open: everything that waits would wait for ever.
      if (sql.startsWith('COMMIT')) this.#rollback();
      return { id, error: wireError(error) };
    }
  }

  #query(sql: string, bindings: readonly Binding[]): QueryResult {
    // SQLite has rolled back by itself when the disk was full; saying so again is not an error.
    if (sql === 'ROLLBACK' && !this.#database.inTransaction) return [];
    const statement = this.#database.prepare(sql);
    if (statement.reader) return statement.all(...bindings) as QueryResult;
    const { changes, lastInsertRowid } = statement.run(...bindings);
    return { changes, lastInsertRowid: Number(lastInsertRowid) };
  }

  #end({ kind, id }: Extract<Request, { kind: 'reset' | 'close' }>): Answer {
    this.#rollback();
    if (kind === 'reset') return { id };
    this.#commitWaiting();
    this.#database.close();
    return { id };
  }

  #rollback(): void {
    if (this.#database.inTransaction) this.#database.prepare('ROLLBACK').run();
  }

  /** After all messages that are already here, so that what they bring shares the commit. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      // A transaction of knex is open: its end schedules again.
      if (!this.#database.inTransaction) this.#commitWaiting();
    });
  }

  #commitWaiting(): void {
    const calls = this.#waiting;
    this.#waiting = [];
    if (calls.length > 0) this.answer(this.#commit(calls));
  }

  #commit(calls: readonly Call[]): readonly Answer[] {
    try {
      this.#prepare('BEGIN IMMEDIATE').run();
      const answers = calls.length === 1 ? [this.#runAll(calls[0]!)] : calls.map(call => this.#attempt(call));
      this.#prepare('COMMIT').run();
      return answers;
    } catch (error) {
      this.#rollback();
      const { code, message } = wireError(error);
      // A deferred constraint speaks up only at COMMIT: each alone, so that the right one hears it.
      if (calls.length > 1 && code.startsWith('SQLITE_CONSTRAINT')) return calls.flatMap(call => this.#commit([call]));
      return calls.map(({ id }) => ({ id, error: { code, message } }));
    }
  }

  /** Throws what a statement throws; the caller undoes what those before it did. */
  #runAll({ id, statements, quiet }: Call): Answer {
    if (!quiet) return { id, result: statements.map(statement => this.#run(statement)) };
    for (const { sql, bindings } of statements) this.#prepare(sql).run(...bindings);
    return { id };
  }

  /** Runs one call so that its failure undoes only itself. Throws when SQLite gave up the whole transaction. */
  #attempt(call: Call): Answer {
    this.#prepare('SAVEPOINT attempt').run();
    try {
      const answer = this.#runAll(call);
      this.#prepare('RELEASE attempt').run();
      return answer;
    } catch (error) {
      if (!this.#database.inTransaction) throw error;
      this.#prepare('ROLLBACK TO attempt').run();
      this.#prepare('RELEASE attempt').run();
      return { id: call.id, error: wireError(error) };
    }
  }

  #run({ sql, bindings }: Statement): StatementResult {
    const statement = this.#prepare(sql);
    if (!statement.reader) return { changes: statement.run(...bindings).changes, rows: [] };
    const rows = statement.all(...bindings) as StatementResult['rows'];
    return { changes: statement.readonly ? 0 : rows.length, rows };
  }

  #prepare(sql: string): Sqlite.Statement {
    const statement = this.#prepared.get(sql) ?? this.#database.prepare(sql);
    this.#prepared.delete(sql);
    this.#prepared.set(sql, statement);
    if (this.#prepared.size > PREPARED) this.#prepared.delete(this.#prepared.keys().next().value!);
    return statement;
  }
}

function open({ file, readonly, durable }: SqliteOptions, timeout: number): Sqlite.Database {
  const database = new Sqlite(file, { readonly, timeout });
  if (readonly) return database;
  const mode = database.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal' && file !== ':memory:') {
    throw Object.assign(new Error('its file system does not support write-ahead logging'), { code: 'SQLITE_CANTOPEN' });
  }
  database.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  database.pragma('foreign_keys = ON');
  database.pragma(`journal_size_limit = ${JOURNAL_SIZE_BYTES}`);
  // A read-only file opens without complaint, and fails at the first write: better now.
  database.exec('BEGIN IMMEDIATE; COMMIT');
  return database;
}

/** An error of SQLite, ready to travel. */
export function wireError(error: unknown): WireError {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : 'SQLITE_MISUSE', message: String(message) };
}
