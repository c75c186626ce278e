import type { BackupReport, KeptBackup } from '../backup/backups.js';
import type { Coordinator } from '../cluster/coordinator.js';
import type { Config } from '../config/schema.js';
import type { AddressRuleRepository } from '../db/address-rules.js';
import type { AdminRepository } from '../db/admins.js';
import type { ApiKeyRepository } from '../db/api-keys.js';
import type { Ban } from '../db/bans.js';
import type { DatabaseFinding } from '../db/database.js';
import type { DeliveryRepository } from '../db/deliveries.js';
import type { EventRepository } from '../db/events.js';
import type { StoredRule } from '../db/rules.js';
import type { SettingsRepository } from '../db/settings.js';
import type { StorageRepository } from '../db/storages.js';
import type { UserRepository } from '../db/users.js';
import type { AccountKind, WebSessionRepository } from '../db/web-sessions.js';
import type { ActionTypes } from '../events/actions.js';
import type { EventBus } from '../events/bus.js';
import type { Rule } from '../events/rule.js';
import type { RuleTable } from '../events/rules.js';
import type { TrafficHistory } from '../events/traffic-history.js';
import type { Logger } from '../log.js';
import type { HostKeyRing, ListenAddress } from '../protocol.js';
import type { SessionSnapshot } from '../session-info.js';
import type { StorageRegistry } from '../storage/registry.js';
import type { Certificates } from '../tls/certificates.js';
import type { LoadedExtensionInfo } from './extensions.js';

/** A bound listener, with the protocol that it speaks. */
export interface Listener extends ListenAddress {
  readonly protocol: string;
}

/** The rules of the database. */
export interface RuleStore {
  list(): Promise<readonly StoredRule[]>;
  find(id: string): Promise<StoredRule | undefined>;
  create(rule: Omit<Rule, 'id'>): Promise<StoredRule>;
  update(id: string, changes: Partial<Omit<Rule, 'id'>>, version?: number): Promise<StoredRule>;
  delete(id: string, version?: number): Promise<void>;
}

/** What the hub's operations work with. The same whether a hub serves clients or the command line opened the data directory itself. */
export interface OperationServices {
  readonly config: Config;
  readonly dataDirectory: string;
  readonly log: Logger;
  readonly users: UserRepository;
  readonly admins: AdminRepository;
  /** Browsers that are logged in. */
  readonly webSessions: WebSessionRepository;
  readonly apiKeys: ApiKeyRepository;
  readonly addressRules: AddressRuleRepository;
  readonly settings: SettingsRepository;
  readonly secondFactors: { remove(kind: AccountKind, ownerId: string): Promise<boolean> };
  readonly storages: StorageRepository;
  readonly storageRegistry: StorageRegistry;
  /** Gives what removes the interrupted uploads of a storage once that is removed. */
  readonly uploads: { discarding(storage: string): Promise<() => Promise<void>> };
  readonly rules: RuleStore;
  readonly ruleTable: RuleTable;
  readonly actions: ActionTypes;
  /** Resolves when the changes to rules so far are in effect. */
  readonly ruleLoader: { current(): Promise<void> };
  readonly events: EventRepository;
  readonly bus: Pick<EventBus, 'publish'>;
  /** What was moved within the last day. */
  readonly traffic: TrafficHistory;
  readonly deliveries: DeliveryRepository;
  readonly coordinator: Coordinator;
  readonly passwords: { hash(password: string): Promise<string> };
  /** Undefined when no server of the hub has host keys. */
  readonly hostKeys: HostKeyRing | undefined;
  /** Those of the TLS listeners; read and watched only while the hub serves. */
  readonly certificates: Certificates;
  readonly backups: {
    create(file?: string): Promise<BackupReport>;
    list(): Promise<readonly KeptBackup[]>;
    lastAt(): Promise<number | undefined>;
    /** When the next one is due by the clock, in ms since 1970; undefined when none is. */
    dueAt(): Promise<number | undefined>;
  };
  /** Those who are turned away; lift() throws 'not-found'. */
  readonly bans: { list(): Promise<readonly Ban[]>; lift(subject: string): Promise<readonly Ban[]> };
  readonly sessions: { list(): Promise<readonly SessionSnapshot[]>; end(id: string, reason: string): Promise<unknown> };
  /** Throws 'permission-denied' when the hub would refuse to send to `url`, naming the setting that allows it. */
  readonly outbound: { check(url: string): Promise<void> };
  /** What there is to say about the database; throws 'unavailable'. */
  readonly inspectDatabase: () => Promise<readonly DatabaseFinding[]>;
  /** What extensions report, by '<extension> <name>'. */
  readonly reports: ReadonlyMap<string, () => Promise<unknown>>;
  /** Those that are loaded, with how they do now. */
  readonly extensions: () => readonly LoadedExtensionInfo[];
  /** The protocols that extensions brought. */
  readonly protocols: readonly string[];
  /** False as soon as the hub is told to stop. */
  readonly isReady: () => boolean;
  /** The protocols that the hub is to serve, with their sections of the configuration. */
  readonly configuredProtocols: readonly { readonly name: string; readonly options: unknown }[];
  /** Where clients connect now; empty while nothing serves. */
  readonly listeners: readonly Listener[];
}
