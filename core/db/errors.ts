import { HubError } from '../errors.js';

const MEANING: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_(BUSY|LOCKED)/, 'The database is busy'],
  [/^SQLITE_FULL/, 'No space left for the database'],
  [/^SQLITE_(IOERR|CORRUPT|NOTADB|CANTOPEN|READONLY)/, 'The database cannot be read or written'],
];

/** What a database threw: 'unavailable' when it is busy, full or broken, with the original as `cause`; anything else unchanged. */
export function databaseError(thrown: unknown): Error {
  const { code, name } = thrown as { code?: unknown; name?: unknown };
  if (name === 'KnexTimeoutError') return new HubError('unavailable', 'The database is busy', { cause: thrown });
  const meaning = typeof code === 'string' ? MEANING.find(([pattern]) => pattern.test(code)) : undefined;
  if (meaning) return new HubError('unavailable', meaning[1], { cause: thrown });
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Whether a statement failed because a row with the same key is there already. */
export function isDuplicate(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}
