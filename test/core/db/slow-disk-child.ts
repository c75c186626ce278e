import { monitorEventLoopDelay } from 'node:perf_hooks';
import Sqlite from 'better-sqlite3';
import { openDatabase } from '#core/db/open.js';
import { createLogger } from '#core/log.js';

/** What the child of slow-disk.test.ts prints. */
export interface SlowDiskReport {
  readonly calls: number;
  readonly p99Ms: number;
}

const WRITERS = 16;
const ROUNDS = 12;
const INSERT = 'INSERT INTO things (text) VALUES (?)';
const TABLE = 'CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)';

/** Sixteen writers record at once, each its next one when the last is durable. */
async function recordInThread(dataDirectory: string): Promise<number> {
  const database = await openDatabase({ url: 'sqlite:hub.db', durability: 'disk', dataDirectory, log: createLogger('silent') });
  await database.knex.raw(TABLE);
  const p99Ms = await p99DelayMs(async () => {
    const writer = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) await database.atomically([{ sql: INSERT, bindings: ['x'] }]);
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
  });
  await database.close();
  return p99Ms;
}

/** What happens without the thread: the control that shows that the measure sees a disk that stops the loop. */
async function recordOnLoop(dataDirectory: string): Promise<number> {
  const database = new Sqlite(`${dataDirectory}/hub.db`);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(TABLE);
  const insert = database.prepare(INSERT);
  const p99Ms = await p99DelayMs(async () => {
    for (let round = 0; round < ROUNDS; round++) {
      insert.run('x');
      await new Promise(resolve => setImmediate(resolve));
    }
  });
  database.close();
  return p99Ms;
}

async function p99DelayMs(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / 1e6;
}

const [where, dataDirectory] = process.argv.slice(2) as ['thread' | 'loop', string];
const report: SlowDiskReport =
  where === 'thread'
    ? { calls: WRITERS * ROUNDS, p99Ms: await recordInThread(dataDirectory) }
    : { calls: ROUNDS, p99Ms: await recordOnLoop(dataDirectory) };
process.stdout.write(JSON.stringify(report));
