/** Times back from now that lists can be narrowed to, in ms. */
export const RANGES = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;

/** The range between two times before either is chosen; then it is '<since>/<until>', as ISO 8601 has it. */
export const BETWEEN = '/';

const MINUTE_MS = 60_000;
/** An input of date and time has no zone and, where it is not filled, no value. */
const LOCAL_LENGTH = 'YYYY-MM-DDThh:mm'.length;

/** Milliseconds since 1970, the first inclusive. */
export interface Times {
  readonly since?: number;
  readonly until?: number;
}

/** What the range of that name lets through: to the minute, so that the same list is asked for by the same address. */
export function timesOf(range: string | undefined): Times {
  const span = RANGES[range as keyof typeof RANGES];
  if (span !== undefined) return { since: Math.floor((Date.now() - span) / MINUTE_MS) * MINUTE_MS };
  const [since, until] = (range ?? '').split('/').map(Date.parse);
  return { ...(since! >= 0 && { since }), ...(until! >= 0 && { until }) };
}

/** The two ends of a range as inputs of date and time show them, in the reader's zone; empty where it is open. */
export function localEnds(range: string): readonly [since: string, until: string] {
  const { since, until } = timesOf(range);
  return [local(since), local(until)];
}

/** The range between two local times; each may be empty. */
export function rangeBetween(since: string, until: string): string {
  return [since, until].map(end => (end === '' ? '' : new Date(end).toISOString())).join('/');
}

function local(ms: number | undefined): string {
  if (ms === undefined) return '';
  return new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, LOCAL_LENGTH);
}
