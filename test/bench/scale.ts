import { cpus } from 'node:os';
import { startMariadb, startPostgres, startRedis } from '../support/services.js';
import { printTable } from './measures.js';
import { deadEndpoint, deliveryRate } from './scale-deliveries.js';
import { publishCost } from './scale-publish.js';
import { idleSessions } from './scale-sessions.js';
import { processes } from './scale-workers.js';

/** How much is done. */
export interface ScaleOptions {
  readonly rounds: number;
  readonly sizeMiB: number;
  readonly only: readonly string[];
}

/** Figures for capacity: what one hub delivers, records, holds and moves. Rows are what, how much, how much it should be, and what bounds it. */
export async function benchScale({ rounds, sizeMiB, only }: ScaleOptions): Promise<void> {
  const parts: Readonly<Record<string, () => Promise<string[][]>>> = {
    deliveries: () => deliveries(rounds),
    dead: () => deadEndpoint(),
    publish: () => publish(rounds),
    sessions: () => idleSessions(10_000),
    workers: () => processes(rounds, sizeMiB),
  };
  const unknown = only.find(name => !(name in parts));
  if (unknown !== undefined) throw new Error(`There is no '${unknown}'. There are: ${Object.keys(parts).join(', ')}`);
  console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}; clients, receivers and servers on the same machine`);
  const rows: string[][] = [['what', 'figure', 'wanted', 'bound by']];
  for (const [name, part] of Object.entries(parts)) {
    if (only.length > 0 && !only.includes(name)) continue;
    console.log(`measuring ${name}`);
    const measured = await part();
    for (const [what, figure] of measured) console.log(`  ${what}: ${figure}`);
    rows.push(...measured);
  }
  printTable(rows);
}

async function deliveries(rounds: number): Promise<string[][]> {
  const [mariadb, redis] = await Promise.all([startMariadb(), startRedis()]);
  const rows = [
    await deliveryRate('SQL queue on SQLite', {}, rounds, '>= 1,000/s'),
    await deliveryRate('BullMQ on MariaDB', { ENTREPOT_DATABASE__URL: mariadb.url, ENTREPOT_REDIS__URL: redis.url }, rounds, '>= 500/s'),
  ];
  await Promise.all([mariadb.stop(), redis.stop()]);
  return rows;
}

async function publish(rounds: number): Promise<string[][]> {
  const [mariadb, postgres] = await Promise.all([startMariadb(), startPostgres()]);
  const rows = await publishCost(rounds, {
    SQLite: {},
    MariaDB: { ENTREPOT_DATABASE__URL: mariadb.url },
    PostgreSQL: { ENTREPOT_DATABASE__URL: postgres.url },
  });
  await Promise.all([mariadb.stop(), postgres.stop()]);
  return rows;
}
