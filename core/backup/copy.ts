import type { Knex } from 'knex';
import type { Database, Migration } from '../db/database.js';
import { type DatabaseOptions, openDatabase } from '../db/open.js';
import { addRows, rowsOf, type Table, tablesOf } from '../db/tables.js';
import { HubError } from '../errors.js';
import { RowDigest } from './format.js';
import { withoutHubs } from './without-hubs.js';

/** Between which databases the records are copied. */
export interface CopyOptions {
  readonly from: DatabaseOptions;
  readonly to: DatabaseOptions;
  readonly migrations: readonly Migration[];
}

/** How many rows of a table were copied. */
export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
}

/** What is of the processes that work on a database, and not of the hub. */
const LEFT_OUT: ReadonlySet<string> = new Set(['processes']);

/**
 * Copies every record, as it is, sealed secrets included, into a database that has none; reads it back there, and compares. Both
 * have the schema of this version afterwards. Throws 'conflict' while a hub works on one of the two, for a target that holds records, or a
 * source whose schema is of an older version; what went wrong on the way leaves the target as empty as it was.
 */
export async function copyDatabase(options: CopyOptions): Promise<readonly CopiedTable[]> {
  return withoutHubs(options.from, () => withoutHubs(options.to, () => copyQuiet(options)));
}

async function copyQuiet({ from, to, migrations }: CopyOptions): Promise<readonly CopiedTable[]> {
  const source = await openDatabase(from);
  try {
    const pending = await source.pending(migrations);
    if (pending.length > 0)
      throw new HubError(
        'conflict',
        `The database ${source.place} is of an older version: start the hub on it, or run \`entrepot migrate\`, first.`,
      );
    const target = await openDatabase(to);
    try {
      await requireEmpty(target);
      await target.migrate(migrations);
      return await copyInto(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyInto(source: Database, target: Database): Promise<readonly CopiedTable[]> {
  const tables = (await tablesOf(source.knex)).filter(({ name }) => !LEFT_OUT.has(name));
  const there = new Map((await tablesOf(target.knex)).map(table => [table.name, table]));
  const stranger = tables.find(({ name, columns }) => columns.some(column => !there.get(name)?.columns.includes(column)));
  if (stranger) throw new HubError('conflict', `The database ${source.place} has a table '${stranger.name}' that is not the hub's`);
  try {
    // In one moment of the source, table by table.
    const sums = await source.snapshot(async read => {
      const made = new Map<string, RowDigest>();
      for (const table of tables) made.set(table.name, await copyTable(read, table, target));
      return made;
    });
    await target.snapshot(async read => {
      for (const { name } of tables) requireSame(name, sums.get(name)!, await digestOf(read, there.get(name)!));
    });
    return tables.map(({ name }) => ({ table: name, rows: sums.get(name)!.rows }));
  } catch (error) {
    await empty(target, tables).catch(() => undefined);
    throw error;
  }
}

async function copyTable(read: Knex.Transaction, table: Table, target: Database): Promise<RowDigest> {
  const digest = new RowDigest();
  for await (const batch of rowsOf(read, table)) {
    await target.transaction(trx => addRows(trx, table.name, table.columns, batch));
    for (const row of batch) digest.add(row);
  }
  return digest;
}

async function digestOf(read: Knex.Transaction, table: Table): Promise<RowDigest> {
  const digest = new RowDigest();
  for await (const batch of rowsOf(read, table)) for (const row of batch) digest.add(row);
  return digest;
}

function requireSame(table: string, sent: RowDigest, found: RowDigest): void {
  if (sent.rows !== found.rows)
    throw new HubError('internal', `Table ${table}: ${sent.rows} rows were copied, and ${found.rows} are there. Nothing was kept.`);
  if (sent.toString() !== found.toString())
    throw new HubError('internal', `Table ${table}: what is there differs from what was copied. Nothing was kept.`);
}

async function requireEmpty(target: Database): Promise<void> {
  for (const { name } of await tablesOf(target.knex)) {
    if (!LEFT_OUT.has(name) && (await target.knex(name).first()))
      throw new HubError('conflict', `The database ${target.place} holds records already (table ${name}): give an empty one.`);
  }
}

async function empty(target: Database, tables: readonly Table[]): Promise<void> {
  for (const { name } of [...tables].reverse()) await target.knex(name).del();
}
