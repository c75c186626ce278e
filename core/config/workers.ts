import { availableParallelism } from 'node:os';
import { HubError } from '../errors.js';
import type { Config } from './schema.js';

/** What the number of processes depends on. */
interface WorkersConfig {
  readonly workers: Config['workers'];
  readonly database: Pick<Config['database'], 'url'>;
}

/**
 * How many processes serve clients; 0 when one process does everything. Throws 'invalid-request' where several cannot work: a database in
 * memory is that of one.
 */
export function countWorkers({ workers, database }: WorkersConfig, cores = availableParallelism()): number {
  const isInMemory = database.url.includes(':memory:');
  if (workers === 'auto') return isInMemory || cores <= 2 ? 0 : cores - 1;
  if (workers > 0 && isInMemory)
    throw new HubError(
      'invalid-request',
      `workers: ${workers} processes cannot share a database in memory; set \`database.url\`, or 0 workers`,
    );
  return workers;
}
