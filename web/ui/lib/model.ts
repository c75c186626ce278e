/** Records as the API gives them. Times are milliseconds since 1970 unless a member says otherwise. */

/** A public key of a user. */
export interface PublicKey {
  readonly fingerprint: string;
  readonly algorithm: string;
  readonly comment: string;
}

/** A storage, or a directory of it, at a path of a user. */
export interface Mount {
  readonly path: string;
  readonly storage: string;
  readonly directory: string;
}

/** Which names may be used below a path. */
export interface NamePattern {
  readonly path: string;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly hidden: boolean;
}

/** Rights by directory. */
export type Permissions = Readonly<Record<string, readonly string[]>>;

export interface User {
  readonly id: string;
  readonly username: string;
  readonly status: 'active' | 'disabled';
  readonly description: string;
  readonly hasPassword: boolean;
  readonly secondFactor: boolean;
  readonly keys: readonly PublicKey[];
  readonly permissions: Permissions;
  readonly patterns: readonly NamePattern[];
  readonly mounts: readonly Mount[];
  readonly expiresAt: number | null;
  readonly protocols: readonly string[];
  readonly addresses: readonly string[];
  readonly maxSessions: number | null;
  readonly methods: readonly string[];
  readonly createdAt: number;
  readonly lastLoginAt: number | null;
  readonly version: number;
}

/** What a user may do below a directory, in the order in which it is read. */
export const RIGHTS = [
  'list',
  'download',
  'upload',
  'overwrite',
  'create-directories',
  'rename-files',
  'rename-directories',
  'delete-files',
  'delete-directories',
  'copy',
  'create-links',
  'chmod',
  'chown',
  'chtimes',
] as const;
/** One of RIGHTS. */
export type Right = (typeof RIGHTS)[number];

export const ROLES = ['owner', 'admin', 'operator', 'viewer'] as const;
/** What an administrator may do; each role may do all that those after it may. */
export type Role = (typeof ROLES)[number];

/** Whether `role` may do what needs `needed`. */
export function roleAllows(role: string | undefined, needed: Role): boolean {
  const own = ROLES.indexOf(role as Role);
  return own >= 0 && own <= ROLES.indexOf(needed);
}

/** Where a delivery stands. */
export type DeliveryState = 'waiting' | 'running' | 'succeeded' | 'dead' | 'dismissed';
export const DELIVERY_STATES: readonly DeliveryState[] = ['waiting', 'running', 'succeeded', 'dead', 'dismissed'];

/** One event on its way to one target. */
export interface Delivery {
  readonly id: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly target: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly dueAt?: number | null;
  readonly lastError?: string | null;
  readonly createdAt: number;
  readonly finishedAt?: number | null;
}

/** One try of a delivery. */
export interface Attempt {
  readonly attempt: number;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly succeeded: boolean;
  readonly summary: string;
  readonly answer?: string | null;
}

export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly paths: readonly string[];
  readonly users: readonly string[];
  readonly enabled: boolean;
  readonly deliveries?: Readonly<Partial<Record<DeliveryState, number>>>;
}

/** A session that is open now. Its times are RFC 3339. */
export interface OpenSession {
  readonly id: string;
  readonly user: string;
  readonly protocol: string;
  readonly tls: boolean;
  readonly remoteAddress: string;
  readonly startedAt: string;
  readonly lastActivity: string;
  readonly transfers: readonly {
    readonly path: string;
    readonly direction: 'upload' | 'download';
    readonly bytes: number;
    readonly size?: number;
  }[];
}

export interface Storage {
  readonly name: string;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly discovered: boolean;
}

/** The events that the hub itself makes. */
export const EVENT_TYPES = [
  'upload.completed',
  'upload.failed',
  'download.completed',
  'download.failed',
  'file.deleted',
  'file.renamed',
  'file.copied',
  'file.linked',
  'directory.created',
  'directory.deleted',
  'directory.renamed',
  'login.succeeded',
  'login.failed',
  'session.ended',
  'quota.exceeded',
  'certificate.expiring',
  'admin.acted',
  'webhook.test',
] as const;
