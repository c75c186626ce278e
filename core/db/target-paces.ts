import type { Knex } from 'knex';
import type { TargetLimits } from '../events/delivery.js';
import type { Database } from './database.js';
import { claiming } from './delivery-statements.js';
import { isDuplicate } from './errors.js';

/** What one target is to give. Times are in milliseconds since 1970. */
export interface PacedClaim {
  readonly target: string;
  /** The most that is wanted. */
  readonly limit: number;
  readonly limits: TargetLimits;
  readonly claimant: string;
  readonly now: number;
  readonly until: number;
}

const SECOND_MS = 1_000;

/** The limits of targets, held for all nodes together: while one takes deliveries of a target, the others wait for its row. */
export class TargetPaces {
  readonly #made = new Set<string>();

  constructor(private readonly database: Database) {}

  /** Takes as many of the due deliveries of a target as its limits leave, the longest due first. */
  async claim(claim: PacedClaim): Promise<void> {
    await this.#make(claim.target);
    await this.database.transaction(async trx => {
      const row: { next_at: number | string } | undefined = await trx('target_paces')
        .where({ target: claim.target })
        .forUpdate()
        .first('next_at');
      const pace = paceOf(claim, Number(row?.next_at ?? 0));
      const limit = Math.min(claim.limit, pace.free, await this.#free(trx, claim));
      if (limit <= 0) return;
      const { sql, bindings } = claiming(this.database.dialect, { ...claim, limit });
      await trx.raw(sql, bindings as Knex.RawBinding[]);
      const [taken] = await trx('deliveries').where({ claimed_by: claim.claimant, target: claim.target }).count({ count: '*' });
      await trx('target_paces')
        .where({ target: claim.target })
        .update({ next_at: pace.after(Number(taken?.count)) });
    });
  }

  /** How many more may run at the same time. Those that run are few, whatever waits. */
  async #free(trx: Knex.Transaction, { target, limits }: PacedClaim): Promise<number> {
    if (limits.concurrency === undefined) return Number.POSITIVE_INFINITY;
    const running: readonly string[] = await trx('deliveries').where('state', 'running').pluck('target');
    return limits.concurrency - running.filter(other => other === target).length;
  }

  async #make(target: string): Promise<void> {
    if (this.#made.has(target)) return;
    await this.database
      .knex('target_paces')
      .insert({ target, next_at: 0 })
      .catch((error: unknown) => {
        if (!isDuplicate(error)) throw error;
      });
    this.#made.add(target);
  }
}

/**
 * A bucket that holds what a second brings, one at least, so that what waits is taken at the rate and not all at once (GCRA). Counted
 * in microseconds.
 */
function paceOf({ limits: { rate }, now }: PacedClaim, nextAt: number): { readonly free: number; after(taken: number): number } {
  if (!rate) return { free: Number.POSITIVE_INFINITY, after: () => nextAt };
  const each = (rate.perMs * 1_000) / rate.tries;
  const holds = Math.max(1, Math.floor((SECOND_MS * 1_000) / each));
  const from = Math.max(nextAt, now * 1_000);
  return { free: Math.floor((now * 1_000 + holds * each - from) / each + 1e-6), after: taken => Math.ceil(from + taken * each) };
}
