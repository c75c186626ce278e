/** Times back from now that lists can be narrowed to, in ms. */
export const RANGES = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;

const MINUTE_MS = 60_000;

/** From when on the range of that name counts: to the minute, so that the same list is asked for by the same address. Undefined for no range. */
export function sinceOf(range: unknown): number | undefined {
  const span = RANGES[range as keyof typeof RANGES];
  return span === undefined ? undefined : Math.floor((Date.now() - span) / MINUTE_MS) * MINUTE_MS;
}
