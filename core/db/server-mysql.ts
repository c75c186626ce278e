import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import type { Knex } from 'knex';
import mysql, { type Connection, type ResultSetHeader } from 'mysql2';
import { HubError } from '../errors.js';
import { completeMigrationsTable, type Migration } from './database.js';
import { LIMITS, type ServerDriver } from './server-driver.js';

// Knex publishes the classes of its dialects only by this path, and without types.
const knexClient = createRequire(import.meta.url)('knex/lib/dialects/mysql2/index.js') as typeof Knex.Client;

const lost = new WeakSet<object>();
/** Connections over which a step runs that was begun before. */
const repeating = new WeakSet<object>();

const seconds = (ms: number) => Math.ceil(ms / 1000);

/** Whatever the server's defaults are. Strict, so that nothing is cut short in silence. */
const SESSION = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, foreign_key_checks = 1,
    innodb_lock_wait_timeout = ${seconds(LIMITS.lockMs)}, lock_wait_timeout = ${seconds(LIMITS.lockMs)}`,
];

/** MySQL 8 and MariaDB, by mysql2. */
export const MYSQL: ServerDriver = {
  dialect: 'mysql',
  clock: "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) / 1000 AS now",
  knexClient,

  // Compared byte by byte, blanks at the end included, as SQLite and PostgreSQL do.
  schemaSettings: version => ({ charset: 'utf8mb4', collate: isMariadb(version) ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin' }),

  async connect({ host, port, user, password, database, tls }) {
    // The driver compares certificates with names only, and would look for 'localhost'.
    if (tls?.rejectUnauthorized && isIP(host))
      throw new HubError(
        'invalid-request',
        `database.url: the certificate of ${host} can be checked for a name only: give the name of the host, or set database.tls.verify to false.`,
      );
    const connection = mysql.createConnection({
      host,
      port,
      user,
      database,
      charset: 'utf8mb4',
      connectTimeout: LIMITS.acquireMs,
      supportBigNumbers: true,
      ...(password !== undefined && { password }),
      ...(tls && { ssl: { ...tls, verifyIdentity: tls.rejectUnauthorized } as object }),
    });
    connection.on('error', () => lost.add(connection));
    connection.on('end', () => lost.add(connection));
    try {
      await new Promise<void>((resolve, reject) => connection.connect(error => (error ? reject(error) : resolve())));
      for (const sql of SESSION) await run(connection, sql);
    } catch (error) {
      streamOf(connection).destroy();
      throw error;
    }
    return connection;
  },

  isAlive: connection => !lost.has(connection) && !streamOf(connection as Connection).destroyed,

  kill(connection) {
    lost.add(connection);
    streamOf(connection as Connection).destroy();
  },

  end(connection) {
    const kill = setTimeout(() => streamOf(connection as Connection).destroy(), 1_000);
    kill.unref();
    (connection as Connection).end(() => clearTimeout(kill));
  },

  async run(connection, { sql, bindings }) {
    const result = await run(connection as Connection, sql, bindings);
    if (Array.isArray(result)) return { changes: 0, rows: result };
    return { changes: result.affectedRows, rows: [] };
  },

  /**
   * A statement that changes the schema is a transaction of its own here: each step is marked when it begins, and again when it has ended.
   * One that was cut off is run again: what of it took effect is passed over.
   */
  async migrate(trx, lock, listPending) {
    await trx.raw(`SET SESSION lock_wait_timeout = ${seconds(LIMITS.migrationLockMs)}`);
    const [[row]] = (await trx.raw('SELECT GET_LOCK(?, ?) AS held', [lock, seconds(LIMITS.migrationLockMs)])) as [
      { held: number | null }[],
    ];
    if (row?.held !== 1) throw new HubError('unavailable', 'Another process is bringing the schema of the database up to date');
    try {
      if (!(await trx.schema.hasTable('migrations'))) await createTable(trx);
      const pending = await listPending();
      if (pending.length > 0) await completeMigrationsTable(trx);
      for (const step of pending) await take(trx, step);
      return pending.map(({ name }) => name);
    } finally {
      await trx.raw('SELECT RELEASE_LOCK(?)', [lock]);
    }
  },

  isDoneAlready: (connection, error) => repeating.has(connection) && isThereAlready(error),

  refuses(version) {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const good = isMariadb(version) ? major > 10 || (major === 10 && minor >= 6) : major >= 8;
    return good ? undefined : `is of version ${version}; MySQL 8 or MariaDB 10.6 is needed`;
  },

  mostConnections:
    'SELECT CASE WHEN @@max_user_connections > 0 THEN LEAST(@@max_user_connections, @@max_connections) ELSE @@max_connections END AS most',

  async inspect(ask, { isDurable }) {
    const server = await ask(
      `SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush, @@max_connections AS connections, @@character_set_client AS charset,
        (SELECT table_collation FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'users') AS collation`,
    );
    const { version, flush, connections, charset, collation } = server as Readonly<Record<string, string>>;
    return [
      { result: 'ok', detail: `${isMariadb(String(version)) ? 'MariaDB' : 'MySQL'} ${version}, ${connections} connections at most` },
      isDurable && String(flush) !== '1'
        ? { result: 'warn', detail: `innodb_flush_log_at_trx_commit is ${flush}: a power cut of its machine may lose the last second` }
        : { result: 'ok', detail: `innodb_flush_log_at_trx_commit is ${flush}` },
      /_bin$/.test(String(collation ?? '_bin')) && charset === 'utf8mb4'
        ? { result: 'ok', detail: `text is ${charset}${collation ? `, compared by ${collation}` : ''}; READ COMMITTED` }
        : { result: 'fail', detail: `text is ${charset}, compared by ${collation}: names that differ in case only would be one` },
    ];
  },
};

function isMariadb(version: string): boolean {
  return /mariadb/i.test(version);
}

function streamOf(connection: Connection): { destroy(): void; readonly destroyed: boolean } {
  return (connection as unknown as { stream: { destroy(): void; readonly destroyed: boolean } }).stream;
}

function run(connection: Connection, sql: string, values: readonly unknown[] = []): Promise<ResultSetHeader | Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    connection.query({ sql, values: [...values] }, (error, result) => (error ? reject(error) : resolve(result as ResultSetHeader)));
  });
}

async function createTable(trx: Knex.Transaction): Promise<void> {
  await trx.schema.createTable('migrations', table => {
    table.string('name', 100).notNullable().primary();
    table.bigInteger('applied_at').notNullable();
    table.string('oldest', 100);
  });
}

async function take(trx: Knex.Transaction, { name, oldest, up }: Migration): Promise<void> {
  const connection = (await trx.client.acquireConnection()) as object;
  const wasBegun = (await trx('migrations').where({ name }).first('name')) !== undefined;
  if (wasBegun) repeating.add(connection);
  else await trx('migrations').insert({ name, applied_at: 0, oldest });
  try {
    await up(trx);
  } catch (error) {
    // What others put into the database must not pass for a part of the step the next time.
    if (isThereAlready(error)) await trx('migrations').where({ name }).del();
    throw error;
  } finally {
    repeating.delete(connection);
  }
  await trx('migrations').where({ name }).update({ applied_at: Date.now(), oldest });
}

/** A table, a column, an index, a primary or foreign key that is there; one that is dropped and is not. */
function isThereAlready(error: unknown): boolean {
  const { errno, message } = error as { readonly errno?: number; readonly message?: string };
  if (errno === 1005) return /errno: 121/.test(String(message));
  return [1050, 1060, 1061, 1068, 1091, 1826, 3822].includes(errno ?? 0);
}
