const MINUTE_MS = 60_000;
const HALF_DAY_MS = 12 * 60 * MINUTE_MS;

/**
 * When the next backup is due, in ms since 1970: `everyMs` after the last one; where `atMinutes` says a time of the day (local, minutes
 * since midnight), at that time nearest to it.
 */
export function nextBackupAt(lastAt: number, everyMs: number, atMinutes: number | undefined): number {
  const next = lastAt + everyMs;
  if (atMinutes === undefined) return next;
  const day = new Date(next - HALF_DAY_MS);
  const at = new Date(day.getFullYear(), day.getMonth(), day.getDate(), 0, atMinutes).getTime();
  if (at >= next - HALF_DAY_MS) return at;
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1, 0, atMinutes).getTime();
}
