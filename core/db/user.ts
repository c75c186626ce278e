import type { PublicKey } from './public-keys.js';

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
/** One of RIGHTS. */
export type Right = (typeof RIGHTS)[number];

/** What a new user may do: all but make links, which other programs of the machine might follow out of the storage. */
export const DEFAULT_RIGHTS: readonly Right[] = RIGHTS.filter(right => right !== 'create-links');

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

/** What a user may be asked to prove himself by. A password is a password whether SSH's `password` or `keyboard-interactive` brings it. */
export const PROOFS = ['publickey', 'password'] as const;
/** One of PROOFS. */
export type Proof = (typeof PROOFS)[number];

/** A storage, or a directory of it, at a virtual path of a user. The one at '/' is the home. */
export interface Mount {
  readonly path: string;
  readonly storage: string;
  /** Directory within the storage. */
  readonly directory: string;
}

/** Who may log in, and what he then sees and may do. */
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
  /** Ways to log in, each one or several PROOFS in their order, such as 'publickey+password'; empty means any one proof. */
  readonly methods: readonly string[];
  readonly createdAt: number;
  readonly lastLoginAt: number | undefined;
  /** Rises with each change. */
  readonly version: number;
}

/** Which users a page holds. */
export interface UserFilter {
  /** Part of the name, without regard to case. */
  readonly search?: string | undefined;
  readonly status?: User['status'] | undefined;
  /** The name of a storage that one of his mounts shows. */
  readonly storage?: string | undefined;
}

/** What users may be sorted by. */
export const USER_ORDERS = ['username', 'createdAt', 'lastLoginAt', 'expiresAt', 'status'] as const;
/** One of USER_ORDERS. */
export type UserOrder = (typeof USER_ORDERS)[number];

/** Which part of a sorted list is wanted. */
export interface UserWindow {
  readonly order: UserOrder;
  readonly descending: boolean;
  readonly offset: number;
  readonly limit: number;
}

/** What create() and update() take. In update() a key that is there is set: `undefined` clears it. */
export type UserFields = Omit<User, 'id' | 'hasPassword' | 'methods' | 'createdAt' | 'lastLoginAt' | 'version'> & {
  readonly methods?: readonly string[];
  readonly passwordHash?: string | undefined;
};
