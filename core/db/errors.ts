import { HubError } from '../errors.js';

const AWAY = 'The database does not answer';
const BUSY = 'The database is busy';
const FULL = 'No space left for the database';

/** Codes of SQLite, of MySQL and its driver, of PostgreSQL (SQLSTATE), and of the system. */
const MEANING: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_(BUSY|LOCKED)/, BUSY],
  [/^SQLITE_FULL/, FULL],
  [/^SQLITE_(IOERR|CORRUPT|NOTADB|CANTOPEN|READONLY)/, 'The database cannot be read or written'],
  [/^ER_(LOCK_WAIT_TIMEOUT|LOCK_DEADLOCK|CHECKREAD|LOCK_ABORTED)$|^(40001|40P01|55P03)$/, BUSY],
  [/^ER_(CON_COUNT_ERROR|TOO_MANY_USER_CONNECTIONS|USER_LIMIT_REACHED)$|^53300$/, 'The database takes no more connections'],
  [/^ER_(DISK_FULL|RECORD_FILE_FULL|DISK_FULL_NOWAIT)$|^53100$/, FULL],
  [
    /^ER_(ACCESS_DENIED|DBACCESS_DENIED|SPECIFIC_ACCESS_DENIED|TABLEACCESS_DENIED)|^ER_.*_ACCESS_DENIED|^28|^42501$/,
    'The database refuses the login',
  ],
  [/^ER_(OPTION_PREVENTS_STATEMENT|CANT_EXECUTE_IN_READ_ONLY_TRANSACTION|READ_ONLY_MODE)$|^25006$/, 'The database cannot be written now'],
  [/^ER_(STATEMENT_TIMEOUT|QUERY_TIMEOUT|QUERY_INTERRUPTED)$|^57014$/, 'The database took too long'],
  [/^ER_(SERVER_SHUTDOWN|CONNECTION_KILLED|NORMAL_SHUTDOWN|NEW_ABORTING_CONNECTION)$|^(57P0|08)/, AWAY],
  [/^PROTOCOL_|^E(CONN|HOST|NET|PIPE|TIMEDOUT|NOTFOUND|AI_)/, AWAY],
];

/** Codes after which the database has undone the whole transaction, and the same one may well succeed. */
const TRANSIENT = /^(ER_LOCK_DEADLOCK|ER_LOCK_WAIT_TIMEOUT|ER_CHECKREAD|ER_LOCK_ABORTED|40001|40P01|55P03)$/;

/** The connection to a server broke, or was given up, while something was asked. */
export class ConnectionLost extends Error {
  constructor(
    /** Whether what was asked may have taken effect. */
    readonly isDone: 'no' | 'unknown',
    /** Whether the server was silent for too long, instead of having closed the connection. */
    readonly wasSilent: boolean,
    cause?: unknown,
  ) {
    super('the connection to the database is lost', { cause });
  }
}

/** What a database threw: 'unavailable' when it is busy, full, broken or away, with the original as `cause`; anything else unchanged. */
export function databaseError(thrown: unknown): Error {
  if (thrown instanceof HubError) return thrown;
  if (thrown instanceof ConnectionLost) return new HubError('unavailable', AWAY, { cause: thrown });
  const { code, name } = thrown as { code?: unknown; name?: unknown };
  if (name === 'KnexTimeoutError' || name === 'TimeoutError') return new HubError('unavailable', BUSY, { cause: thrown });
  const meaning = typeof code === 'string' ? MEANING.find(([pattern]) => pattern.test(code)) : undefined;
  if (meaning) return new HubError('unavailable', meaning[1], { cause: thrown });
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Whether a statement failed because a row with the same key is there already. */
export function isDuplicate(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || code === 'ER_DUP_ENTRY' || code === '23505';
}

/** Whether nothing of a transaction took effect and the same one may succeed now: after a deadlock, say. */
export function isTransient(thrown: unknown): boolean {
  const cause = thrown instanceof HubError ? thrown.cause : thrown;
  if (cause instanceof ConnectionLost) return cause.isDone === 'no' && !cause.wasSilent;
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' && TRANSIENT.test(code);
}

/** Whether nobody can say if what was asked took effect: the connection broke before the answer. Whoever asks again has to look first. */
export function isOutcomeUnknown(thrown: unknown): boolean {
  const cause = thrown instanceof HubError ? thrown.cause : thrown;
  return cause instanceof ConnectionLost && cause.isDone === 'unknown';
}
