/** Every way an operation can fail, as every protocol and the API understand it. */
export type ErrorCode =
  | 'invalid-request'
  | 'authentication-failed'
  | 'second-factor-required'
  | 'permission-denied'
  | 'not-found'
  | 'already-exists'
  | 'not-a-directory'
  | 'is-a-directory'
  | 'directory-not-empty'
  | 'quota-exceeded'
  | 'too-large'
  | 'locked'
  | 'conflict'
  | 'unsupported'
  | 'rate-limited'
  | 'too-many-sessions'
  | 'unavailable'
  | 'aborted'
  | 'internal';

/** What an error may tell beside its message. */
export interface HubErrorOptions extends ErrorOptions {
  /** The field of the input that it is about, such as 'permissions' or 'mounts.0.storage'. */
  readonly field?: string | undefined;
}

/** The one error type that crosses a folder boundary. `message` is safe to show to the client. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly field: string | undefined;
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: HubErrorOptions,
  ) {
    super(message, options);
    this.field = options?.field;
  }
}

/** 'conflict': somebody else has changed what the caller knows in an older version. */
export class StaleVersion extends HubError {
  constructor(message: string) {
    super('conflict', message);
  }
}

/** What `work` gives; what it throws as a HubError without a field is told to be about `field`. */
export async function about<T>(field: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HubError) || error.field !== undefined || error.code === 'internal') throw error;
    throw new HubError(error.code, error.message, { cause: error.cause, field });
  }
}

/** What each errno name means, and what the client may be told of it. */
const ERRNO: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['not-found', 'No such file or directory'],
  ELOOP: ['not-found', 'No such file or directory'],
  EEXIST: ['already-exists', 'Already exists'],
  ENOTDIR: ['not-a-directory', 'Not a directory'],
  EISDIR: ['is-a-directory', 'Is a directory'],
  ENOTEMPTY: ['directory-not-empty', 'Directory not empty'],
  EACCES: ['permission-denied', 'Permission denied by the storage'],
  EPERM: ['permission-denied', 'Permission denied by the storage'],
  EROFS: ['permission-denied', 'The storage is read-only'],
  ENAMETOOLONG: ['invalid-request', 'Name too long'],
  EINVAL: ['invalid-request', 'Invalid argument'],
  EFBIG: ['too-large', 'File too large'],
  ENOSPC: ['unavailable', 'No space left on the storage'],
  EDQUOT: ['quota-exceeded', 'Disk quota of the storage exceeded'],
  EMFILE: ['unavailable', 'Too many open files'],
  ENFILE: ['unavailable', 'Too many open files'],
  EXDEV: ['unsupported', 'Not possible between two file systems'],
  ENOTSUP: ['unsupported', 'Not supported by the storage'],
  ETIMEDOUT: ['unavailable', 'The storage does not answer'],
  ECONNREFUSED: ['unavailable', 'The storage does not answer'],
  ECONNRESET: ['unavailable', 'The storage does not answer'],
  SQLITE_BUSY: ['unavailable', 'The database is busy'],
  SQLITE_FULL: ['unavailable', 'No space left for the database'],
};

/** Turns anything thrown into a HubError: errno names are mapped, an AbortError is 'aborted', the rest becomes 'internal' with the original as `cause`. */
export function toHubError(thrown: unknown): HubError {
  if (thrown instanceof HubError) return thrown;
  const { code, name } = (thrown ?? {}) as { code?: unknown; name?: unknown };
  const known = typeof code === 'string' ? ERRNO[code] : undefined;
  if (known) return new HubError(known[0], known[1], { cause: thrown });
  if (name === 'AbortError') return new HubError('aborted', 'The operation was aborted', { cause: thrown });
  return new HubError('internal', 'Internal error', { cause: thrown });
}
