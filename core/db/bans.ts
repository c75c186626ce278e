import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { uuidv7 } from '../ids.js';
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

/** Whose failed login is recorded, and from when on those of the same subject are counted, in milliseconds since 1970. */
export interface FailureOf extends Pick<Ban, 'kind' | 'subject'> {
  readonly since: number;
}

/** The table of bans, and that of the failed logins that lead to them. Writes publish 'records.changed' after commit. */
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

  /** Records one failed login at `at` for each subject, and forgets those before `forget`. Gives how many each has had after its `since`, this one included. */
  recordFailures(subjects: readonly FailureOf[], at: number, forget: number): Promise<readonly number[]> {
    return this.database.transaction(async trx => {
      await trx('login_failures').where('at', '<', forget).del();
      await trx('login_failures').insert(subjects.map(({ kind, subject }) => ({ id: uuidv7(), kind, subject, at })));
      const counts: number[] = [];
      for (const { kind, subject, since } of subjects) {
        const found = await trx('login_failures').where({ kind, subject }).where('at', '>', since).count({ total: '*' }).first();
        counts.push(Number((found as { readonly total: number } | undefined)?.total ?? 0));
      }
      return counts;
    });
  }
}
