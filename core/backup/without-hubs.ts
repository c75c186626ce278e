import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { type DatabaseOptions, openDatabase } from '../db/open.js';
import { SoleUse, sqliteFile } from '../db/sole-use.js';
import { HubError } from '../errors.js';

/** A process that was not seen for this long is dead, whatever the clocks of its machine and of this one say. */
const LONG_AGO_MS = 600_000;
/** Longer than one that lives is silent. */
const WATCH_MS = 8_000;

interface Beat {
  readonly id: string;
  readonly node: string;
  readonly beat: number | string;
}

/**
 * Runs `work` when no hub works on the database, wherever its data directory is; on an SQLite file, none can start meanwhile. Throws
 * 'conflict' when one does. The database is there.
 */
export async function withoutHubs<T>(options: DatabaseOptions, work: () => Promise<T>): Promise<T> {
  const file = sqliteFile(options);
  if (file === undefined) {
    await requireQuiet(options);
    return work();
  }
  const soleUse = await SoleUse.tryTake(file);
  if (!soleUse) throw new HubError('conflict', `A hub works on the database ${file}: stop it first.`);
  try {
    return await work();
  } finally {
    soleUse.release();
  }
}

async function requireQuiet(options: DatabaseOptions): Promise<void> {
  if (options.url === 'sqlite::memory:') return;
  const database = await openDatabase(options);
  try {
    if (!(await database.knex.schema.hasTable('processes'))) return;
    const before = await beats(database.knex);
    if (before.length === 0) return;
    await sleep(WATCH_MS);
    const alive = (await beats(database.knex)).find(({ id, beat }) => String(before.find(other => other.id === id)?.beat) !== String(beat));
    if (alive)
      throw new HubError('conflict', `A hub works on the database ${database.place}, on node ${alive.node}: stop all nodes first.`);
  } finally {
    await database.close();
  }
}

/** Those that live say so every few seconds. */
async function beats(knex: Knex): Promise<readonly Beat[]> {
  return knex('processes')
    .where('seen_at', '>', Date.now() - LONG_AGO_MS)
    .select('id', 'node', 'beat');
}
