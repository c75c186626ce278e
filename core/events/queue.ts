import type { ClaimedDelivery } from './delivery.js';

/**
 * Hands deliveries from the outbox to `run`, at least once, in no order, retrying after nextAttempt().
 * The outbox tables hold the truth about every delivery under either driver; a driver decides only
 * when and in which process it runs.
 *
 * Abstract classes serve as tsyringe tokens.
 */
export abstract class EventQueue {
  /** Starts draining. `run` records its own outcome and never rejects. */
  abstract start(run: (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void>): Promise<void>;
  /** A hint that deliveries are waiting. Cheap; may be lost. */
  abstract wake(): void;
  /** Takes no more, waits for those running, aborts them when `signal` does. */
  abstract stop(signal: AbortSignal): Promise<void>;
}
