import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { write } from './change.js';
import { Database } from './database.js';

/** Who is turned away, or was of late, because logins failed. */
export interface Ban {
  readonly kind: 'address' | 'user';
  /** An address, the /64 of one, or the folded name of a user. */
  readonly subject: string;
  /** How often so far; 0 when it was lifted. */
  readonly times: number;
  readonly reason: string;
  /** In milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
}

/** The table of bans. Writes publish 'records.changed' after commit. */
@injectable()
export class BanRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** All of them, those that have ended included, the newest first. */
  async list(): Promise<readonly Ban[]> {
    return this.database.knex<Ban>('bans').select('kind', 'subject', 'times', 'reason', 'since', 'until').orderBy('since', 'desc');
  }

  /** Sets or replaces the ban of a subject, and forgets those that ended before `endedBefore`. */
  put({ kind, subject, times, reason, since, until }: Ban, endedBefore: number): Promise<void> {
    return write(this.database, this.coordinator, { table: 'bans', id: `${kind} ${subject}` }, undefined, async trx => {
      await trx('bans').where('until', '<', endedBefore).del();
      await trx('bans').insert({ kind, subject, times, reason, since, until }).onConflict(['kind', 'subject']).merge();
    });
  }
}
