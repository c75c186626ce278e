import { injectable } from 'tsyringe';
import { Database } from './database.js';

/** A process that works on the database. */
export interface ProcessRecord {
  readonly id: string;
  readonly node: string;
  /** The same for the processes that one start of a hub made. */
  readonly family: string;
  /** Where `pid` means something; '' where that is not known. */
  readonly machine: string;
  readonly pid: number;
  /** Whether it is joined with others by Redis. */
  readonly joined: boolean;
  /** Names its data directory; '' when it does not say. */
  readonly installation: string;
  /** Names the Redis that it reaches; '' while it reaches none. */
  readonly redis: string;
  /** Rises as long as it lives; below 0 until it knows that it may work beside the others. */
  readonly beat: number;
  /** By the clock of the database, in ms since 1970. */
  readonly seenAt: number;
}

interface ProcessRow {
  readonly id: string;
  readonly node: string;
  readonly family: string;
  readonly machine: string;
  readonly pid: number;
  readonly joined: number | boolean;
  readonly installation: string;
  readonly redis: string;
  readonly beat: number;
  readonly started_at: number;
  readonly seen_at: number;
}

/** The processes that work on the database. Changes are told to nobody: whoever watches looks again and again. */
@injectable()
export class ProcessRepository {
  constructor(private readonly database: Database) {}

  /** The time by which `seenAt` is told. */
  now(): number {
    return this.database.now();
  }

  async list(): Promise<readonly ProcessRecord[]> {
    const rows = await this.database.knex<ProcessRow>('processes').orderBy('id');
    return rows.map(({ started_at: _, seen_at: seenAt, ...row }) => ({
      ...row,
      joined: Boolean(row.joined),
      beat: Number(row.beat),
      seenAt: Number(seenAt),
    }));
  }

  async add({ seenAt, ...process }: ProcessRecord): Promise<void> {
    await this.database.knex('processes').insert({ ...process, started_at: seenAt, seen_at: seenAt });
  }

  /** Tells that it lives. Says whether the process is still on record. */
  async beat(id: string, redis: string): Promise<boolean> {
    const changed = await this.database
      .knex('processes')
      .where({ id })
      .update({ beat: this.database.knex.raw('beat + 1'), redis, seen_at: this.now() });
    return changed > 0;
  }

  /** It may work beside the others. */
  async admit(id: string): Promise<void> {
    await this.database.knex('processes').where({ id }).update({ beat: 1 });
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.database.knex('processes').whereIn('id', ids).del();
  }
}
