import type { SessionInfo } from '../session-info.js';

interface FileEvent {
  /** The path as the user sees it. */
  readonly path: string;
  readonly session: SessionInfo;
  /** The name of the storage and the path in it. */
  readonly storage: string;
  readonly storagePath: string;
}

interface TransferEvent extends FileEvent {
  /** Size of the whole file, in bytes. */
  readonly size: number;
  /** Bytes that this transfer moved. */
  readonly bytes: number;
  readonly durationMs: number;
}

interface Failure {
  readonly reason: string;
  /** What kind of failure, where it was one of the storage: 'unavailable', 'quota-exceeded'. */
  readonly code?: string;
}

/**
 * Every event type and its data. Names are `<noun>.<past participle>`: an event is a fact.
 * An extension adds its own types by declaration merging.
 */
export interface EventTypes {
  'login.succeeded': { readonly session: SessionInfo; readonly method: string };
  /** `keys`: those that the client offered and that are nobody's, as lines of an authorized_keys file. */
  'login.failed': {
    readonly user: string;
    readonly protocol: string;
    readonly remoteAddress: string;
    readonly reason: string;
    readonly keys?: readonly string[];
  };
  'session.ended': { readonly session: SessionInfo; readonly reason: string };
  'upload.completed': TransferEvent & { readonly replaced: boolean };
  /** `resumable`: what was received is kept, and the user may go on with it. */
  'upload.failed': TransferEvent & Failure & { readonly resumable?: boolean };
  'download.completed': TransferEvent;
  'download.failed': TransferEvent & Failure;
  'file.deleted': FileEvent & { readonly size: number };
  /** `targetStoragePath`: where the target is in the storage. */
  'file.renamed': FileEvent & { readonly target: string; readonly targetStoragePath?: string; readonly replaced: boolean };
  'file.copied': FileEvent & { readonly target: string };
  'file.linked': FileEvent & { readonly target: string };
  'directory.created': FileEvent;
  'directory.deleted': FileEvent;
  'directory.renamed': FileEvent & { readonly target: string };
  'quota.exceeded': FileEvent & { readonly limit: number };
  /** A certificate of the hub ends soon, or has ended: told once a day. `expires` is RFC 3339; `daysLeft` is under 0 once it has ended. */
  'certificate.expiring': {
    readonly names: readonly string[];
    readonly file: string;
    /** SHA-256: 'AB:CD:…'. */
    readonly fingerprint: string;
    readonly expires: string;
    readonly daysLeft: number;
  };
  /** `file`: 'data:/.backups/<name>', or a path of the hub's machine. */
  'backup.completed': { readonly file: string; readonly bytes: number; readonly rows: number; readonly durationMs: number };
  'backup.failed': { readonly file: string; readonly reason: string };
  /** An admin changed something, or was refused to, over HTTP or by the command line; or logged in: 'session.create'. `action` is the operation: 'users.set'; `fields` are those that were given. */
  'admin.acted': {
    readonly admin: string;
    readonly role: string;
    readonly remoteAddress: string;
    readonly action: string;
    readonly target: string;
    readonly fields: readonly string[];
    /** Why it was refused; absent when it was done. */
    readonly refused?: string;
  };
  /** Made by hand, to try a webhook or a hook. */
  'webhook.test': { readonly message: string };
}

export type EventType = keyof EventTypes & string;

/** The event types of the hub itself, for menus, checks and file names. Extensions may add others. */
export const EVENT_TYPES = [
  'login.succeeded',
  'login.failed',
  'session.ended',
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
  'quota.exceeded',
  'certificate.expiring',
  'backup.completed',
  'backup.failed',
  'admin.acted',
  'webhook.test',
] as const satisfies readonly EventType[];

/** The envelope: a CloudEvents 1.0 event, the same in the bus, the database, the queue and the webhook body. */
export type HubEvent<T extends EventType = EventType> = {
  [K in T]: {
    readonly specversion: '1.0';
    /** UUIDv7: unique, and sorts by time. Receivers use it to drop repeats. */
    readonly id: string;
    readonly type: K;
    /** Where it happened: 'entrepot/<node>'. */
    readonly source: string;
    /** The user's path for file events: CloudEvents' subject. */
    readonly subject?: string;
    /** RFC 3339, UTC. */
    readonly time: string;
    readonly datacontenttype: 'application/json';
    readonly data: EventTypes[K];
  };
}[T];

/** Whether `type` is one that `pattern` names: the type itself, 'upload.*', or '*'. */
export function matchesType(pattern: string, type: string): boolean {
  return pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)));
}
