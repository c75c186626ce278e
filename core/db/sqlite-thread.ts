import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import makeKnex, { type Knex } from 'knex';
import { HubError } from '../errors.js';
import { databaseError } from './errors.js';
import type { Answer, Binding, Call, QueryResult, Request, SqliteOptions, WireError } from './sqlite-messages.js';
import type { Statement, StatementResult } from './statement.js';

interface Outstanding {
  resolve(result: Answer['result']): void;
  reject(error: Error): void;
}

/** One SQLite connection in a thread of its own, so that no disk stops the event loop. */
export class SqliteThread {
  readonly #worker: Worker;
  readonly #outstanding = new Map<number, Outstanding>();
  #lastId = 0;
  #gathered: Call[] = [];
  #death: HubError | undefined;
  #closing: Promise<void> | undefined;
  #failed: (cause: Error | undefined) => void = () => undefined;
  /** Resolves, to why when that is known, when the thread ends without being asked to. Nothing works from then on. */
  readonly failed = new Promise<Error | undefined>(resolve => {
    this.#failed = resolve;
  });

  private constructor(options: SqliteOptions) {
    this.#worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
      workerData: options,
      name: 'sqlite',
      execArgv: [],
      env: {},
    });
    this.#worker.on('message', (answers: readonly Answer[]) => {
      for (const answer of answers) this.#settle(answer);
    });
    this.#worker.on('error', error => this.#die(error));
    this.#worker.on('exit', () => this.#die(undefined));
  }

  /** Opens the connection. Throws SQLite's error, with its code. */
  static async open(options: SqliteOptions): Promise<SqliteThread> {
    const thread = new SqliteThread(options);
    await thread.#expect(0);
    return thread;
  }

  /** Whether nothing waits for an answer: then what is done elsewhere now overtakes nothing. */
  get isIdle(): boolean {
    return this.#outstanding.size === 0 && !this.#death;
  }

  /** Runs one statement. Throws SQLite's error, or 'unavailable' when the database is busy, full or gone. */
  async query(sql: string, bindings: readonly Binding[]): Promise<QueryResult> {
    return (await this.#request({ kind: 'query', id: ++this.#lastId, sql, bindings })) as QueryResult;
  }

  /**
   * Runs statements that take effect together or not at all, on the disk when this resolves. Calls that arrive together, or while
   * a commit runs, share one commit; one that fails takes none of the others down.
   */
  async atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return (await this.#gather(statements, false)) as readonly StatementResult[];
  }

  /** The same for those who need not know what each statement did. */
  async change(statements: readonly Statement[]): Promise<void> {
    await this.#gather(statements, true);
  }

  /** Rolls back what a caller left open. */
  async reset(): Promise<void> {
    if (!this.#death) await this.#request({ kind: 'reset', id: ++this.#lastId });
  }

  /** Waits for the calls under way, closes the connection and ends the thread. May be repeated. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#death) return;
    this.#sendGathered();
    const ended = new Promise(resolve => this.#worker.once('exit', resolve));
    const closed = this.#request({ kind: 'close', id: ++this.#lastId });
    this.#death = new HubError('unavailable', 'The database is closed');
    await closed;
    this.#worker.ref();
    await ended;
  }

  #gather(statements: readonly Statement[], quiet: boolean): Promise<Answer['result']> {
    const id = ++this.#lastId;
    // While the thread is at work, what comes in this turn shares a message; where it waits, each moment counts.
    const { isIdle } = this;
    const answer = this.#expect(id);
    if (this.#gathered.push({ id, statements, quiet }) > 1) return answer;
    if (isIdle) process.nextTick(() => this.#sendGathered());
    else setImmediate(() => this.#sendGathered());
    return answer;
  }

  #request(request: Exclude<Request, { kind: 'calls' }>): Promise<Answer['result']> {
    const answer = this.#expect(request.id);
    this.#post(request, [request.id]);
    return answer;
  }

  #sendGathered(): void {
    const calls = this.#gathered;
    this.#gathered = [];
    if (calls.length > 0)
      this.#post(
        { kind: 'calls', calls },
        calls.map(({ id }) => id),
      );
  }

  #post(request: Request, ids: readonly number[]): void {
    if (this.#death) return;
    try {
      this.#worker.postMessage(request);
    } catch (error) {
      // A value that cannot travel between threads.
      for (const id of ids) this.#take(id)?.reject(error as Error);
    }
  }

  #expect(id: number): Promise<Answer['result']> {
    if (this.#death) return Promise.reject(this.#death);
    // Only what is awaited keeps the process alive, not the thread itself.
    if (this.#outstanding.size === 0) this.#worker.ref();
    return new Promise((resolve, reject) => this.#outstanding.set(id, { resolve, reject }));
  }

  #settle({ id, result, error }: Answer): void {
    const waiting = this.#take(id);
    if (error) waiting?.reject(asDatabaseError(error));
    else waiting?.resolve(result);
  }

  #take(id: number): Outstanding | undefined {
    const waiting = this.#outstanding.get(id);
    this.#outstanding.delete(id);
    if (this.#outstanding.size === 0) this.#worker.unref();
    return waiting;
  }

  #die(cause: Error | undefined): void {
    if (!this.#death) this.#failed(cause);
    this.#death ??= new HubError('unavailable', 'The database stopped working', { cause });
    const waiting = [...this.#outstanding.values()];
    this.#outstanding.clear();
    for (const { reject } of waiting) reject(this.#death);
  }
}

/** What a connection answered, as callers of the database hear it. */
export function asDatabaseError({ code, message }: WireError): Error {
  return databaseError(Object.assign(new Error(message), { code }));
}

/** What knex's pool holds: a fresh one each time, because knex marks connections that it gave up. */
interface PooledConnection {
  readonly thread: SqliteThread;
}

interface QueryObject {
  readonly sql: string;
  readonly bindings?: readonly unknown[];
  response?: unknown;
  context?: { readonly lastID: number; readonly changes: number };
}

// Knex publishes the class of its SQLite dialect only by this path, and without types.
const SqliteClient = createRequire(import.meta.url)('knex/lib/dialects/better-sqlite3/index.js') as typeof Knex.Client;

/** Knex over the thread that `open` gives, which is asked for at the first query. Destroying it leaves the thread open. */
export function knexOver(open: () => Promise<SqliteThread>, begin: 'BEGIN' | 'BEGIN IMMEDIATE'): Knex {
  class Client extends SqliteClient {
    /** The addon is loaded by the thread. */
    _driver(): object {
      return {};
    }

    override async acquireRawConnection(): Promise<PooledConnection> {
      return { thread: await open() };
    }

    override destroyRawConnection({ thread }: PooledConnection): Promise<void> {
      return thread.reset();
    }

    override async query(connection: PooledConnection, query: unknown): Promise<unknown> {
      try {
        return await super.query(connection, query);
      } catch (error) {
        throw error instanceof Error && error.cause instanceof HubError ? error.cause : error;
      }
    }

    async _query({ thread }: PooledConnection, query: QueryObject): Promise<QueryObject> {
      // Taking the lock for writing at once waits for its turn; taking it later fails when another process wrote in between.
      const sql = query.sql === 'BEGIN;' ? begin : query.sql;
      const result = await thread.query(sql, (query.bindings ?? []).map(toBinding)).catch(shield);
      query.response = result;
      if ('lastInsertRowid' in result) query.context = { lastID: result.lastInsertRowid, changes: result.changes };
      return query;
    }
  }
  return makeKnex.knex({
    client: Client,
    connection: { filename: 'thread' },
    useNullAsDefault: true,
    compileSqlOnError: false,
    pool: { min: 0, max: 1 },
  });
}

/** Knex writes its SQL into the message of every error: one that clients may see is given to it inside another. */
function shield(error: Error): never {
  throw error instanceof HubError ? new Error(error.message, { cause: error }) : error;
}

function toBinding(value: unknown): Binding {
  if (value instanceof Date) return value.getTime();
  if (typeof value === 'boolean') return Number(value);
  return value === undefined ? null : (value as Binding);
}
