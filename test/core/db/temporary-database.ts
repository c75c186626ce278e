import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Database } from '#core/db/database.js';
import { openDatabase as open } from '#core/db/open.js';
import { createLogger } from '#core/log.js';
import { migrations } from '../../../migrations/index.js';
import { freshDatabase } from '../../conformance/outbox.js';

/** A directory that is removed at the end of the test. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'entrepot-db-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens `url` in `dataDirectory` without bringing its schema up to date; closed at the end of the test. */
export async function openDatabase(t: ExecutionContext, dataDirectory: string, url = 'sqlite:hub.db'): Promise<Database> {
  const database = await open({ url, durability: 'process', dataDirectory, log: createLogger('silent') });
  t.teardown(() => database.close());
  return database;
}

/** A database with the hub's schema: of the kind that the test is run on, otherwise in memory. */
export async function hubDatabase(t: ExecutionContext): Promise<Database> {
  const database = await openDatabase(t, '/', (await freshDatabase(t)) ?? 'sqlite::memory:');
  await database.migrate(migrations);
  return database;
}

/** Transactions in a write-ahead log since it was last started over: their last frames bear the size of the database (SQLite's file format, section 4.1). */
export async function committedTransactions(walFile: string): Promise<number> {
  const wal = await readFile(walFile);
  const pageBytes = wal.readUInt32BE(8);
  const salt = wal.subarray(16, 24);
  let commits = 0;
  for (let frame = 32; frame + 24 + pageBytes <= wal.length; frame += 24 + pageBytes) {
    if (!salt.equals(wal.subarray(frame + 8, frame + 16))) break;
    if (wal.readUInt32BE(frame + 4) !== 0) commits++;
  }
  return commits;
}
