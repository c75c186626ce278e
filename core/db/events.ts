import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import type { OperationProof } from '../events/bus.js';
import type { HubEvent } from '../events/types.js';
import { Database, type Statement } from './database.js';
import { insertingDeliveries } from './delivery-statements.js';
import { among, type Dialect } from './dialect.js';
import { isOutcomeUnknown } from './errors.js';
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
  /** Whether it is found out which of them are there no longer. */
  readonly checked?: boolean;
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

const TYPES_BY_STEPS = `with recursive known (type) as (
    select min(type) from events where type >= ? and type < ?
    union all
    select (select min(e.type) from events e where e.type > known.type and e.type < ?) from known where known.type is not null
  )
  select type from known where type is not null`;
const INSERT_EVENT = 'insert into events (id, type, username, path, time, state, event, proof) values (?, ?, ?, ?, ?, ?, ?, ?)';
const SETTLE = "update events set state = 'ready', proof = null where state = 'pending' and id in ";
/** Of events that are still pending: the others keep their deliveries as they are. */
const OF_PENDING = "and exists (select 1 from events where events.id = deliveries.event_id and events.state = 'pending')";
/** The columns in which texts of others are kept are no longer than that. */
const MAX_NAME = 255;

/** The event log: what happened, and which of it still waits for its operation. */
@injectable()
export class EventRepository {
  constructor(private readonly database: Database) {}

  /**
   * Records an event and one delivery a target, in one transaction; resolves when both survive a crash, or when `trx` has them.
   * Without `trx`, the pending events `settled` become ready in the same transaction, and it resolves to what settle() does.
   */
  async record(record: EventRecord, trx?: Knex.Transaction, settled?: Settlement): Promise<readonly string[]> {
    const now = this.database.now();
    const due = record.proof === undefined ? now : null;
    const row = eventRow(record);
    const deliveries = insertingDeliveries(row.id, record.targets, due, now);
    if (trx) {
      await trx('events').insert(row);
      for (const { sql, bindings } of deliveries) await trx.raw(sql, bindings as readonly Knex.RawBinding[]);
      return [];
    }
    const statements: Statement[] = settled ? settling(settled, this.database.now()) : [];
    statements.push({ sql: INSERT_EVENT, bindings: Object.values(row) }, ...deliveries);
    return this.#change(statements, settled).catch(async (error: unknown) => {
      await this.#unlessRecorded(row.id, error);
      return settled?.checked ? this.#missing(settled.ids) : [];
    });
  }

  /** The connection may have broken before the answer: whether the event is there then says how it went. */
  async #unlessRecorded(id: string, error: unknown): Promise<void> {
    if (!isOutcomeUnknown(error)) throw error;
    const found = await this.database
      .knex('events')
      .where({ id })
      .first('id')
      .catch(() => undefined);
    if (!found) throw error;
  }

  /**
   * Makes pending events ready, and their deliveries, if any may be `wanted`, due. Those that are no longer pending stay as they are.
   * When `checked`, resolves to those that are there no longer: another process took this one for dead, and dropped them.
   */
  async settle(ids: readonly string[], wanted = true, checked = false): Promise<readonly string[]> {
    const settled = { ids, wanted, checked };
    return ids.length === 0 ? [] : this.#change(settling(settled, this.database.now()), settled);
  }

  /** Runs `statements`, of which those that settle() needs come first. */
  async #change(statements: readonly Statement[], settled: Settlement | undefined): Promise<readonly string[]> {
    if (!settled?.checked) {
      await this.database.change(statements);
      return [];
    }
    const results = await this.database.atomically(statements);
    const changes = results[settled.wanted ? 1 : 0]?.changes ?? 0;
    return changes < settled.ids.length ? this.#missing(settled.ids) : [];
  }

  async #missing(ids: readonly string[]): Promise<readonly string[]> {
    const found: readonly string[] = await this.database.knex('events').whereIn('id', ids).pluck('id');
    return ids.filter(id => !found.includes(id));
  }

  /** Deletes pending events and their deliveries. Those that are no longer pending stay. */
  async drop(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { sql, bindings } = among(ids);
    await this.database.change([
      { sql: `delete from deliveries where event_id in ${sql} ${OF_PENDING}`, bindings },
      { sql: `delete from events where state = 'pending' and id in ${sql}`, bindings },
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
    if (filter.text !== undefined && countLimit !== undefined && cursor === undefined)
      return this.#search(filter, limit, offset, countLimit);
    const counted = this.#matching(filter).select('id');
    if (countLimit !== undefined) counted.limit(countLimit);
    const [count, rows] = await Promise.all([
      this.database.reader.from(counted.as('counted')).count({ total: '*' }).first(),
      this.#newest(filter, cursor, offset, limit + 1),
    ]);
    return pageOf(rows, limit, Number((count as { total: number } | undefined)?.total ?? 0));
  }

  /** A text is looked for in every event: once, for the first page and the total alike. */
  async #search(filter: EventFilter, limit: number, offset: number, countLimit: number): Promise<Page<HubEvent>> {
    const ids: readonly string[] = await this.#matching(filter)
      .orderBy('id', 'desc')
      .limit(Math.max(countLimit, offset + limit + 1))
      .pluck('id');
    const shown = ids.slice(offset, offset + limit + 1);
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
    const [result] = await this.database.atomically([typesBetween(this.database.dialect, low, high)]);
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
      const ids = rows.map(row => row.id);
      const deliveries: readonly string[] = await this.database.reader('deliveries').whereIn('event_id', ids).pluck('id');
      const results = await this.database.atomically(pruning(ids, deliveries));
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
    if (filter.text !== undefined) whereContains(query, this.database.dialect, filter.text);
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

/** In every letter case, of ASCII at least. */
function whereContains(query: Knex.QueryBuilder, dialect: Dialect, text: string): void {
  const pattern = `%${text.replace(/[!%_]/g, '!$&')}%`;
  if (dialect === 'postgres') query.whereRaw("event ilike ? escape '!'", [pattern]);
  else if (dialect === 'mysql') query.whereRaw("lower(event) like lower(?) escape '!'", [pattern]);
  else query.whereRaw("event like ? escape '!'", [pattern]);
}

/** The types from `low` to `high`, each by one look into the index. MySQL finds by itself that it needs one look for each group. */
function typesBetween(dialect: Dialect, low: string, high: string): Statement {
  if (dialect !== 'mysql') return { sql: TYPES_BY_STEPS, bindings: [low, high, high] };
  return { sql: 'select type from events where type >= ? and type < ? group by type', bindings: [low, high] };
}

function settling({ ids, wanted }: Settlement, now: number): Statement[] {
  const { sql, bindings } = among(ids);
  const events = { sql: SETTLE + sql, bindings };
  // Before the events, while those are pending.
  const deliveries = `update deliveries set due_at = ? where event_id in ${sql} ${OF_PENDING}`;
  return wanted ? [{ sql: deliveries, bindings: [now, ...bindings] }, events] : [events];
}

function pruning(events: readonly string[], deliveries: readonly string[]): readonly Statement[] {
  const { sql, bindings } = among(events);
  const statements: Statement[] = [];
  for (let from = 0; from < deliveries.length; from += PRUNE_BATCH) {
    const some = among(deliveries.slice(from, from + PRUNE_BATCH));
    statements.push({ sql: `delete from delivery_attempts where delivery_id in ${some.sql}`, bindings: some.bindings });
  }
  return [
    ...statements,
    { sql: `delete from deliveries where event_id in ${sql}`, bindings },
    { sql: `delete from events where id in ${sql}`, bindings },
  ];
}

/** In the order of INSERT_EVENT. */
function eventRow({ event, user, path, proof }: EventRecord) {
  return {
    id: event.id,
    type: event.type as string,
    username: user?.slice(0, MAX_NAME) ?? null,
    path: path ?? null,
    time: Date.parse(event.time),
    state: proof === undefined ? 'ready' : 'pending',
    event: JSON.stringify(event),
    proof: proof === undefined ? null : JSON.stringify(proof),
  };
}

/** A page of `rows`, of which there is one more where something follows. */
function pageOf(rows: readonly EventRow[], limit: number, total: number): Page<HubEvent> {
  const items = rows.slice(0, limit);
  return { items: items.map(parse), total, ...(rows.length > limit && items.length > 0 && { next: items.at(-1)!.id }) };
}

function parse(row: EventRow): HubEvent {
  return JSON.parse(row.event) as HubEvent;
}
