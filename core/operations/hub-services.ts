import type { InjectionToken } from 'tsyringe';
import { Defence } from '../auth/defence.js';
import { Passwords } from '../auth/passwords.js';
import { SecondFactors } from '../auth/second-factor.js';
import { SessionRegistry } from '../auth/session.js';
import { Backups } from '../backup/backups.js';
import { Coordinator } from '../cluster/coordinator.js';
import { AddressRuleRepository } from '../db/address-rules.js';
import { AdminRepository } from '../db/admins.js';
import { ApiKeyRepository } from '../db/api-keys.js';
import { Database } from '../db/database.js';
import { DeliveryRepository } from '../db/deliveries.js';
import { EventRepository } from '../db/events.js';
import { RuleRepository } from '../db/rules.js';
import { SettingsRepository } from '../db/settings.js';
import { StorageRepository } from '../db/storages.js';
import { UserRepository } from '../db/users.js';
import { WebSessionRepository } from '../db/web-sessions.js';
import { ActionTypes } from '../events/actions.js';
import { EventBus } from '../events/bus.js';
import { RuleLoader } from '../events/rule-loader.js';
import { RuleTable } from '../events/rules.js';
import { TrafficHistory } from '../events/traffic-history.js';
import { ExtensionRegistry } from '../extensions/registry.js';
import type { Hub } from '../hub.js';
import { Outbound } from '../outbound.js';
import { StorageRegistry } from '../storage/registry.js';
import { Certificates } from '../tls/certificates.js';
import { ResumableUploads } from '../vfs/resume.js';
import type { LoadedExtensionInfo } from './extensions.js';
import type { OperationServices } from './services.js';

/** What operations work with, out of an open hub, started or not. */
export function servicesOf(hub: Hub): OperationServices {
  return {
    config: hub.config,
    dataDirectory: hub.dataDirectory,
    log: hub.log,
    inspectDatabase: () => hub.get(Database as InjectionToken<Database>).inspect(),
    users: hub.get(UserRepository),
    admins: hub.get(AdminRepository),
    webSessions: hub.get(WebSessionRepository),
    apiKeys: hub.get(ApiKeyRepository),
    addressRules: hub.get(AddressRuleRepository),
    settings: hub.get(SettingsRepository),
    secondFactors: hub.get(SecondFactors),
    storages: hub.get(StorageRepository),
    storageRegistry: hub.get(StorageRegistry),
    uploads: hub.get(ResumableUploads),
    rules: hub.get(RuleRepository),
    ruleTable: hub.get(RuleTable),
    actions: hub.get(ActionTypes),
    ruleLoader: hub.get(RuleLoader),
    events: hub.get(EventRepository),
    bus: hub.get(EventBus as InjectionToken<EventBus>),
    traffic: hub.get(TrafficHistory),
    deliveries: hub.get(DeliveryRepository),
    coordinator: hub.get(Coordinator as InjectionToken<Coordinator>),
    passwords: hub.get(Passwords),
    backups: hub.get(Backups),
    isReady: () => hub.isReady,
    hostKeys: hub.hostKeys,
    certificates: hub.get(Certificates),
    bans: hub.get(Defence),
    sessions: hub.get(SessionRegistry),
    outbound: hub.get(Outbound),
    reports: hub.reports,
    extensions: () => extensionsOf(hub),
    protocols: [...hub.get(ExtensionRegistry).protocols.keys()],
    configuredProtocols: hub.protocols.map(({ type, options }) => ({ name: type.name, options })),
    listeners: hub.listeners,
  };
}

function extensionsOf(hub: Hub): readonly LoadedExtensionInfo[] {
  const registry = hub.get(ExtensionRegistry);
  return hub.configuration.extensions.map(({ loaded: { key, extension, version } }) => ({
    name: extension.name,
    key,
    version,
    api: extension.api,
    registered: registry.contributions.get(extension.name) ?? [],
    failures: registry.health.failuresOf(extension.name),
  }));
}
