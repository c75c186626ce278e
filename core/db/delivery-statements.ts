import { uuidv7 } from '../ids.js';
import { among, type Dialect, marks } from './dialect.js';
import type { Statement } from './statement.js';

/** One look into the index a target: there may be any number of deliveries behind each. */
const DUE_TARGETS_BY_STEPS = `with recursive found (target) as (
    select min(target) from deliveries where due_at is not null
    union all
    select (select min(d.target) from deliveries d where d.due_at is not null and d.target > found.target) from found where found.target is not null
  )
  select target, (select min(d.due_at) from deliveries d where d.target = found.target and d.due_at is not null) as due_at
  from found where target is not null`;

/** Every target of which something has a time, and the earliest one. MySQL finds by itself that it needs one look for each group. */
export const DUE_TARGETS: Readonly<Record<Dialect, string>> = {
  sqlite: DUE_TARGETS_BY_STEPS,
  postgres: DUE_TARGETS_BY_STEPS,
  mysql: 'select due_target as target, min(due_at) as due_at from deliveries where due_target is not null group by due_target',
};

/** What claiming() is given. Times are in milliseconds since 1970. */
export interface Claim {
  readonly target: string;
  readonly limit: number;
  readonly claimant: string;
  readonly now: number;
  /** When the lease ends. */
  readonly until: number;
}

const TAKE = "update deliveries set state = 'running', attempt = attempt + 1, claimed_by = ?, claimed_at = ?, due_at = ? where due_at <= ?";
const DUE = 'select id from deliveries where target = ? and due_at <= ? order by due_at limit ?';
const CLAIM: Readonly<Record<Exclude<Dialect, 'mysql'>, string>> = {
  sqlite: `${TAKE} and id in (${DUE})`,
  postgres: `${TAKE} and id = any(array(${DUE}))`,
};
/** MySQL would read the whole table for an update by such a list. */
const CLAIM_BY_JOIN = `update deliveries d
  join (select id from deliveries where due_target = ? and due_at <= ? order by due_at limit ?) due on due.id = d.id
  set d.state = 'running', d.attempt = d.attempt + 1, d.claimed_by = ?, d.claimed_at = ?, d.due_at = ? where d.due_at <= ?`;

/**
 * Takes what is due of one target, the longest due first. `due_at` is looked at again where the row is changed, so that of two
 * processes that found it one gets it.
 */
export function claiming(dialect: Dialect, { target, limit, claimant, now, until }: Claim): Statement {
  if (dialect === 'mysql') return { sql: CLAIM_BY_JOIN, bindings: [target, now, limit, claimant, now, until, now] };
  return { sql: CLAIM[dialect], bindings: [claimant, now, until, now, target, now, limit] };
}

/** What a claimant holds, with the events. */
export const CLAIMED =
  'select d.id, d.target, d.attempt, d.failures, e.event from deliveries d join events e on e.id = d.event_id where d.claimed_by = ?';

/** Moves the ends of the leases of `claimants`, of whom there is one at least. */
export function renewal(claimants: readonly string[], until: number): Statement {
  const { sql, bindings } = among(claimants);
  return { sql: `update deliveries set due_at = ? where state = 'running' and claimed_by in ${sql}`, bindings: [until, ...bindings] };
}

const LOST_WHERE = {
  /** Bindings: now. */
  expired: "claimed_by is not null and state = 'running' and due_at <= ?",
  /** Bindings: the first and the last text that start with the node's name. */
  node: "state = 'running' and claimed_by >= ? and claimed_by < ?",
  /** Bindings: id, attempt. */
  one: "state = 'running' and id = ? and attempt = ?",
} as const;

/** Which tries are given back: those whose lease ran out, those of a node, or one. */
export type Lost = keyof typeof LOST_WHERE;

/**
 * Rows are locked before the try is recorded: where a hub was killed, its last statement may still run on the server, and what
 * reads past it would record the same try once more.
 */
const LOCK: Readonly<Record<Dialect, string>> = { sqlite: '', postgres: ' for update', mysql: ' for update' };

/** Gives tries back, with a record of each: `bindings` are those of which. */
export function releasing(
  dialect: Dialect,
  which: Lost,
  reason: string,
  bindings: readonly (string | number)[],
  now: number,
): readonly [record: Statement, update: Statement] {
  const where = LOST_WHERE[which];
  const record = `insert into delivery_attempts (delivery_id, attempt, started_at, duration_ms, succeeded, summary, answer)
    select id, attempt, claimed_at, ? - claimed_at, false, ?, null from deliveries where ${where}${LOCK[dialect]}`;
  const update = `update deliveries set state = 'waiting', due_at = ?, claimed_by = null, claimed_at = null where ${where}`;
  return [
    { sql: record, bindings: [now, reason, ...bindings] },
    { sql: update, bindings: [now, ...bindings] },
  ];
}

const RECORD_ATTEMPT = `insert into delivery_attempts (delivery_id, attempt, started_at, duration_ms, succeeded, summary, answer, request)
  select id, attempt, ?, ?, ?, ?, ?, ? from deliveries where ${LOST_WHERE.one}`;
const RECORD_OUTCOME = `update deliveries set state = ?, failures = failures + ?, due_at = ?, claimed_by = null, claimed_at = null, last_error = ?, finished_at = ?
  where ${LOST_WHERE.one}`;

/** Bindings of the two statements that end a try, before those that say which one. */
export interface Ending {
  /** Started, duration, whether it succeeded, summary, answer, request. */
  readonly attempt: readonly (string | number | null)[];
  /** State, failures more, due, error, finished. */
  readonly outcome: readonly (string | number | null)[];
}

/** Ends a try with a record of it, unless it was ended before or given to someone else. */
export function finishing(dialect: Dialect, id: string, attempt: number, ending: Ending): readonly [record: Statement, update: Statement] {
  return [
    { sql: RECORD_ATTEMPT + LOCK[dialect], bindings: [...ending.attempt, id, attempt] },
    { sql: RECORD_OUTCOME, bindings: [...ending.outcome, id, attempt] },
  ];
}

const REPLAY_NEW = `insert into deliveries (id, event_id, target, state, attempt, failures, due_at, created_at)
  select ?, id, ?, 'waiting', 0, 0, ?, ? from events
  where id = ? and not exists (select 1 from deliveries where event_id = ? and target = ?)`;

/** Makes an event due for each of `targets`, of which there is one at least: deliveries that there are, then those that are missing. */
export function replaying(eventId: string, targets: readonly string[], now: number): readonly Statement[] {
  const { sql, bindings } = among(targets);
  const old = `update deliveries set state = 'waiting', failures = 0, finished_at = null, due_at = ?
    where event_id = ? and state in ('waiting', 'dead', 'dismissed', 'succeeded') and target in ${sql}`;
  return [
    { sql: old, bindings: [now, eventId, ...bindings] },
    ...targets.map(target => ({ sql: REPLAY_NEW, bindings: [uuidv7(), target, now, now, eventId, eventId, target] })),
  ];
}

/** As many as one statement inserts. */
const INSERTED = 50;
const INSERT = 'insert into deliveries (id, event_id, target, state, attempt, failures, due_at, created_at) values ';
const ROW = marks(8);

/** Makes one delivery a target. */
export function insertingDeliveries(eventId: string, targets: readonly string[], due: number | null, now: number): readonly Statement[] {
  const statements: Statement[] = [];
  for (let from = 0; from < targets.length; from += INSERTED) {
    const some = targets.slice(from, from + INSERTED);
    const bindings = some.flatMap(target => [uuidv7(), eventId, target, 'waiting', 0, 0, due, now]);
    statements.push({ sql: INSERT + some.map(() => ROW).join(', '), bindings });
  }
  return statements;
}
