import type { Delivery, HubSession } from '../api-types.js';

/** Records as the API gives them: their types are made of its routes. */
export type { Attempt, Delivery, Mount, NamePattern, PublicKey, Storage, User, Webhook } from '../api-types.js';

/** A session that is open now. */
export type OpenSession = HubSession;

/** Rights by directory. */
export type Permissions = Readonly<Record<string, readonly string[]>>;

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
export type DeliveryState = Delivery['state'];
export const DELIVERY_STATES: readonly DeliveryState[] = ['waiting', 'running', 'succeeded', 'dead', 'dismissed'];

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
  'backup.completed',
  'backup.failed',
  'admin.acted',
  'webhook.test',
] as const;
