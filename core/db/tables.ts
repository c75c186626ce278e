import type { Knex } from 'knex';

/** A table of the hub, as the database tells of it. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** Columns that hold whole numbers, which some drivers give as texts. */
  readonly numbers: ReadonlySet<string>;
}

/** A row with its values in the order of the table's columns: texts, numbers and nulls, the same from every kind of database. */
export type TableRow = readonly (string | number | null)[];

const BATCH = 500;
/** Columns that a database works out itself, and in which nothing can be put. */
const WORKED_OUT = new Set(['due_target']);
/** Where the database keeps which migrations it has seen. */
export const MIGRATIONS_TABLE = 'migrations';

type Dialect = 'sqlite' | 'mysql' | 'postgresql';

/** Every table of the hub but that of the migrations, those that others refer to first. */
export async function tablesOf(knex: Knex): Promise<readonly Table[]> {
  const names = (await namesOf(knex)).filter(name => name !== MIGRATIONS_TABLE).sort();
  // One at a time: they may share a connection.
  const left = new Map<string, readonly string[]>();
  for (const name of names) left.set(name, await parentsOf(knex, name));
  const ordered: string[] = [];
  while (left.size > 0) {
    const ready = [...left].filter(([name, parents]) => parents.every(parent => parent === name || !left.has(parent)));
    // Tables that refer to each other: any order is as good.
    for (const [name] of ready.length > 0 ? ready : [...left].slice(0, 1)) {
      ordered.push(name);
      left.delete(name);
    }
  }
  const tables: Table[] = [];
  for (const name of ordered) tables.push(await describe(knex, name));
  return tables;
}

/** All rows of a table, in batches; within a transaction, of one moment. */
export async function* rowsOf(trx: Knex.Transaction, table: Table): AsyncGenerator<readonly TableRow[]> {
  for await (const batch of batchesOf(trx, table))
    yield batch.map(row => table.columns.map(column => plain(row[column], table.numbers.has(column))));
}

/** Adds rows as rowsOf() gave them. Throws what the database throws, in words that name the table and not the statement. */
export async function addRows(trx: Knex.Transaction, table: string, columns: readonly string[], rows: readonly TableRow[]): Promise<void> {
  // No database takes more values in one statement than this allows.
  const atOnce = Math.max(1, Math.min(100, Math.floor(900 / columns.length)));
  for (let start = 0; start < rows.length; start += atOnce) {
    const part = rows.slice(start, start + atOnce);
    const records = part.map(row => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
    await trx(table)
      .insert(records)
      .catch((error: Error) => {
        // The statement stands before it, with a place for each of hundreds of values.
        error.message = `${table}: ${error.message.split(' - ').at(-1)}`;
        throw error;
      });
  }
}

type Row = Readonly<Record<string, unknown>>;

async function* batchesOf(trx: Knex.Transaction, { name }: Table): AsyncGenerator<readonly Row[]> {
  if (dialectOf(trx) === 'mysql') {
    let batch: Row[] = [];
    for await (const row of trx(name).select('*').stream()) {
      if (batch.push(row as Row) < BATCH) continue;
      yield batch;
      batch = [];
    }
    yield batch;
  } else if (dialectOf(trx) === 'postgresql') {
    await trx.raw('DECLARE backup_rows NO SCROLL CURSOR FOR SELECT * FROM ??', [name]);
    for (;;) {
      const { rows } = (await trx.raw(`FETCH ${BATCH} FROM backup_rows`)) as { readonly rows: readonly Row[] };
      if (rows.length === 0) break;
      yield rows;
    }
    await trx.raw('CLOSE backup_rows');
  } else {
    for (let last = -1; ; ) {
      const rows: readonly Row[] = await trx(name)
        .select('*', trx.raw('rowid as row_number'))
        .whereRaw('rowid > ?', [last])
        .orderByRaw('rowid')
        .limit(BATCH);
      if (rows.length === 0) return;
      yield rows;
      last = Number(rows.at(-1)!.row_number);
    }
  }
}

function plain(value: unknown, isNumber: boolean): string | number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return Number(value);
  if (isNumber || typeof value === 'number' || typeof value === 'bigint') return Number(value);
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
}

async function describe(knex: Knex, name: string): Promise<Table> {
  const info = (await knex(name).columnInfo()) as unknown as Readonly<Record<string, { readonly type: string }>>;
  const columns = Object.keys(info)
    .filter(column => !WORKED_OUT.has(column))
    .sort();
  return { name, columns, numbers: new Set(columns.filter(column => /int|bool/i.test(info[column]!.type))) };
}

async function namesOf(knex: Knex): Promise<readonly string[]> {
  if (dialectOf(knex) === 'sqlite')
    return knex('sqlite_master').where({ type: 'table' }).whereNot('name', 'like', 'sqlite\\_%').pluck('name') as Promise<string[]>;
  // By names of their own: MySQL gives the columns of its catalogue in capitals.
  const rows: readonly Row[] = await knex('information_schema.tables')
    .where({ table_schema: currentSchema(knex), table_type: 'BASE TABLE' })
    .select({ name: 'table_name' });
  return rows.map(({ name }) => String(name));
}

async function parentsOf(knex: Knex, table: string): Promise<readonly string[]> {
  const dialect = dialectOf(knex);
  if (dialect === 'sqlite')
    return knex.raw('PRAGMA foreign_key_list(??)', [table]).then((rows: readonly Row[]) => rows.map(row => String(row.table)));
  if (dialect === 'mysql')
    return knex('information_schema.key_column_usage')
      .where({ table_schema: currentSchema(knex), table_name: table })
      .whereNotNull('referenced_table_name')
      .select({ parent: 'referenced_table_name' })
      .then((rows: readonly Row[]) => rows.map(({ parent }) => String(parent)));
  return knex('pg_constraint')
    .where({ contype: 'f' })
    .whereRaw('conrelid = ?::regclass', [table])
    .select(knex.raw('confrelid::regclass::text as parent'))
    .then((rows: readonly Row[]) => rows.map(row => String(row.parent).replaceAll('"', '')));
}

function currentSchema(knex: Knex): Knex.Raw {
  return knex.raw(dialectOf(knex) === 'mysql' ? 'database()' : 'current_schema()');
}

function dialectOf(knex: Knex): Dialect {
  const { dialect } = (knex as unknown as { readonly client: { readonly dialect: string } }).client;
  return dialect.includes('mysql') ? 'mysql' : dialect.includes('postgres') ? 'postgresql' : 'sqlite';
}
