import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import type { OperationProof } from '../events/bus.js';
import type { HubEvent } from '../events/types.js';
import { uuidv7 } from '../ids.js';
import { Database, type Statement } from './database.js';
import type { Page } from './page.js';

/** Which events a list shows; everything given must hold. */
export interface EventFilter {
  /** A type, or a pattern such as 'upload.*'. */
  readonly type?: string | undefined;
  readonly user?: string | undefined;
  /** The path itself and everything below it. */
  readonly path?: string | undefined;
  /** Milliseconds since 1970, inclusive. */
  readonly since?: number | undefined;
  /** Milliseconds since 1970, exclusive. */
  readonly until?: number | undefined;
  /** Text that occurs anywhere in the event's JSON. */
  readonly text?: string | undefined;
}

/** An event to be recorded, with the targets that want it. */
export interface EventRecord {
  readonly event: HubEvent;
  readonly user: string | undefined;
  readonly path: string | undefined;
  readonly targets: readonly string[];
  /** Given for an event that waits for its operation: it is recorded as pending and its deliveries are not due. */
  readonly proof?: OperationProof | undefined;
}

/** Pending events whose operations took place. */
export interface Settlement {
  readonly ids: readonly string[];
  /** Whether any of them may have deliveries. */
  readonly wanted: boolean;
}

/** An event that waits for its operation, as recovery finds it. */
export interface PendingRecord {
  readonly event: HubEvent;
  readonly proof: OperationProof;
}

interface EventRow {
  readonly id: string;
  readonly event: string;
}

const PRUNE_BATCH = 500;

/** A pending event holds back those after it in after() for this long at most. */
const PENDING_WAIT_MS = 60_000;

const TYPES_OF = `with recursive known (type, last) as (
    select (select min(type) from events where type >= ? and type < ?), ?
    union all
    select (select min(e.type) from events e where e.type > known.type and e.type < known.last), known.last from known where known.type is not null
  )
  select type from known where type is not null`;
const INSERT_EVENT = 'insert into events (id, type, username, path, time, state, event, proof) values (?, ?, ?, ?, ?, ?, ?, ?)';
const INSERT_DELIVERIES = `insert into deliveries (id, event_id, target, state, attempt, failures, due_at, created_at)
  select json_extract(value, '$[0]'), ?, json_extract(value, '$[1]'), 'waiting', 0, 0, ?, ? from json_each(?)`;
const SETTLE_EVENT = "update events set state = 'ready', proof = null where state = 'pending' and id = ?";
const SETTLE_EVENTS = "update events set state = 'ready', proof = null where state = 'pending' and id in (select value from json_each(?))";
// Before the events: those that are not pending any more keep their deliveries as they are.
const SETTLE_DELIVERIES =
  "update deliveries set due_at = ? where event_id in (select id from events where state = 'pending' and id in (select value from json_each(?)))";
const DROP_DELIVERIES =
  "delete from deliveries where event_id in (select id from events where state = 'pending' and id in (select value from json_each(?)))";
const DROP_EVENTS = "delete from events where state = 'pending' and id in (select value from json_each(?))";
const PRUNE = [
  'delete from delivery_attempts where delivery_id in (select id from deliveries where event_id in (select value from json_each(?)))',
  'delete from deliveries where event_id in (select value from json_each(?))',
  'delete from events where id in (select value from json_each(?))',
];

/** The event log: what happened, and which of it still waits for its operation. */
@injectable()
export class EventRepository {
  constructor(private readonly database: Database) {}

  /**
   * Records an event and one delivery a target, in one transaction; resolves when both survive a crash, or when `trx` has them.
   * Without `trx`, the pending events `settled` become ready in the same transaction, as by settle().
   */
  async record(record: EventRecord, trx?: Knex.Transaction, settled?: Settlement): Promise<void> {
    const now = Date.now();
    const due = record.proof === undefined ? now : null;
    const row = eventRow(record);
    const deliveries = record.targets.map(target => [uuidv7(), target] as const);
    if (trx) {
      await trx('events').insert(row);
      if (deliveries.length > 0) await trx('deliveries').insert(deliveries.map(delivery => deliveryRow(row.id, delivery, due, now)));
      return;
    }
    const statements: Statement[] = settled ? settling(settled) : [];
    statements.push({ sql: INSERT_EVENT, bindings: Object.values(row) });
    if (deliveries.length > 0) statements.push({ sql: INSERT_DELIVERIES, bindings: [row.id, due, now, JSON.stringify(deliveries)] });
    await this.database.change(statements);
  }

  /** Makes pending events ready, and their deliveries, if any may be `wanted`, due. Those that are no longer pending stay as they are. */
  async settle(ids: readonly string[], wanted = true): Promise<void> {
    await this.database.change(settling({ ids, wanted }));
  }

  /** Deletes pending events and their deliveries. Those that are no longer pending stay. */
  async drop(ids: readonly string[]): Promise<void> {
    const list = JSON.stringify(ids);
    await this.database.change([
      { sql: DROP_DELIVERIES, bindings: [list] },
      { sql: DROP_EVENTS, bindings: [list] },
    ]);
  }

  /** Events that wait for their operation, oldest first. */
  async pending(): Promise<readonly PendingRecord[]> {
    const rows: readonly { event: string; proof: string }[] = await this.database
      .knex('events')
      .where('state', 'pending')
      .orderBy('id')
      .select('event', 'proof');
    return rows.map(row => ({ event: JSON.parse(row.event) as HubEvent, proof: JSON.parse(row.proof) as OperationProof }));
  }

  /** An event that took place; undefined when there is none of that id. */
  async find(id: string): Promise<HubEvent | undefined> {
    const row: EventRow | undefined = await this.database.reader('events').where({ id, state: 'ready' }).first('id', 'event');
    return row && parse(row);
  }

  /** Events that took place, newest first: the page after `cursor`, or after the first `offset`, with the total; counted up to `countLimit` only. */
  async page(
    filter: EventFilter,
    cursor: string | undefined,
    limit: number,
    { offset = 0, countLimit }: { readonly offset?: number; readonly countLimit?: number } = {},
  ): Promise<Page<HubEvent>> {
    if (filter.text !== undefined && countLimit !== undefined) return this.#search(filter, cursor, limit, offset, countLimit);
    const counted = this.#matching(filter).select('id');
    if (countLimit !== undefined) counted.limit(countLimit);
    const [count, rows] = await Promise.all([
      this.database.reader.from(counted.as('counted')).count({ total: '*' }).first(),
      this.#newest(filter, cursor, offset, limit + 1),
    ]);
    return pageOf(rows, limit, Number((count as { total: number } | undefined)?.total ?? 0));
  }

  /** A text is looked for in every event: once, for the page and the total alike. */
  async #search(
    filter: EventFilter,
    cursor: string | undefined,
    limit: number,
    offset: number,
    countLimit: number,
  ): Promise<Page<HubEvent>> {
    const ids: readonly string[] = await this.#matching(filter)
      .orderBy('id', 'desc')
      .limit(Math.max(countLimit, offset + limit + 1))
      .pluck('id');
    const shown = (cursor === undefined ? ids : ids.filter(id => id < cursor)).slice(offset, offset + limit + 1);
    const rows: readonly EventRow[] = await this.database.reader('events').whereIn('id', shown).orderBy('id', 'desc').select('id', 'event');
    return pageOf(rows, limit, Math.min(ids.length, countLimit));
  }

  /** Those of a family by one look into the index for each of its types: by one look for all, they would have to be sorted. */
  async #newest(filter: EventFilter, cursor: string | undefined, offset: number, limit: number): Promise<readonly EventRow[]> {
    const { reader } = this.database;
    const newest = (wanted: EventFilter, count: number) =>
      this.#matching(wanted)
        .modify(query => cursor !== undefined && query.where('id', '<', cursor))
        .orderBy('id', 'desc')
        .limit(count)
        .select('id', 'event');
    const types = filter.type?.endsWith('.*') ? await this.#typesOf(filter.type) : [];
    if (types.length === 0) return newest(filter, limit).offset(offset);
    const each = types.map((type, i) => reader.select('id', 'event').from(newest({ ...filter, type }, offset + limit).as(`of_${i}`)));
    const all = each[0]!.unionAll(each.slice(1));
    return reader.select('id', 'event').from(all.as('all_of_them')).orderBy('id', 'desc').offset(offset).limit(limit);
  }

  /** The types of a family of which there are events. */
  async #typesOf(family: string): Promise<readonly string[]> {
    const low = family.slice(0, -1);
    const high = `${low}\uffff`;
    const [result] = await this.database.atomically([{ sql: TYPES_OF, bindings: [low, high, high] }]);
    return ((result?.rows ?? []) as unknown as readonly { type: string }[]).map(({ type }) => type);
  }

  /**
   * Up to `limit` events that took place after the one of this id ('' for all), oldest first: for tailing. Stops before
   * an event that still waits for its operation, so that none is passed over when it settles late.
   */
  async after(id: string, filter: EventFilter, limit: number): Promise<readonly HubEvent[]> {
    const pending: { id: string } | undefined = await this.database
      .reader('events')
      .where('state', 'pending')
      .where('time', '>', Date.now() - PENDING_WAIT_MS)
      .orderBy('id')
      .first('id');
    const query = this.#matching(filter).where('id', '>', id).orderBy('id').limit(limit);
    if (pending) query.where('id', '<', pending.id);
    return ((await query.select('id', 'event')) as EventRow[]).map(parse);
  }

  /** The id of the newest event that took place, '' when there is none: where tailing starts. */
  async latest(): Promise<string> {
    const row: EventRow | undefined = await this.database.reader('events').where('state', 'ready').orderBy('id', 'desc').first('id');
    return row?.id ?? '';
  }

  /**
   * Deletes the events from before `before` (ms since 1970) with their deliveries, except those of which a delivery is
   * not done; a dead one is not done until someone retries or dismisses it. Resolves to the number deleted.
   */
  async prune(before: number): Promise<number> {
    let deleted = 0;
    for (let from = ''; ; ) {
      const rows: readonly { id: string }[] = await this.database
        .reader('events')
        .where('id', '>', from)
        .where('id', '<', idBound(before))
        .where('state', 'ready')
        .whereNotExists(
          this.database.knex('deliveries').whereRaw('deliveries.event_id = events.id').whereNotIn('state', ['succeeded', 'dismissed']),
        )
        .orderBy('id')
        .limit(PRUNE_BATCH)
        .select('id');
      if (rows.length === 0) return deleted;
      const ids = JSON.stringify(rows.map(row => row.id));
      const results = await this.database.atomically(PRUNE.map(sql => ({ sql, bindings: [ids] })));
      deleted += results.at(-1)?.changes ?? 0;
      from = rows.at(-1)!.id;
    }
  }

  #matching(filter: EventFilter): Knex.QueryBuilder {
    const query = this.database.reader('events').where('state', 'ready');
    // A user has few events, a type has many: behind coalesce, the index by type is not taken for both.
    const column = filter.user === undefined ? 'type' : this.database.reader.raw("coalesce(type, '')");
    if (filter.type !== undefined && filter.type !== '*') whereType(query, column, filter.type);
    if (filter.user !== undefined) query.where('username', filter.user);
    if (filter.path !== undefined && filter.path !== '/') whereBelow(query, filter.path);
    if (filter.since !== undefined) query.where('id', '>=', idBound(filter.since));
    if (filter.until !== undefined) query.where('id', '<', idBound(filter.until));
    if (filter.text !== undefined) query.whereRaw("event like ? escape '!'", [`%${filter.text.replace(/[!%_]/g, '!$&')}%`]);
    return query;
  }
}

function whereType(query: Knex.QueryBuilder, column: string | Knex.Raw, type: string): void {
  if (type.endsWith('.*')) query.whereBetween(column as string, [type.slice(0, -1), `${type.slice(0, -1)}\uffff`]);
  else query.where(column as string, type);
}

function whereBelow(query: Knex.QueryBuilder, path: string): void {
  const folder = path.endsWith('/') ? path.slice(0, -1) : path;
  // '0' is the character after '/'.
  query.where(group =>
    group.where('path', folder).orWhere(below => below.where('path', '>=', `${folder}/`).where('path', '<', `${folder}0`)),
  );
}

/** The least UUIDv7 of a millisecond: ids sort by time, so they serve as its index. */
function idBound(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7`;
}

function settling({ ids, wanted }: Settlement): Statement[] {
  const [only] = ids;
  if (ids.length === 1 && !wanted) return [{ sql: SETTLE_EVENT, bindings: [only!] }];
  const list = JSON.stringify(ids);
  const events = { sql: SETTLE_EVENTS, bindings: [list] };
  return wanted ? [{ sql: SETTLE_DELIVERIES, bindings: [Date.now(), list] }, events] : [events];
}

/** In the order of INSERT_EVENT. */
function eventRow({ event, user, path, proof }: EventRecord) {
  return {
    id: event.id,
    type: event.type as string,
    username: user ?? null,
    path: path ?? null,
    time: Date.parse(event.time),
    state: proof === undefined ? 'ready' : 'pending',
    event: JSON.stringify(event),
    proof: proof === undefined ? null : JSON.stringify(proof),
  };
}

function deliveryRow(eventId: string, [id, target]: readonly [string, string], due: number | null, now: number) {
  return { id, event_id: eventId, target, state: 'waiting', attempt: 0, failures: 0, due_at: due, created_at: now };
}

/** A page of `rows`, of which there is one more where something follows. */
function pageOf(rows: readonly EventRow[], limit: number, total: number): Page<HubEvent> {
  const items = rows.slice(0, limit);
  return { items: items.map(parse), total, ...(rows.length > limit && items.length > 0 && { next: items.at(-1)!.id }) };
}

function parse(row: EventRow): HubEvent {
  return JSON.parse(row.event) as HubEvent;
}
