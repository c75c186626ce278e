import type { Knex } from 'knex';
import type { Coordinator } from '../cluster/coordinator.js';
import type { Database } from './database.js';

/** The record that a write changes. */
export interface Change {
  readonly table: string;
  readonly id: string;
}

/**
 * Runs `work` in `trx`, or in a transaction of its own, and tells every process of `change` once that is committed; a write that
 * is rolled back is not told.
 */
export async function write<T>(
  database: Database,
  coordinator: Coordinator,
  change: Change,
  trx: Knex.Transaction | undefined,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> {
  const announce = (): void => coordinator.broadcast('records.changed', change);
  const result = trx ? await work(trx) : await database.transaction(work);
  if (trx) trx.executionPromise.then(announce, () => undefined);
  else announce();
  return result;
}
