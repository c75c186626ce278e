import type { Database } from './database.js';
import type { DeliveryCount } from './deliveries.js';
import type { DeliveryState } from './delivery-states.js';

/** How many deliveries of a target are in a state in which they are not done. */
export interface OpenCount extends DeliveryCount {
  /** Those that could be made now. */
  readonly due: number;
  /** When the first of them was, or will be, due. */
  readonly dueAt: number | undefined;
}

interface OpenRow {
  readonly target: string;
  readonly state: DeliveryState;
  readonly amount: number;
  readonly first_due: number | null;
  readonly due: number;
}

/** What waits, runs or is dead, by target. Costs as much as there is of it, however many deliveries are done. */
export async function openDeliveries(database: Database, now = database.now()): Promise<readonly OpenCount[]> {
  const { reader } = database;
  const rows: readonly OpenRow[] = await reader('deliveries')
    .whereIn('state', ['waiting', 'running', 'dead'])
    .groupBy('target', 'state')
    .select('target', 'state', reader.raw('count(*) as amount'), reader.raw('min(due_at) as first_due'))
    .select(reader.raw('sum(case when due_at <= ? then 1 else 0 end) as due', [now]));
  return rows.map(({ target, state, amount, first_due, due }) => ({
    target,
    state,
    count: Number(amount),
    due: Number(due),
    dueAt: first_due === null ? undefined : Number(first_due),
  }));
}
