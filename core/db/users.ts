import type { Knex } from 'knex';

export interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
  /** Pass it as `cursor` to get the next page; absent on the last. */
  readonly next?: string;
}

/** What a user may do below a directory. '*' is every right. */
export const RIGHTS = [
  'list',
  'download',
  'upload',
  'overwrite',
  'delete-files',
  'delete-directories',
  'rename-files',
  'rename-directories',
  'create-directories',
  'create-links',
  'chmod',
  'chown',
  'chtimes',
  'copy',
] as const;
export type Right = (typeof RIGHTS)[number];

/** Rights by directory: the key is an absolute path of which each segment may hold '*' and '?'; the nearest ancestor's entry holds. */
export type Permissions = Readonly<Record<string, readonly (Right | '*')[]>>;

/** Which names may be used below `path`. Compared without regard to case, on the last segment. */
export interface NamePattern {
  readonly path: string;
  /** When not empty, only names that match one of these may be used. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Whether names that may not be used are also invisible. */
  readonly hidden: boolean;
}

/** A storage, or a directory of it, at a virtual path of a user. The one at '/' is the home. */
export interface Mount {
  readonly path: string;
  readonly storage: string;
  /** Directory within the storage. */
  readonly directory: string;
}

export interface PublicKey {
  /** OpenSSH's form: 'SHA256:…'. */
  readonly fingerprint: string;
  readonly algorithm: string;
  /** The key blob in base64, as in authorized_keys. */
  readonly data: string;
  readonly comment: string;
}

export interface User {
  readonly id: string;
  readonly username: string;
  readonly status: 'active' | 'disabled';
  readonly description: string;
  readonly hasPassword: boolean;
  readonly keys: readonly PublicKey[];
  readonly permissions: Permissions;
  readonly patterns: readonly NamePattern[];
  readonly mounts: readonly Mount[];
  /** Logins are refused from then on, in milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** Protocols that the user may use; empty means all. */
  readonly protocols: readonly string[];
  /** Address ranges from which the user may log in; empty means all. */
  readonly addresses: readonly string[];
  /** Sessions at the same time; undefined means that only the hub's own limit holds. */
  readonly maxSessions: number | undefined;
  readonly createdAt: number;
  readonly lastLoginAt: number | undefined;
  /** Rises with each change. */
  readonly version: number;
}

export interface UserFilter {
  readonly search?: string;
}

/** What create() and update() take beside the password hash. */
export type UserFields = Omit<User, 'id' | 'hasPassword' | 'createdAt' | 'lastLoginAt' | 'version'> & { readonly passwordHash?: string | undefined };

/**
 * Users, their keys and their mounts. One class a table, methods named for what callers need; no generic CRUD and no interface, since
 * there is one implementation. Every method takes an optional transaction; writes publish 'records.changed' after commit.
 */
export declare class UserRepository {
  /** Compares the folded form (NFKC, lower case). */
  findByUsername(username: string, trx?: Knex.Transaction): Promise<User | undefined>;
  find(id: string, trx?: Knex.Transaction): Promise<User | undefined>;
  passwordHash(id: string, trx?: Knex.Transaction): Promise<string | undefined>;
  /** The page after `cursor`, by username, with the total. */
  page(filter: UserFilter, cursor: string | undefined, limit: number): Promise<Page<User>>;
  /** Throws 'already-exists'. */
  create(user: UserFields, trx?: Knex.Transaction): Promise<User>;
  /** Throws 'not-found', or 'conflict' when `expectedVersion` is no longer current. */
  update(id: string, changes: Partial<UserFields>, expectedVersion: number, trx?: Knex.Transaction): Promise<User>;
  recordLogin(id: string, at: Date): Promise<void>;
  delete(id: string, trx?: Knex.Transaction): Promise<void>;
}
