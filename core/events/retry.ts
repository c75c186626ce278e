const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Waits after each failed try, in milliseconds: three days in all, for the outage that takes a weekend. */
export const DEFAULT_DELAYS_MS: readonly number[] = [
  5_000,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/**
 * When a delivery that failed for the `attempt`-th time (from 1) is due again, or undefined when it is dead
 * and waits for an admin. Spread by ±10 % so that a target that comes back is not met by its whole backlog.
 */
export function nextAttempt(
  attempt: number,
  failedAt: Date,
  delaysMs: readonly number[] = DEFAULT_DELAYS_MS,
  random = Math.random,
): Date | undefined {
  const delay = delaysMs[attempt - 1];
  return delay === undefined ? undefined : new Date(failedAt.getTime() + delay * (0.9 + 0.2 * random()));
}
