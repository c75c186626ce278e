import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { HubError } from '../errors.js';
import type { Logger } from '../log.js';
import { Database, type DatabaseFinding, type Migration, oldestOf } from './database.js';
import { databaseError, isTransient } from './errors.js';
import { ServerClock } from './server-clock.js';
import { LIMITS, type ServerConnection, type ServerDriver } from './server-driver.js';
import { guarded, knexOverServer } from './server-knex.js';
import { describeServer, readServerOptions, type ServerOptions, type ServerSettings } from './server-options.js';
import type { Statement, StatementResult } from './statement.js';

/** How a database of a server is opened. */
export interface ServerDatabaseOptions extends Partial<ServerOptions> {
  readonly url: string;
  readonly durability: 'disk' | 'process';
  readonly log: Logger;
}

const MAX_TRIES = 8;
/** A try that ended later than that after the first one began is the last; so is one that waited in vain for a lock. */
const TRYING_MS = 8_000;
const WAITED_MS = 3_000;
const FIRST_PAUSE_MS = 10;
/** Processes that live say so every 3 s, by clocks that may differ. */
const SEEN_MS = 120_000;
const READS = /^\s*(select|with)\b/i;

/** The records on a server of MySQL, MariaDB or PostgreSQL. */
export class ServerDatabase extends Database {
  readonly dialect: 'mysql' | 'postgres';
  /** Never: connections are made anew. */
  readonly failed = new Promise<never>(() => undefined);
  readonly #clock: ServerClock;
  #retries = 0;
  #closed: Promise<void> | undefined;

  private constructor(
    private readonly driver: ServerDriver,
    private readonly settings: ServerSettings,
    readonly knex: Knex,
    readonly reader: Knex,
    readonly place: string,
    private readonly log: Logger,
  ) {
    super();
    this.dialect = driver.dialect;
    this.#clock = new ServerClock(async () => Number(await this.#value(driver.clock, 'now')));
  }

  /** Connects. Throws 'unavailable' with a sentence that names the server, and 'unsupported' for one that is too old. */
  static async open(options: ServerDatabaseOptions): Promise<ServerDatabase> {
    const { log } = options;
    const settings = await readServerOptions(options.url, options.durability, options);
    const driver =
      settings.dialect === 'mysql' ? (await import('./server-mysql.js')).MYSQL : (await import('./server-postgres.js')).POSTGRES;
    const writers = knexOverServer(driver, settings, { size: settings.pool, queryMs: LIMITS.queryMs, log });
    const readers = knexOverServer(driver, settings, { size: readersOf(settings), queryMs: LIMITS.listMs, log });
    const database = new ServerDatabase(driver, settings, writers, readers, describeServer(settings), log);
    try {
      const version = await database.#version();
      const refusal = driver.refuses(version);
      if (refusal !== undefined) throw new HubError('unsupported', `The database ${database.place} ${refusal}.`);
      await database.#clock.start();
      return database;
    } catch (error) {
      await database.close();
      throw error instanceof HubError && error.code !== 'unavailable' ? error : openingError(database.place, error);
    }
  }

  get retries(): number {
    return this.#retries;
  }

  override now(): number {
    return this.#clock.now();
  }

  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return this.#persist(() =>
      this.knex.transaction(async (trx): Promise<T> => {
        // Knex calls also when BEGIN failed, which the caller hears by then.
        if (trx.isCompleted()) throw new HubError('unavailable', 'The database does not answer');
        return work(trx);
      }),
    );
  }

  atomically(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#persist(() => this.#run(statements));
  }

  async change(statements: readonly Statement[]): Promise<void> {
    await this.atomically(statements);
  }

  async migrate(migrations: readonly Migration[]): Promise<readonly string[]> {
    if ((await this.pending(migrations)).length === 0) return [];
    return this.#apart(async knex => {
      Object.assign(knex.client.connectionSettings, this.driver.schemaSettings(await this.#version()));
      return knex.transaction(trx => {
        const pending = async () =>
          this.pendingOf(await this.appliedMigrations(trx), migrations).map(step => ({ ...step, oldest: oldestOf(step, migrations) }));
        return this.driver.migrate(trx, `entrepot ${this.settings.database}`.slice(0, 64), pending);
      });
    });
  }

  snapshot<T>(read: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    // Knex writes the two together in a way that MySQL does not read.
    const readOnly = this.dialect === 'postgres' && { readOnly: true };
    return this.#apart(knex => knex.transaction(read, { isolationLevel: 'repeatable read', ...readOnly }));
  }

  async inspect(): Promise<readonly DatabaseFinding[]> {
    const ask = async (sql: string) => (await this.atomically([{ sql, bindings: [] }]))[0]?.rows[0] ?? {};
    return [...(await this.driver.inspect(ask, this.settings)), await this.#inspectConnections(ask)];
  }

  close(): Promise<void> {
    this.#clock.stop();
    this.#closed ??= Promise.all([this.knex.destroy(), this.reader.destroy()]).then(() => undefined);
    return this.#closed;
  }

  protected get copyBefore(): string {
    return 'the copy of the database made before the update';
  }

  /** What the processes that are known may open, if their pools are as large as this one's, beside what the server takes. */
  async #inspectConnections(ask: (sql: string) => Promise<Readonly<Record<string, unknown>>>): Promise<DatabaseFinding> {
    const most = Number((await ask(this.driver.mostConnections)).most);
    const [row] = await this.knex('processes')
      .where('seen_at', '>', Date.now() - SEEN_MS)
      .count({ seen: '*' });
    const processes = Math.max(1, Number(row?.seen));
    const each = this.settings.pool + readersOf(this.settings);
    const detail = `${processes} ${processes === 1 ? 'process' : 'processes'} may open ${processes * each} connections (\`database.pool\` and ${each - this.settings.pool} for lists each), and the server takes ${most}`;
    if (processes * each <= most) return { result: 'ok', detail };
    return { result: 'warn', detail: `${detail}: raise its max_connections, or lower \`database.pool\`` };
  }

  /** Over a connection of its own, on which a statement may take long. */
  async #apart<T>(work: (knex: Knex) => Promise<T>): Promise<T> {
    const knex = knexOverServer(this.driver, this.settings, { size: 1, queryMs: LIMITS.migrationMs, log: this.log });
    try {
      return await work(knex);
    } catch (error) {
      throw databaseError(error);
    } finally {
      await knex.destroy();
    }
  }

  async #version(): Promise<string> {
    const sql = this.dialect === 'mysql' ? 'SELECT VERSION() AS version' : "SELECT current_setting('server_version') AS version";
    return String(await this.#value(sql, 'version'));
  }

  async #value(sql: string, column: string): Promise<unknown> {
    const [result] = await this.atomically([{ sql, bindings: [] }]);
    return result?.rows[0]?.[column];
  }

  /** Tries again what a deadlock, say, has undone, a few times and for a few seconds. */
  async #persist<T>(attempt: () => Promise<T>): Promise<T> {
    const began = performance.now();
    for (let tries = 1; ; tries++) {
      const triedAt = performance.now();
      try {
        return await attempt();
      } catch (error) {
        const now = performance.now();
        const isLast = tries >= MAX_TRIES || now - began > TRYING_MS || now - triedAt > WAITED_MS;
        if (isLast || !isTransient(error)) throw databaseError(error);
        this.#retries++;
        await sleep(FIRST_PAUSE_MS * 2 ** tries * (0.5 + Math.random()));
      }
    }
  }

  async #run(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    const { client } = this.knex;
    const connection = (await client.acquireConnection()) as ServerConnection;
    try {
      const [only] = statements;
      // One statement is a transaction of its own, in one round trip.
      if (statements.length === 1) return [await this.#ask(connection, only!, READS.test(only!.sql))];
      return await this.#runTogether(connection, statements);
    } finally {
      client.releaseConnection(connection);
    }
  }

  async #runTogether(connection: ServerConnection, statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    await this.#ask(connection, BEGIN, true);
    const results: StatementResult[] = [];
    try {
      for (const statement of statements) results.push(await this.#ask(connection, statement, true));
      await this.#ask(connection, COMMIT, false);
      return results;
    } catch (error) {
      if (this.driver.isAlive(connection)) await this.#ask(connection, ROLLBACK, true).catch(() => this.driver.kill(connection));
      throw error;
    }
  }

  #ask(connection: ServerConnection, statement: Statement, isSafe: boolean): Promise<StatementResult> {
    return guarded(this.driver, connection, isSafe, LIMITS.queryMs, () => this.driver.run(connection, statement));
  }
}

const BEGIN: Statement = { sql: 'BEGIN', bindings: [] };
const COMMIT: Statement = { sql: 'COMMIT', bindings: [] };
const ROLLBACK: Statement = { sql: 'ROLLBACK', bindings: [] };

/** How many connections read long lists. */
function readersOf({ pool }: ServerSettings): number {
  return Math.max(2, Math.ceil(pool / 3));
}

function openingError(place: string, thrown: unknown): HubError {
  const cause = thrown instanceof HubError ? thrown.cause : thrown;
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  const reasons: readonly (readonly [RegExp, string])[] = [
    [/^ECONNREFUSED$/, 'cannot be reached: nothing listens there'],
    [/^(ENOTFOUND|EAI_AGAIN)$/, 'cannot be reached: its host has no address'],
    [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'cannot be reached: it does not answer'],
    [/^(ER_ACCESS_DENIED_ERROR|ER_ACCESS_DENIED_NO_PASSWORD_ERROR|28P01|28000)$/, 'refuses the login: check the user and the password'],
    [/^(ER_DBACCESS_DENIED_ERROR|42501)$/, 'refuses the user this database'],
    [/^(ER_BAD_DB_ERROR|3D000)$/, 'is not there: its server knows no database of that name'],
    [/^(ER_CON_COUNT_ERROR|ER_TOO_MANY_USER_CONNECTIONS|53300)$/, 'takes no more connections'],
  ];
  const reason =
    reasons.find(([pattern]) => pattern.test(String(code)))?.[1] ?? `cannot be used: ${String(message ?? 'it does not answer')}`;
  return new HubError('unavailable', `The database ${place} ${reason}.`, { cause });
}
