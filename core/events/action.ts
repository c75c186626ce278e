import type { ZodType } from 'zod';
import type { GuardedAction } from '../guards.js';
import type { Delivery, Receipt, TargetLimits } from './delivery.js';

/**
 * Something a rule can do: 'webhook', 'script', 'email'. A rule says which events (or which guarded
 * actions), under which conditions, run which actions with which options.
 */
export interface ActionType<Options = unknown> {
  readonly name: string;
  /** Checks the options of a rule's action; its descriptions become the form in the admin UI. Secrets carry `.meta({ secret: true })`. */
  readonly options: ZodType<Options>;
  /** Longest time a try may take, in milliseconds; 60,000 unless told. `signal` aborts then. */
  timeoutMs?(options: Options): number;
  /** What the receiver bears; deliveries beyond that wait. */
  limits?(options: Options): TargetLimits;
  /** Acts on an event. Throw to be retried, PermanentFailure not to be. What is returned is kept for the admin to read. */
  run(options: Options, delivery: Delivery, signal: AbortSignal): Promise<Receipt | string | undefined> | Promise<void>;
  /** Allows an action by resolving, refuses it by throwing. Absent when this kind cannot be asked beforehand. Keeps a time limit of its own. */
  decide?(options: Options, action: GuardedAction, signal: AbortSignal): Promise<void>;
}
