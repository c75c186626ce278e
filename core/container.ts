import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DependencyContainer, type InjectionToken, instanceCachingFactory, container as root } from 'tsyringe';
import { AdminLogin } from './auth/admin-login.js';
import {
  Authenticators,
  CertificateAuthenticator,
  IdentityAuthenticator,
  PasswordAuthenticator,
  PublicKeyAuthenticator,
  SshCertificateAuthenticator,
} from './auth/authenticators.js';
import { Defence } from './auth/defence.js';
import { LoginService } from './auth/login.js';
import { Passwords } from './auth/passwords.js';
import { SecondFactors } from './auth/second-factor.js';
import { SessionRegistry } from './auth/session.js';
import { Setup } from './auth/setup.js';
import { Backups } from './backup/backups.js';
import { parsePlace, parseTimeOfDay } from './backup/place.js';
import { alone } from './cluster/alone.js';
import { Coordinator } from './cluster/coordinator.js';
import { Members } from './cluster/members.js';
import { redisSettings } from './cluster/open.js';
import type { HubPart } from './cluster/part.js';
import type { Config } from './config/schema.js';
import { installationOf } from './data-directory.js';
import { AddressRuleRepository } from './db/address-rules.js';
import { AdminRepository } from './db/admins.js';
import { ApiKeyRepository } from './db/api-keys.js';
import { BanRepository } from './db/bans.js';
import { Database } from './db/database.js';
import { DeliveryRepository } from './db/deliveries.js';
import { EventRepository } from './db/events.js';
import { IdempotencyRepository } from './db/idempotency.js';
import { IdentityRepository } from './db/identities.js';
import { ProcessRepository } from './db/processes.js';
import { RuleRepository } from './db/rules.js';
import { SecondFactorRepository } from './db/second-factors.js';
import { SettingsRepository } from './db/settings.js';
import { sqliteFile } from './db/sole-use.js';
import { StorageRepository } from './db/storages.js';
import { UploadRepository } from './db/uploads.js';
import { UserRepository } from './db/users.js';
import { WebSessionRepository } from './db/web-sessions.js';
import { ActionTypes } from './events/actions.js';
import { BullEventQueue } from './events/bull-queue.js';
import { EventBus } from './events/bus.js';
import { Dispatcher } from './events/dispatcher.js';
import { LiveRelay } from './events/live-relay.js';
import { OutboxEventBus } from './events/outbox-event-bus.js';
import { EventQueue } from './events/queue.js';
import { PendingRecovery } from './events/recovery.js';
import { RuleLoader } from './events/rule-loader.js';
import { RuleTable } from './events/rules.js';
import { EventSettings } from './events/settings.js';
import { SqlEventQueue } from './events/sql-queue.js';
import { TrafficHistory } from './events/traffic-history.js';
import { ExpiryWarnings } from './expiry-warnings.js';
import { ExtensionHealth } from './extensions/health.js';
import { ExtensionRegistry } from './extensions/registry.js';
import { Guards } from './guards.js';
import type { Logger } from './log.js';
import { Metrics } from './metrics.js';
import { Outbound } from './outbound.js';
import { Schedule } from './schedule.js';
import { Secrets } from './secrets.js';
import { DiscoveredStorages } from './storage/discovery.js';
import { FILES_FOLDER, OwnFolders } from './storage/own-folders.js';
import { StorageRegistry } from './storage/registry.js';
import { TakeOver } from './take-over.js';
import { Certificates } from './tls/certificates.js';
import { DigestSlots } from './vfs/digest-slots.js';
import { OpenPlaces } from './vfs/open-places.js';
import { ResumableUploads } from './vfs/resume.js';
import { VfsServices } from './vfs/scope.js';

/** What exists before the container: read or opened by the hub. */
export interface Foundation {
  readonly config: Config;
  readonly dataDirectory: string;
  readonly database: Database;
  readonly secrets: Secrets;
  readonly coordinator: Coordinator;
  /** Of this process; undefined for a hub of one process. */
  readonly part?: HubPart | undefined;
  readonly log: Logger;
}

/** What this hub runs: the folder of the program. */
const PROGRAM = fileURLToPath(new URL('..', import.meta.url));

/** Longer than a node of a cluster needs to start anew. */
const UNKNOWN_TARGET_MS = 10 * 60_000;

/** The configuration of the core. */
export const CONFIG: InjectionToken<Config> = Symbol('Config');

/** Every registration of a hub, in a container of its own: this list is the wiring diagram. */
export function buildContainer(foundation: Foundation): DependencyContainer {
  const { config, dataDirectory, database, secrets, coordinator, part, log } = foundation;
  const container = root.createChildContainer();
  const once = <T>(token: InjectionToken<T>, make: (c: DependencyContainer) => T) =>
    container.register(token, { useFactory: instanceCachingFactory(make) });

  container.registerInstance(CONFIG, config);
  container.registerInstance(Database as InjectionToken<Database>, database);
  container.registerInstance(Secrets, secrets);
  container.registerInstance(Metrics, new Metrics());

  container.registerInstance(Coordinator as InjectionToken<Coordinator>, coordinator);
  once(EventQueue as InjectionToken<EventQueue>, c => eventQueue(c, config));
  container.registerSingleton(EventBus as InjectionToken<EventBus>, OutboxEventBus);
  once(Members, c => members(c, foundation));
  once(EventSettings, c => eventSettings(c, config, log));
  container.registerSingleton(ProcessRepository);
  container.registerSingleton(UserRepository);
  container.registerSingleton(AdminRepository);
  container.registerSingleton(WebSessionRepository);
  container.registerSingleton(ApiKeyRepository);
  container.registerSingleton(AddressRuleRepository);
  container.registerSingleton(SecondFactorRepository);
  container.registerSingleton(SecondFactors);
  container.registerSingleton(IdempotencyRepository);
  container.registerSingleton(IdentityRepository);
  container.registerSingleton(Setup);
  container.registerSingleton(AdminLogin);
  container.registerSingleton(BanRepository);
  container.registerSingleton(StorageRepository);
  container.registerSingleton(SettingsRepository);
  container.registerSingleton(UploadRepository);
  container.registerSingleton(EventRepository);
  container.registerSingleton(DeliveryRepository);
  container.registerSingleton(RuleRepository);
  container.registerSingleton(ActionTypes);
  container.registerSingleton(RuleTable);
  container.registerSingleton(RuleLoader);
  container.registerSingleton(Dispatcher);
  container.registerSingleton(LiveRelay);
  container.registerSingleton(Schedule);
  container.registerSingleton(Passwords);

  once(TrafficHistory, c => new TrafficHistory(c.resolve(EventRepository)));
  once(Guards, () => new Guards(config.guards.timeout));
  once(Outbound, () => new Outbound({ allow: config.outbound.allow, timeoutMs: config.outbound.timeout }));
  once(Certificates, () => new Certificates({ settings: config.tls, dataDirectory, ticketSeed: part?.ticketSeed, log }));
  once(
    ExpiryWarnings,
    c => new ExpiryWarnings(c.resolve(Certificates), c.resolve(SettingsRepository), c.resolve(EventBus as InjectionToken<EventBus>)),
  );
  once(Backups, c => backups(c, config, dataDirectory, log));
  once(StorageRegistry, c => storageRegistry(c, foundation));
  once(PendingRecovery, c => pendingRecovery(c, log));
  once(TakeOver, c => takeOver(c, foundation));
  once(ResumableUploads, c => resumableUploads(c, config, log));
  once(VfsServices, c => {
    const services = new VfsServices(
      c.resolve(Guards),
      c.resolve(EventBus as InjectionToken<EventBus>),
      c.resolve(ResumableUploads),
      log,
      config.durability === 'disk',
      new OpenPlaces(config.limits.openFilesPerSession, config.limits.openFilesPerUser),
      new DigestSlots(config.limits.digests, config.limits.digestTime),
    );
    services.alone = (name, work) => alone(c.resolve(Coordinator as InjectionToken<Coordinator>), name, work);
    return services;
  });
  once(
    Authenticators,
    c =>
      new Authenticators([
        new PublicKeyAuthenticator(c.resolve(UserRepository)),
        new SshCertificateAuthenticator(c.resolve(UserRepository)),
        new CertificateAuthenticator(c.resolve(UserRepository)),
        new PasswordAuthenticator(c.resolve(UserRepository), c.resolve(Passwords)),
        new IdentityAuthenticator(c.resolve(UserRepository), c.resolve(IdentityRepository)),
      ]),
  );
  once(Defence, c => defence(c, config, log));
  once(SessionRegistry, c => sessionRegistry(c, config, log));
  once(LoginService, c => loginService(c, log));
  once(ExtensionRegistry, c => extensionRegistry(c, dataDirectory, log));
  return container;
}

function members(c: DependencyContainer, { config, dataDirectory, part, log }: Foundation): Members {
  return new Members(c.resolve(ProcessRepository), c.resolve(Coordinator as InjectionToken<Coordinator>), {
    node: config.node,
    shareable: !config.database.url.startsWith('sqlite:'),
    joined: redisSettings(config) !== undefined,
    family: part?.family,
    installation: () => installationOf(dataDirectory),
    // The first process of a hub of several holds it for all.
    file: part ? undefined : sqliteFile({ ...config.database, dataDirectory }),
    log,
  });
}

function pendingRecovery(c: DependencyContainer, log: Logger): PendingRecovery {
  const [storages, all] = [c.resolve(StorageRegistry), c.resolve(Members)];
  return new PendingRecovery(
    c.resolve(EventRepository),
    name => storages.backend(name),
    log,
    process => all.isAlive(process),
  );
}

function takeOver(c: DependencyContainer, { part, log }: Foundation): TakeOver {
  return new TakeOver({
    members: c.resolve(Members),
    coordinator: c.resolve(Coordinator as InjectionToken<Coordinator>),
    recovery: c.resolve(PendingRecovery),
    events: c.resolve(EventRepository),
    uploads: c.resolve(ResumableUploads),
    storages: c.resolve(StorageRegistry),
    isHeir: part?.role !== 'serve',
    log,
  });
}

function eventSettings(c: DependencyContainer, config: Config, log: Logger): EventSettings {
  const { retry, record, keep, concurrency } = config.events;
  const all = c.resolve(Members);
  return new EventSettings({
    node: config.node,
    process: all.id,
    hasOthers: all.hasOthers,
    isDoubtful: () => all.isDoubtful,
    record,
    retryMs: retry,
    keepMs: keep,
    concurrency,
    unknownTargetMs: redisSettings(config) === undefined ? 0 : UNKNOWN_TARGET_MS,
    log,
    metrics: c.resolve(Metrics),
  });
}

function eventQueue(c: DependencyContainer, config: Config): EventQueue {
  const redis = redisSettings(config);
  const parts = [
    c.resolve(DeliveryRepository),
    c.resolve(RuleTable),
    c.resolve(Coordinator as InjectionToken<Coordinator>),
    c.resolve(EventSettings),
  ] as const;
  return redis ? new BullEventQueue(...parts, redis) : new SqlEventQueue(...parts);
}

function backups(c: DependencyContainer, config: Config, dataDirectory: string, log: Logger): Backups {
  const { every, at, keep, directory } = config.backup;
  return new Backups(
    c.resolve(Database as InjectionToken<Database>),
    c.resolve(SettingsRepository),
    c.resolve(Secrets),
    c.resolve(StorageRegistry),
    c.resolve(EventBus as InjectionToken<EventBus>),
    {
      place: parsePlace(directory)!,
      every,
      at: at === undefined ? undefined : parseTimeOfDay(at),
      keep,
      node: config.node,
      dataDirectory,
      log: log.child({ component: 'backup' }),
    },
  );
}

function storageRegistry(c: DependencyContainer, { config, dataDirectory, log }: Foundation): StorageRegistry {
  const { discover } = config.storages;
  const own = new OwnFolders();
  own.add(dataDirectory, join(dataDirectory, FILES_FOLDER));
  own.add(PROGRAM);
  return new StorageRegistry(
    [c.resolve(StorageRepository), ...(discover === undefined ? [] : [new DiscoveredStorages(discover, log)])],
    log,
    own,
  );
}

function resumableUploads(c: DependencyContainer, config: Config, log: Logger): ResumableUploads {
  const storages = c.resolve(StorageRegistry);
  return new ResumableUploads(
    c.resolve(UploadRepository),
    c.resolve(Coordinator as InjectionToken<Coordinator>),
    name => storages.backend(name),
    { keepMs: config.uploads.resume, durable: config.durability === 'disk', prefix: () => c.resolve(VfsServices).stagingPrefix, log },
  );
}

function sessionRegistry(c: DependencyContainer, config: Config, log: Logger): SessionRegistry {
  const storages = c.resolve(StorageRegistry);
  return new SessionRegistry(
    c.resolve(Coordinator as InjectionToken<Coordinator>),
    c.resolve(UserRepository),
    c.resolve(EventBus as InjectionToken<EventBus>),
    c.resolve(VfsServices),
    config.limits,
    name => storages.backend(name),
    log,
  );
}

function defence(c: DependencyContainer, config: Config, log: Logger): Defence {
  const coordinator = c.resolve(Coordinator as InjectionToken<Coordinator>);
  const defence = new Defence(coordinator, c.resolve(BanRepository), { ...config.limits, ...config.defence }, log);
  defence.rules = c.resolve(AddressRuleRepository);
  return defence;
}

function loginService(c: DependencyContainer, log: Logger): LoginService {
  return new LoginService(
    c.resolve(UserRepository),
    c.resolve(Authenticators),
    c.resolve(Defence),
    c.resolve(Guards),
    c.resolve(SessionRegistry),
    c.resolve(SecondFactors),
    c.resolve(EventBus as InjectionToken<EventBus>),
    log,
  );
}

function extensionRegistry(c: DependencyContainer, dataDirectory: string, log: Logger): ExtensionRegistry {
  return new ExtensionRegistry({
    storages: c.resolve(StorageRegistry),
    actions: c.resolve(ActionTypes),
    rules: c.resolve(RuleTable),
    guards: c.resolve(Guards),
    authenticators: c.resolve(Authenticators),
    schedule: c.resolve(Schedule),
    outbound: c.resolve(Outbound),
    dataDirectory,
    log,
    health: new ExtensionHealth(c.resolve(Coordinator as InjectionToken<Coordinator>)),
  });
}
