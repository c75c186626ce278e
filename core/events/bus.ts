import type { Knex } from 'knex';
import type { EventType, EventTypes, HubEvent } from './types.js';

/** How recovery learns whether an operation took place: it did when the entry at `path` is no longer what `before` says. */
export interface OperationProof {
  readonly storage: string;
  readonly path: string;
  /** '' = nothing was there; '*' = something was there; otherwise the etag of what was there. */
  readonly before: string;
  /** The process that has the operation under way; added by the bus. */
  readonly owner?: string;
}

/** An event that is recorded and waits for its operation. Exactly one of the two is called, once. */
export interface PendingEvent {
  /** The operation took place: the event becomes deliverable, batched, off the caller's path. */
  settle(): void;
  /** It did not: the event is gone when this resolves. */
  drop(): Promise<void>;
}

/** Where everything that happens is announced. An abstract class serves as token. */
export abstract class EventBus {
  /**
   * Records the event and one delivery for each target that wants it, in one transaction (`trx` when given).
   * After the commit tells live listeners and wakes the queue. Without `trx`, resolves once the event survives a crash.
   */
  abstract publish<T extends EventType>(type: T, data: EventTypes[T], trx?: Knex.Transaction): Promise<void>;
  /** The same, as pending: written before the operation it reports. `settle` makes it deliverable, `drop` removes it. Throws 'unavailable' when other processes may take over what this one begins. */
  abstract prepare<T extends EventType>(type: T, data: EventTypes[T], proof: OperationProof): Promise<PendingEvent>;
  /** Calls `listener` in this process, at most once an event, never awaited: for the live UI and metrics. Returns a function that stops it. */
  abstract listen<T extends EventType>(type: T | '*', listener: (event: HubEvent<T>) => void): () => void;
  /** Resolves when every event that was settled so far is recorded as such. Throws when the database refuses; recovery settles them then. */
  abstract flush(): Promise<void>;
}
