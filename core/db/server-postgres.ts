import { createRequire } from 'node:module';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import { HubError } from '../errors.js';
import { CREATE_MIGRATIONS, completeMigrationsTable } from './database.js';
import { LIMITS, type ServerDriver } from './server-driver.js';
import { MIGRATIONS_TABLE, tablesOf } from './tables.js';

// Knex publishes the classes of its dialects only by this path, and without types.
const knexClient = createRequire(import.meta.url)('knex/lib/dialects/postgres/index.js') as typeof Knex.Client;

const lost = new WeakSet<object>();
const INT8 = 20;

/** Texts with numbered parameters, by the text with marks, and the name under which a connection keeps each prepared. */
const prepared = new Map<string, { readonly text: string; readonly name: string }>();
const MAX_PREPARED = 512;

/** PostgreSQL, by pg, which is loaded here and may be missing. */
export const POSTGRES: ServerDriver = {
  dialect: 'postgres',
  clock: 'SELECT extract(epoch from clock_timestamp()) * 1000 AS now',
  knexClient,
  schemaSettings: () => ({}),

  async connect({ host, port, user, password, database, tls, isDurable }) {
    const pg = await loadPg();
    const connection = new pg.Client({
      host,
      port,
      user,
      password: password ?? '',
      database,
      connectionTimeoutMillis: LIMITS.acquireMs,
      keepAlive: true,
      application_name: 'entrepot',
      types: { getTypeParser: (id: number, format) => (id === INT8 ? Number : pg.types.getTypeParser(id, format as 'text')) },
      ...(tls && { ssl: tls as object }),
    });
    connection.on('error', () => lost.add(connection));
    connection.on('end', () => lost.add(connection));
    try {
      await connection.connect();
      await connection.query(
        `SET lock_timeout = ${LIMITS.lockMs}; SET idle_in_transaction_session_timeout = ${LIMITS.listMs}; SET client_encoding = 'UTF8';
        SET standard_conforming_strings = on; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
        ${isDurable ? '' : 'SET synchronous_commit = off'}`,
      );
    } catch (error) {
      lost.add(connection);
      streamOf(connection).destroy();
      throw error;
    }
    return connection;
  },

  isAlive: connection => !lost.has(connection),

  kill(connection) {
    lost.add(connection);
    streamOf(connection as Client).destroy();
  },

  end(connection) {
    const kill = setTimeout(() => streamOf(connection as Client).destroy(), 1_000);
    kill.unref();
    (connection as Client).end().then(
      () => clearTimeout(kill),
      () => clearTimeout(kill),
    );
  },

  async run(connection, { sql, bindings }) {
    const { rows, rowCount, command } = await (connection as Client).query(
      bindings.length === 0 ? { text: sql } : { ...numbered(sql), values: [...bindings] },
    );
    return { changes: command === 'SELECT' ? 0 : (rowCount ?? 0), rows };
  },

  /** All steps in one transaction. Every text is compared byte by byte, whatever the database's own locale. */
  async migrate(trx, lock, listPending) {
    await trx.raw(`SET LOCAL lock_timeout = ${LIMITS.migrationLockMs}`);
    await trx.raw('SELECT pg_advisory_xact_lock(hashtext(?))', [lock]);
    await trx.raw(CREATE_MIGRATIONS);
    const pending = await listPending();
    if (pending.length > 0) await completeMigrationsTable(trx);
    for (const { name, oldest, up } of pending) {
      await up(trx);
      await trx('migrations').insert({ name, applied_at: Date.now(), oldest });
    }
    if (pending.length > 0) await compareBytes(trx);
    return pending.map(({ name }) => name);
  },

  refuses(version) {
    return Number.parseInt(version, 10) >= 13 ? undefined : `is of version ${version}; PostgreSQL 13 is needed`;
  },

  mostConnections:
    "SELECT CAST(current_setting('max_connections') AS int) - CAST(current_setting('superuser_reserved_connections') AS int) AS most",

  async inspect(ask, { isDurable }) {
    const row = await ask(
      `SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
        current_setting('synchronous_commit') AS synchronous, current_setting('max_connections') AS connections,
        current_setting('transaction_isolation') AS isolation`,
    );
    const { version, encoding, fsync, synchronous, connections, isolation } = row as Readonly<Record<string, string>>;
    const isSafe = fsync === 'on' && synchronous !== 'off';
    return [
      { result: 'ok', detail: `PostgreSQL ${version}, ${connections} connections at most` },
      {
        result: isDurable && !isSafe ? 'warn' : 'ok',
        detail: `fsync is ${fsync}, synchronous_commit ${synchronous}${isDurable && !isSafe ? ': a power cut of its machine may lose the last moments' : ''}`,
      },
      encoding === 'UTF8'
        ? { result: 'ok', detail: `text is UTF8; ${isolation?.toUpperCase()}` }
        : { result: 'fail', detail: `text is ${encoding}, not UTF8: names of files could not be kept` },
    ];
  },
};

async function loadPg(): Promise<typeof import('pg')> {
  try {
    return (await import('pg')).default as unknown as typeof import('pg');
  } catch (cause) {
    throw new HubError('unsupported', "PostgreSQL needs the package 'pg', which is not installed: run 'npm install pg'.", { cause });
  }
}

function streamOf(connection: Client): { destroy(): void } {
  return (connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}

function numbered(sql: string): { readonly text: string; readonly name?: string } {
  const known = prepared.get(sql);
  if (known) return known;
  let count = 0;
  const text = sql.replace(/'[^']*'|\?/g, part => (part === '?' ? `$${++count}` : part));
  // A caller that builds texts without end gets them unprepared.
  if (prepared.size >= MAX_PREPARED) return { text };
  const made = { text, name: `entrepot_${prepared.size}` };
  prepared.set(sql, made);
  return made;
}

async function compareBytes(trx: Knex.Transaction): Promise<void> {
  const tables = (await tablesOf(trx)).map(({ name }) => name);
  const columns: readonly { table_name: string; column_name: string; type: string }[] = await trx('information_schema.columns')
    .whereRaw("table_schema = current_schema() AND collation_name IS DISTINCT FROM 'C' AND data_type IN ('text', 'character varying')")
    .whereIn('table_name', [MIGRATIONS_TABLE, ...tables])
    .select('table_name', 'column_name')
    .select(trx.raw("CASE WHEN data_type = 'text' THEN 'text' ELSE 'varchar(' || character_maximum_length || ')' END AS type"));
  for (const table of new Set(columns.map(column => column.table_name))) {
    const changes = columns
      .filter(column => column.table_name === table)
      .map(({ column_name, type }) => `ALTER "${column_name}" TYPE ${type} COLLATE "C"`);
    await trx.raw(`ALTER TABLE "${table}" ${changes.join(', ')}`);
  }
}
