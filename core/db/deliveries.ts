import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { HubError } from '../errors.js';
import type { ClaimedDelivery, TargetLimits } from '../events/delivery.js';
import type { HubEvent } from '../events/types.js';
import { Database } from './database.js';
import { CLAIMED, claiming, DUE_TARGETS, finishing, type Lost, releasing, renewal, replaying } from './delivery-statements.js';
import { DELIVERY_STATES, type DeliveryState } from './delivery-states.js';
import type { Page } from './page.js';
import { TargetPaces } from './target-paces.js';

export { DELIVERY_STATES, type DeliveryState };

/** A delivery as lists show it. Times are in milliseconds since 1970. */
export interface DeliveryRecord {
  readonly id: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly target: string;
  readonly state: DeliveryState;
  /** Tries so far, the running one included. */
  readonly attempts: number;
  /** When it is tried next; while it runs, when its claim runs out. */
  readonly dueAt: number | undefined;
  readonly lastError: string | undefined;
  readonly createdAt: number;
  readonly finishedAt: number | undefined;
}

/** One try of a delivery. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly succeeded: boolean;
  /** One line: 'HTTP 200', or why it failed. */
  readonly summary: string;
  readonly answer: string | undefined;
  /** What was asked, without the event; undefined where the target tells nothing of it. */
  readonly request?: string | undefined;
}

/** Which deliveries a list shows; everything given must hold. */
export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined;
  readonly target?: string | undefined;
  readonly eventId?: string | undefined;
  /** What the target begins with: all of a rule's. */
  readonly targetPrefix?: string | undefined;
  /** Of events of this type, or of a family such as 'upload.*'. */
  readonly type?: string | undefined;
  /** Made from then on, and before then, in milliseconds since 1970. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** A change of a delivery that this process made. */
export interface DeliveryChange {
  readonly id: string;
  readonly state: DeliveryState;
}

/** How many deliveries of a target are in a state. */
export interface DeliveryCount {
  readonly target: string;
  readonly state: DeliveryState;
  readonly count: number;
}

/** A target that something is due for, and since when. */
export interface DueTarget {
  readonly target: string;
  readonly dueAt: number;
}

/** A try that is under way, as far as the database knows. */
export interface RunningTry {
  readonly id: string;
  readonly target: string;
  readonly attempt: number;
  /** '<node>/…'. */
  readonly claimedBy: string;
  /** In milliseconds since 1970. */
  readonly claimedAt: number;
}

/** How a try went. `retryAt` is given for one that failed and is tried again, by the clock of this process. */
export interface Outcome extends Omit<AttemptRecord, 'attempt'> {
  readonly retryAt?: number | undefined;
}

/**
 * The outbox: every delivery and each of its tries. A delivery may be taken when `due_at` is past, whatever its state:
 * a claim moves it to the end of the claim's lease, so that a claim that nobody ends is taken again by itself.
 */
@injectable()
export class DeliveryRepository {
  readonly #listeners = new Set<(change: DeliveryChange) => void>();

  readonly #paces: TargetPaces;

  constructor(private readonly database: Database) {
    this.#paces = new TargetPaces(database);
  }

  /** The time by which deliveries are due and claims end, in milliseconds since 1970: for all nodes that of the database. */
  now(): number {
    return this.database.now();
  }

  /** Calls `listener` after a try has ended and after changes by hand, in this process; it must not throw. Returns what stops it. */
  listen(listener: (change: DeliveryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The targets that something is due for. Costs one look into the index a target, however many deliveries wait. */
  async dueTargets(now = this.now()): Promise<readonly DueTarget[]> {
    const [result] = await this.database.atomically([{ sql: DUE_TARGETS[this.database.dialect], bindings: [] }]);
    const rows = (result?.rows ?? []) as unknown as readonly { target: string; due_at: number }[];
    return rows.filter(row => row.due_at <= now).map(row => ({ target: row.target, dueAt: row.due_at }));
  }

  /**
   * Takes up to as many due deliveries of each target as `shares` says, the longest due first, for `leaseMs`. Nobody
   * else gets them while the lease holds. `claimant` is '<node>/<something unique to this call>'. Targets in `limits` give no more
   * than these leave, whichever nodes ask.
   */
  async claim(
    shares: ReadonlyMap<string, number>,
    claimant: string,
    leaseMs: number,
    limits: ReadonlyMap<string, TargetLimits> = new Map(),
  ): Promise<readonly ClaimedDelivery[]> {
    const now = this.now();
    const { dialect } = this.database;
    const until = now + leaseMs;
    for (const [target, limited] of limits) {
      const limit = shares.get(target);
      if (limit !== undefined) await this.#paces.claim({ target, limit, limits: limited, claimant, now, until });
    }
    const free = [...shares].filter(([target]) => !limits.has(target));
    const claims = free.map(([target, limit]) => claiming(dialect, { target, limit, claimant, now, until }));
    const results = await this.database.atomically([...claims, { sql: CLAIMED, bindings: [claimant] }]);
    const rows = (results.at(-1)?.rows ?? []) as unknown as readonly ClaimedRow[];
    return rows.map(({ event, ...row }) => ({ ...row, event: JSON.parse(event) as HubEvent }));
  }

  /** Moves the end of the leases of these claimants to `leaseMs` from now. */
  async renew(claimants: readonly string[], leaseMs: number): Promise<void> {
    if (claimants.length > 0) await this.database.change([renewal(claimants, this.now() + leaseMs)]);
  }

  /** Makes due again what was claimed and whose lease ran out. Resolves to the number. */
  async releaseExpired(): Promise<number> {
    return this.#release('expired', 'The try was lost: its process did not answer any more', [this.now()]);
  }

  /** Makes due again what `node` had claimed: called when it starts, before it claims anything. Resolves to the number. */
  async releaseNode(node: string): Promise<number> {
    return this.#release('node', 'The try was cut off: the hub ended', [`${node}/`, `${node}0`]);
  }

  /** Gives back a claimed delivery whose try was broken off; it is due at once and the try does not count as failed. */
  async release(id: string, attempt: number, reason = 'The try was cut off: the hub stopped'): Promise<void> {
    await this.#release('one', reason, [id, attempt]);
  }

  /** Every try that is under way, on all nodes. */
  async running(): Promise<readonly RunningTry[]> {
    const rows = await this.database
      .knex('deliveries')
      .where('state', 'running')
      .select('id', 'target', 'attempt', 'claimed_by as claimedBy', 'claimed_at as claimedAt');
    return (rows as RunningTry[]).map(row => ({ ...row, claimedAt: Number(row.claimedAt) }));
  }

  /** Whether this try may still be made: it was neither ended nor given to someone else. */
  async isRunning(id: string, attempt: number): Promise<boolean> {
    return (await this.database.knex('deliveries').where({ id, attempt, state: 'running' }).first('id')) !== undefined;
  }

  /** Moves the end of the leases of these tries to `leaseMs` from now; those that ended stay as they are. */
  async renewTries(tries: readonly Pick<RunningTry, 'id' | 'attempt'>[], leaseMs: number): Promise<void> {
    if (tries.length === 0) return;
    const pairs = tries.map(({ id, attempt }) => [id, attempt]);
    // By the ids first: MySQL finds nothing by pairs.
    const ids = tries.map(({ id }) => id);
    await this.database
      .knex('deliveries')
      .where('state', 'running')
      .whereIn('id', ids)
      .whereIn(['id', 'attempt'], pairs)
      .update({ due_at: this.now() + leaseMs });
  }

  /**
   * Records how a try went. Without effect when the claim was lost to someone else in the meantime. Resolves to whether it was recorded.
   */
  async finish(id: string, attempt: number, outcome: Outcome): Promise<boolean> {
    const { startedAt, durationMs, succeeded, summary, answer, request, retryAt } = outcome;
    const state: DeliveryState = succeeded ? 'succeeded' : retryAt === undefined ? 'dead' : 'waiting';
    const now = this.now();
    const finishedAt = retryAt === undefined ? now : null;
    const dueAt = retryAt === undefined ? null : retryAt - Date.now() + now;
    const results = await this.database.atomically(
      finishing(this.database.dialect, id, attempt, {
        attempt: [startedAt, Math.round(durationMs), succeeded ? 1 : 0, summary, answer ?? null, request ?? null],
        outcome: [state, succeeded ? 0 : 1, dueAt, succeeded ? null : summary, finishedAt],
      }),
    );
    const recorded = results.at(-1)?.changes === 1;
    if (recorded) this.#tell({ id, state });
    return recorded;
  }

  /** Deliveries of events that took place, newest first: the page after `cursor`, with the total. */
  async page(filter: DeliveryFilter, cursor: string | undefined, limit: number, offset = 0): Promise<Page<DeliveryRecord>> {
    const matching = this.#matching(filter);
    const [count, rows] = await Promise.all([
      matching.clone().count({ total: '*' }).first(),
      matching
        .clone()
        .modify(query => cursor !== undefined && query.where('deliveries.id', '<', cursor))
        .orderBy('deliveries.id', 'desc')
        .offset(offset)
        .limit(limit + 1)
        .select('deliveries.*', 'events.type as event_type'),
    ]);
    const items = (rows as DeliveryRow[]).slice(0, limit).map(fromRow);
    const total = Number((count as { total: number } | undefined)?.total ?? 0);
    return { items, total, ...(rows.length > limit && items.length > 0 && { next: items.at(-1)!.id }) };
  }

  /** A delivery; undefined when there is none of that id. */
  async find(id: string): Promise<DeliveryRecord | undefined> {
    const row = await this.#matching({}).where('deliveries.id', id).first('deliveries.*', 'events.type as event_type');
    return row && fromRow(row as DeliveryRow);
  }

  /** The tries of a delivery that ended, first one first. */
  async attempts(id: string): Promise<readonly AttemptRecord[]> {
    const rows: readonly AttemptRow[] = await this.database.reader('delivery_attempts').where('delivery_id', id).orderBy('attempt');
    return rows.map(row => ({
      attempt: row.attempt,
      startedAt: row.started_at,
      durationMs: row.duration_ms,
      succeeded: Boolean(row.succeeded),
      summary: row.summary,
      answer: row.answer ?? undefined,
      request: row.request ?? undefined,
    }));
  }

  /** How many deliveries each target has in each state. */
  async counts(): Promise<readonly DeliveryCount[]> {
    const rows = await this.#matching({})
      .groupBy('target', 'deliveries.state')
      .orderBy(['target', 'deliveries.state'])
      .select('target', 'deliveries.state')
      .count({ count: '*' });
    return (rows as DeliveryCount[]).map(row => ({ ...row, count: Number(row.count) }));
  }

  /**
   * Makes a delivery due now, with the whole schedule before it again: one that waits, is dead or dismissed, or
   * succeeded (a replay; the receiver sees the same event id). Throws 'not-found', or 'conflict' while it runs.
   */
  async retry(id: string): Promise<void> {
    await this.#change(id, { state: 'waiting', failures: 0, due_at: this.now(), finished_at: null }, [
      'waiting',
      'dead',
      'dismissed',
      'succeeded',
    ]);
  }

  /** Ends a delivery that waits or is dead without a further try. Throws 'not-found', or 'conflict' in another state. */
  async dismiss(id: string): Promise<void> {
    await this.#change(id, { state: 'dismissed', due_at: null, finished_at: this.now() }, ['waiting', 'dead']);
  }

  /**
   * Makes an event due for each target: a delivery that there is, as by retry(), else a new one. Those that are under way stay.
   * Resolves to the number. The event is one that took place.
   */
  async replay(eventId: string, targets: readonly string[]): Promise<number> {
    if (targets.length === 0) return 0;
    const results = await this.database.atomically(replaying(eventId, targets, this.now()));
    return results.reduce((sum, { changes }) => sum + changes, 0);
  }

  #tell(change: DeliveryChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  async #change(id: string, changes: Readonly<Record<string, string | number | null>>, from: readonly DeliveryState[]): Promise<void> {
    const ready = this.database.knex('events').where('state', 'ready').select('id');
    const changed = await this.database.knex('deliveries').where({ id }).whereIn('state', from).whereIn('event_id', ready).update(changes);
    if (changed > 0) return this.#tell({ id, state: changes.state as DeliveryState });
    const found: { state: string } | undefined = await this.database.knex('deliveries').where({ id }).first('state');
    if (!found) throw new HubError('not-found', `There is no delivery '${id}'`);
    throw new HubError('conflict', `Delivery '${id}' is ${found.state}`);
  }

  async #release(which: Lost, reason: string, bindings: readonly (string | number)[]): Promise<number> {
    const results = await this.database.atomically(releasing(this.database.dialect, which, reason, bindings, this.now()));
    return results.at(-1)?.changes ?? 0;
  }

  #matching(filter: DeliveryFilter): Knex.QueryBuilder {
    const query = this.database
      .reader('deliveries')
      // These joins keep the order: there are many more events than deliveries.
      .joinRaw(this.database.dialect === 'mysql' ? 'straight_join events' : 'cross join events')
      .whereRaw('events.id = deliveries.event_id')
      .where('events.state', 'ready');
    if (filter.state !== undefined) query.where('deliveries.state', filter.state);
    if (filter.target !== undefined) query.where('target', filter.target);
    if (filter.eventId !== undefined) query.where('event_id', filter.eventId);
    if (filter.targetPrefix !== undefined) query.whereBetween('target', [filter.targetPrefix, `${filter.targetPrefix}\uffff`]);
    if (filter.type?.endsWith('.*')) query.whereBetween('events.type', [filter.type.slice(0, -1), `${filter.type.slice(0, -1)}\uffff`]);
    else if (filter.type !== undefined) query.where('events.type', filter.type);
    if (filter.since !== undefined) query.where('deliveries.created_at', '>=', filter.since);
    if (filter.until !== undefined) query.where('deliveries.created_at', '<', filter.until);
    return query;
  }
}

interface ClaimedRow extends Omit<ClaimedDelivery, 'event'> {
  readonly event: string;
}

interface DeliveryRow {
  readonly id: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly target: string;
  readonly state: DeliveryState;
  readonly attempt: number;
  readonly due_at: number | null;
  readonly last_error: string | null;
  readonly created_at: number;
  readonly finished_at: number | null;
}

interface AttemptRow {
  readonly attempt: number;
  readonly started_at: number;
  readonly duration_ms: number;
  readonly succeeded: number | boolean;
  readonly summary: string;
  readonly answer: string | null;
  readonly request: string | null;
}

function fromRow(row: DeliveryRow): DeliveryRecord {
  return {
    id: row.id,
    eventId: row.event_id,
    eventType: row.event_type,
    target: row.target,
    state: row.state,
    attempts: row.attempt,
    dueAt: row.due_at ?? undefined,
    lastError: row.last_error ?? undefined,
    createdAt: row.created_at,
    finishedAt: row.finished_at ?? undefined,
  };
}
