import type { DeliveryState } from '../db/delivery-states.js';
import type { HubEvent } from '../events/types.js';
import type { SessionSnapshot } from '../session-info.js';

/** Messages that processes send each other. Best effort: losing one costs freshness, never correctness. */
export interface Broadcasts {
  'deliveries.waiting': Record<string, never>;
  /** Without `id`, any record of the table may have changed. */
  'records.changed': { readonly table: string; readonly id?: string };
  /** Somebody watches what happens; by whom. */
  'live.wanted': { readonly by: string };
  /** What happened in the process `by`: an event, or a change of a delivery. */
  'live.told': {
    readonly by: string;
    readonly event?: HubEvent;
    readonly delivery?: { readonly id: string; readonly state: DeliveryState };
  };
  /** How many connections the process `by` has that have not logged in, by the group of their address. */
  'admissions.counted': { readonly by: string; readonly counts: readonly (readonly [group: string, count: number])[] };
  /** What deliveries are due for, or were handed to the process `by`, and what it does not know. */
  'targets.unknown': { readonly by: string; readonly targets: readonly string[] };
  /** Which of them the process `by` can run. */
  'targets.known': { readonly by: string; readonly targets: readonly string[] };
  'session.end': { readonly session: string; readonly reason: string };
  /** How a part of an extension ran, where that differs from the time before: `message` says what failed. */
  'extension.ran': { readonly extension: string; readonly part: string; readonly at: number; readonly message?: string };
}

/** The tables that processes keep a view of, or act upon changes of. */
export const SHARED_TABLES = [
  'users',
  'admins',
  'web_sessions',
  'api_keys',
  'rules',
  'bans',
  'address_rules',
  'uploads',
  'storages',
  'settings',
] as const;

/** How a process appears to the others. */
export interface ProcessNote {
  readonly node: string;
  /** Which database it works on: of one cluster, all are equal. */
  readonly hub: string;
  /** Whether several nodes can work on that database. */
  readonly shareable: boolean;
}

/** A slot, held until release() or until the process that holds it dies. */
export interface Lease {
  /** Replaces what holders() shows. */
  update(snapshot: SessionSnapshot): void;
  release(): Promise<void>;
}

/** What the processes of a machine, and the machines of a cluster, know in common. Abstract classes serve as tsyringe tokens. */
export abstract class Coordinator {
  /** Takes one of the `limit` slots of `group`, or resolves to undefined when all are taken. */
  abstract acquire(group: string, limit: number, snapshot?: SessionSnapshot | (() => SessionSnapshot)): Promise<Lease | undefined>;
  /** The snapshots of every lease in `group`, on every node. */
  abstract holders(group: string): Promise<readonly SessionSnapshot[]>;
  /** Counts one occurrence; resolves to the number in the last `windowMs`. For failed logins and request rates. */
  abstract count(key: string, windowMs: number): Promise<number>;
  /** Sends to every process, this one included. */
  abstract broadcast<T extends keyof Broadcasts>(topic: T, message: Broadcasts[T]): void;
  /** Returns a function that stops listening. */
  abstract listen<T extends keyof Broadcasts>(topic: T, listener: (message: Broadcasts[T]) => void): () => void;
  /** Tells processes of other nodes what this one is; resolves to what they are, as far as they can be reached. */
  introduce?(note: ProcessNote): Promise<readonly ProcessNote[]>;
  /** Whether there can be other processes. */
  get isShared(): boolean {
    return true;
  }
  /** Whether the other processes can be reached; undefined where there are none. */
  connected(): boolean | undefined {
    return undefined;
  }
  /** Names what joins the processes, the same for all that reach each other by it; undefined while it is away. */
  identity?(): string | undefined;
  /** Frees what this process holds and ends its listeners; from then on nothing is acquired and nothing sent. May be repeated. */
  abstract close(): Promise<void>;
}
