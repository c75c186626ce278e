import { access, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Knex } from 'knex';
import type { Database, Migration } from '../db/database.js';
import { type DatabaseOptions, openDatabase } from '../db/open.js';
import { sqliteFile } from '../db/sole-use.js';
import { addRows, MIGRATIONS_TABLE, rowsOf, type Table, type TableRow, tablesOf } from '../db/tables.js';
import { HubError } from '../errors.js';
import { Secrets } from '../secrets.js';
import { type KeyFiles, openKeyFile, putKeyFile } from './files.js';
import { type BackupFile, type BackupHead, type BackupLine, RowDigest, readBackup, type TableEnd } from './format.js';
import { moveDatabase } from './target.js';
import { withoutHubs } from './without-hubs.js';

/** What restoring needs. */
export interface RestoreOptions {
  readonly file: string;
  /** Where the records go; of any kind, whatever the backup was made from. */
  readonly database: DatabaseOptions;
  readonly migrations: readonly Migration[];
  /** The key that the backup's secrets were sealed with, where the configuration gives it. */
  readonly key: string | undefined;
  readonly keyFiles: KeyFiles;
  /** Whether a database that holds something may be replaced. */
  readonly replace: boolean;
}

/** What a backup holds, as far as it was checked. */
export interface BackupContents {
  readonly hub: string;
  readonly node: string;
  readonly createdAt: string;
  readonly rows: number;
  readonly tables: Readonly<Record<string, number>>;
}

/** What restore() did. */
export interface RestoreReport extends BackupContents {
  /** The key files that were put back. */
  readonly files: readonly string[];
  /** Where the database before now is; undefined when there was none, or it is on a server. */
  readonly before: string | undefined;
}

const BATCH = 500;
/** Those that hold something say that people have worked with a database. */
const TELLING = ['users', 'admins', 'rules', 'api_keys', 'events'];

/** Reads a backup to its end. Throws what readBackup() throws, and 'invalid-request' when its counts do not fit. */
export async function checkBackup(file: string): Promise<BackupContents> {
  let head: BackupHead | undefined;
  let digest = new RowDigest();
  const tables: Record<string, number> = {};
  for await (const line of readBackup(file)) {
    if ('format' in line) head = line;
    else if ('table' in line) digest = new RowDigest();
    else if ('row' in line) digest.add(line.row);
    else if ('end' in line) {
      requireSame(file, line, digest);
      tables[line.end] = line.rows;
    }
  }
  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
  return { hub: head!.hub, node: head!.node, createdAt: head!.createdAt, rows, tables };
}

/**
 * Makes the database what it was when the backup was made, and puts the key files back; then brings the schema up to date. The backup
 * is read to its end before anything is changed, and what was written is read back and compared. An SQLite file is replaced in one step
 * at the end, and the one before is kept. Throws 'conflict' while a hub works on the database, and for one that holds something, unless `replace`; 'invalid-request'
 * for a damaged backup or another secret key.
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const { file, database, migrations } = options;
  const contents = await checkBackup(file);
  const known = await headOf(file);
  requireKnown(file, known.migrations, migrations);
  const secrets = await secretsOf(options);
  const files = await openKeyFiles(file, secrets);
  const stamp = `before-restore-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const before = await withoutHubs(database, () =>
    sqliteFile(database) ? replaceFile(options, known, stamp) : replaceTables(options, known),
  );
  const put: string[] = [];
  for (const [name, content] of files) if (await putKeyFile(name, content, options.keyFiles, stamp)) put.push(name);
  return { ...contents, files: put, before };
}

/** Into a new file beside the old one, which it then takes the place of. */
async function replaceFile(options: RestoreOptions, head: BackupHead, stamp: string): Promise<string | undefined> {
  const file = sqliteFile(options.database)!;
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists) await using(options.database, database => requireEmpty(database.knex, options.replace));
  const fresh = `${file}.restoring`;
  const removeFresh = () => Promise.all(['', '-wal', '-shm'].map(suffix => rm(`${fresh}${suffix}`, { force: true })));
  await removeFresh();
  try {
    await using({ ...options.database, url: `sqlite:${fresh}`, durability: 'disk' }, database => load(database, options, head));
    const before = `${file}.${stamp}`;
    if (exists) await moveDatabase(file, before);
    await moveDatabase(fresh, file);
    return exists ? before : undefined;
  } finally {
    await removeFresh();
  }
}

/** Tables of a server cannot be swapped: what is there goes first. */
async function replaceTables(options: RestoreOptions, head: BackupHead): Promise<undefined> {
  await using(options.database, async database => {
    await requireEmpty(database.knex, options.replace);
    const tables = [...(await tablesOf(database.knex))].reverse();
    for (const { name } of tables) await database.knex.schema.dropTable(name);
    await database.knex.schema.dropTableIfExists(MIGRATIONS_TABLE);
    await load(database, options, head).catch((cause: unknown) => {
      const { message } = cause as Error;
      throw new HubError('unavailable', `The database could not be filled, and is not complete now; restore it again. ${message}`, {
        cause,
      });
    });
  });
}

/** With the schema that the backup was made with, because later steps may change what is in the rows. */
async function load(database: Database, { file, migrations }: RestoreOptions, head: BackupHead): Promise<void> {
  await database.migrate(migrations.filter(({ name }) => head.migrations.includes(name)));
  const ends = await database.transaction(trx => fill(trx, file));
  const tables = new Map((await tablesOf(database.knex)).map(table => [table.name, table]));
  await database.transaction(async trx => {
    for (const end of ends) requireSame(file, end, await digestOf(trx, tables.get(end.end)!), 'what the database now holds of it differs');
  });
  await database.migrate(migrations);
}

async function fill(trx: Knex.Transaction, file: string): Promise<readonly TableEnd[]> {
  const known = new Map((await tablesOf(trx)).map(table => [table.name, table]));
  // What migrations put into new tables is in the backup, or was taken out before it.
  for (const table of [...known.keys()].reverse()) await trx(table).delete();
  const ends: TableEnd[] = [];
  let open: { readonly table: string; readonly columns: readonly string[] } | undefined;
  let rows: TableRow[] = [];
  const flush = async () => {
    if (open && rows.length > 0) await addRows(trx, open.table, open.columns, rows);
    rows = [];
  };
  for await (const line of readBackup(file)) {
    if ('table' in line) {
      requireTable(file, line, known.get(line.table));
      open = line;
    } else if ('row' in line) {
      if (rows.push(line.row) >= BATCH) await flush();
    } else if ('end' in line) {
      await flush();
      ends.push(line);
    }
  }
  return ends;
}

async function digestOf(trx: Knex.Transaction, table: Table): Promise<RowDigest> {
  const digest = new RowDigest();
  for await (const batch of rowsOf(trx, table)) for (const row of batch) digest.add(row);
  return digest;
}

async function requireEmpty(knex: Knex, replace: boolean): Promise<void> {
  if (replace) return;
  const names = (await tablesOf(knex)).map(({ name }) => name);
  for (const name of TELLING.filter(name => names.includes(name))) {
    if (await knex(name).first()) throw new HubError('conflict', 'The database is not empty; `--replace` puts the backup in its place.');
  }
}

function requireTable(
  file: string,
  { table, columns }: { readonly table: string; readonly columns: readonly string[] },
  there: Table | undefined,
) {
  const missing = there ? columns.find(column => !there.columns.includes(column)) : table;
  if (missing !== undefined)
    throw new HubError('invalid-request', `The backup ${file} does not fit its own schema: there is no ${missing}.`);
}

function requireSame(file: string, end: TableEnd, found: RowDigest, otherwise = 'the rows that it names are not all there'): void {
  if (found.rows === end.rows && found.toString() === end.digest) return;
  throw new HubError('invalid-request', `The backup ${file} cannot be used: table ${end.end}: ${otherwise}.`);
}

function requireKnown(file: string, used: readonly string[], migrations: readonly Migration[]): void {
  const unknown = used.find(name => !migrations.some(migration => migration.name === name));
  if (unknown === undefined) return;
  throw new HubError('unsupported', `${file} was made by a newer version of Entrepot (it has ${unknown}): restore it with that version.`);
}

async function headOf(file: string): Promise<BackupHead> {
  for await (const line of readBackup(file)) return line as BackupHead;
  throw new HubError('invalid-request', `${file} is no backup of a hub.`);
}

async function openKeyFiles(file: string, secrets: Secrets): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for await (const line of readBackup(file)) {
    if (isFile(line)) files.set(line.file, openKeyFile(line, secrets));
    // They stand before the tables.
    if ('table' in line) break;
  }
  return files;
}

function isFile(line: BackupLine): line is BackupFile {
  return 'sealed' in line;
}

/** The key must be there already: a new one would open nothing of the backup. */
async function secretsOf({ key, file, database: { dataDirectory } }: RestoreOptions): Promise<Secrets> {
  const keyFile = resolve(dataDirectory, 'secret.key');
  if (key === undefined) {
    await access(keyFile).catch((cause: unknown) => {
      throw new HubError(
        'invalid-request',
        `Put the secret key of the hub that made the backup into ${keyFile}, or give it by the option secrets.key: without it nothing that is sealed in the backup can be used.`,
        { cause },
      );
    });
  }
  const secrets = await Secrets.load({ key, dataDirectory });
  const settings = new Map<string, unknown>();
  let columns: readonly string[] = [];
  for await (const line of readBackup(file)) {
    if ('table' in line) columns = line.table === 'settings' ? line.columns : [];
    else if ('row' in line && columns.length > 0)
      settings.set(String(line.row[columns.indexOf('key')]), JSON.parse(String(line.row[columns.indexOf('value')])));
  }
  await secrets.verify({ get: async name => settings.get(name), add: async () => false });
  return secrets;
}

async function using<T>(options: DatabaseOptions, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase(options);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
