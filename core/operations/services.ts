import type { Coordinator } from '../cluster/coordinator.js';
import type { Config } from '../config/schema.js';
import type { DeliveryRepository } from '../db/deliveries.js';
import type { EventRepository } from '../db/events.js';
import type { Storage, StorageRepository } from '../db/storages.js';
import type { UserRepository } from '../db/users.js';
import type { Rule } from '../events/rules.js';
import type { Logger } from '../log.js';
import type { ListenAddress } from '../protocol.js';
import type { SessionSnapshot } from '../session-info.js';
import type { BackendType, StorageBackend } from '../storage/backend.js';

/** A bound listener, with the protocol that it speaks. */
export interface Listener extends ListenAddress {
  readonly protocol: string;
}

/** The storages by name, those of the database and those that were discovered. */
export interface StorageSource {
  /** The kinds that may be used, by name. */
  kinds(): readonly BackendType[];
  /** The options as the kind's schema leaves them. Throws 'invalid-request' for an unknown kind, with the nearest, or options it refuses. */
  check(kind: string, options: Readonly<Record<string, unknown>>): Promise<unknown> | unknown;
  /** Opens a storage of this kind for a moment and looks at its root. Throws what is wrong with it. */
  test(kind: string, options: Readonly<Record<string, unknown>>): Promise<void>;
  /** The backend of a named storage. Throws 'not-found'. */
  backend(name: string): Promise<StorageBackend>;
  /** Every storage that a mount may name. */
  list(): Promise<readonly (Pick<Storage, 'name' | 'kind' | 'options'> & { readonly discovered: boolean })[]>;
}

/** The rules of the database. */
export interface RuleStore {
  list(): Promise<readonly Rule[]>;
  find(id: string): Promise<Rule | undefined>;
  create(rule: Omit<Rule, 'id'>): Promise<Rule>;
  update(id: string, changes: Partial<Omit<Rule, 'id'>>): Promise<Rule>;
  delete(id: string): Promise<void>;
}

/** What the hub's operations work with. The same whether a hub serves clients or the command line opened the data directory itself. */
export interface OperationServices {
  readonly config: Config;
  readonly dataDirectory: string;
  readonly log: Logger;
  readonly users: UserRepository;
  readonly storages: StorageRepository;
  readonly storageRegistry: StorageSource;
  readonly rules: RuleStore;
  readonly events: EventRepository;
  readonly deliveries: DeliveryRepository;
  readonly coordinator: Coordinator;
  readonly passwords: { hash(password: string): Promise<string> };
  readonly sessions: { list(): Promise<readonly SessionSnapshot[]>; end(id: string, reason: string): Promise<unknown> };
  /** Throws 'permission-denied' when the hub would refuse to send to `url`, naming the setting that allows it. */
  readonly outbound: { check(url: string): Promise<void> };
  /** What extensions report, by '<extension> <name>'. */
  readonly reports: ReadonlyMap<string, () => Promise<unknown>>;
  /** Names that a rule's events may have beside the hub's own. */
  readonly protocols: readonly string[];
  /** Where clients connect now; empty while nothing serves. */
  readonly listeners: readonly Listener[];
}
