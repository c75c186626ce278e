import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DependencyContainer, InjectionToken } from 'tsyringe';
import { Defence } from './auth/defence.js';
import { LoginService } from './auth/login.js';
import { SessionRegistry, STOP_REASON } from './auth/session.js';
import { Setup } from './auth/setup.js';
import { Backups } from './backup/backups.js';
import { parsePlace } from './backup/place.js';
import { Coordinator } from './cluster/coordinator.js';
import { type Figures, figuresOf } from './cluster/figures.js';
import { Members } from './cluster/members.js';
import { openCoordinator } from './cluster/open.js';
import { type HubPart, nameOfPart } from './cluster/part.js';
import type { Config } from './config/schema.js';
import { type Configuration, type ConfigurationInput, type ConfiguredProtocol, readConfiguration, readProtocols } from './configuration.js';
import { buildContainer } from './container.js';
import { makeDataDirectory } from './data-directory.js';
import { Database, type Migration } from './db/database.js';
import { EventRepository } from './db/events.js';
import { openDatabase } from './db/open.js';
import { SettingsRepository } from './db/settings.js';
import { StorageRepository } from './db/storages.js';
import { HubError } from './errors.js';
import { EventBus } from './events/bus.js';
import { Dispatcher } from './events/dispatcher.js';
import { countEvents } from './events/event-metrics.js';
import { LiveRelay } from './events/live-relay.js';
import { EventQueue } from './events/queue.js';
import { RuleLoader } from './events/rule-loader.js';
import { EventSettings } from './events/settings.js';
import { ExpiryWarnings } from './expiry-warnings.js';
import { ExtensionRegistry } from './extensions/registry.js';
import { randomToken } from './ids.js';
import { createLogger, type Logger } from './log.js';
import { Metrics } from './metrics.js';
import { Outbound } from './outbound.js';
import type { HostKeyRing, ListenAddress, ProtocolServer } from './protocol.js';
import { ProxyProtocol } from './proxy-protocol.js';
import { Schedule } from './schedule.js';
import { Secrets } from './secrets.js';
import { SharedHostKeys } from './shared-host-keys.js';
import { FILES_FOLDER } from './storage/own-folders.js';
import { StorageRegistry } from './storage/registry.js';
import { TakeOver } from './take-over.js';
import { Certificates } from './tls/certificates.js';
import { ResumableUploads } from './vfs/resume.js';
import { VfsServices } from './vfs/scope.js';

/** What a hub is made of. */
export interface HubOptions extends ConfigurationInput {
  readonly migrations: readonly Migration[];
  /** Which part this process has; undefined for a hub of one process, which has them all. */
  readonly part?: HubPart;
  /** Instead of the one that the configuration describes. */
  readonly log?: Logger;
  /** Called with the container before anything is resolved from it: tests put their own parts in. */
  readonly configure?: (container: DependencyContainer) => void;
}

/** A bound listener, with the protocol that it speaks. */
export interface Listener extends ListenAddress {
  readonly protocol: string;
}

/** The hub itself, for its web server. */
export const HUB: InjectionToken<Hub> = Symbol('Hub');

const PRUNE_INTERVAL_MS = 3_600_000;
/** Interrupted uploads are removed that long after their time at the latest. */
const SWEEP_INTERVAL_MS = 300_000;
const EXPIRY_INTERVAL_MS = 3_600_000;
/** How often it is looked whether a backup is due. */
const BACKUP_CHECK_MS = 60_000;
/** How long the queue may finish what it runs, once clients are gone. */
const QUEUE_GRACE_MS = 5_000;

/** One hub: opened, it can be administered; started, it serves. */
export class Hub {
  readonly #servers: ProtocolServer[] = [];
  readonly #listeners: Listener[] = [];
  readonly #stopTasks: (() => Promise<void>)[] = [];
  /** Names the database. */
  #id = '';
  #started = false;
  #listening = false;
  #stopping = false;
  #retired = false;
  #stopCounting: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(
    readonly config: Config,
    readonly configuration: Configuration,
    readonly dataDirectory: string,
    readonly log: Logger,
    private readonly container: DependencyContainer,
    readonly protocols: readonly ConfiguredProtocol[],
    private readonly part: HubPart | undefined,
  ) {}

  /** Reads the configuration, loads the extensions, opens the database and brings it up to date; listens nowhere. Throws HubError with one clear sentence. */
  static async open(options: HubOptions): Promise<Hub> {
    const configuration = await readConfiguration(options);
    const { config } = configuration;
    const dataDirectory = resolve(options.dataDirectory);
    await makeDataDirectory(dataDirectory);
    const { part } = options;
    const ownLog = options.log ?? createLogger(config.log.level, config.log.format);
    const log = part ? ownLog.child({ worker: nameOfPart(part) }) : ownLog;
    const secrets = await Secrets.load({ key: config.secrets.key, dataDirectory });
    const database = await openDatabase({ ...config.database, durability: config.durability, dataDirectory, log });
    let coordinator: Coordinator | undefined;
    try {
      await database.migrate(options.migrations);
      const newer = await database.newer(options.migrations);
      if (newer.length > 0) log.info({ steps: newer }, 'the schema of the database is of a newer version, beside which this one can work');
      coordinator = await openCoordinator(config, log, part?.coordinator);
      const container = buildContainer({ config, dataDirectory, database, secrets, coordinator, part, log });
      options.configure?.(container);
      await secrets.verify(container.resolve(SettingsRepository));
      if (options.configFile !== undefined) container.resolve(StorageRegistry).own.add(options.configFile);
      const registry = container.resolve(ExtensionRegistry);
      for (const { loaded, options: section } of configuration.extensions) registry.add(loaded, section);
      const protocols = readProtocols(configuration, registry.protocols.values());
      requireKnown(config.proxyProtocol.protocols, protocols);
      const hub = new Hub(config, configuration, dataDirectory, log, container, protocols, part);
      container.registerInstance(HUB, hub);
      await hub.#prepare();
      return hub;
    } catch (error) {
      await coordinator?.close();
      await database.close();
      throw error;
    }
  }

  /** Where clients connect; empty until start() has resolved. */
  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  /** What extensions report, by name. */
  get reports(): ReadonlyMap<string, () => Promise<unknown>> {
    return this.get(ExtensionRegistry).reports;
  }

  /** Resolves to why, when the hub has lost what it cannot work without; it should then be stopped, and started anew. */
  get failed(): Promise<HubError> {
    return this.get(Database as InjectionToken<Database>).failed.then(
      cause => new HubError('unavailable', 'The connection to the database is lost', { cause }),
    );
  }

  /** The host keys of the first kind of server that has some. */
  get hostKeys(): HostKeyRing | undefined {
    const keyed = this.protocols.find(({ type }) => type.hostKeys !== undefined);
    const own = keyed?.type.hostKeys?.(keyed.options, this.dataDirectory);
    if (!own || !this.get(Members).isShared) return own;
    return new SharedHostKeys(own, this.get(SettingsRepository), this.get(Secrets), this.log);
  }

  /** The transfers that are open now. */
  get transfers(): number {
    return this.get(SessionRegistry).transfers;
  }

  /** A service of this hub, for those who administer it. */
  get<T>(token: InjectionToken<T>): T {
    return this.container.resolve(token);
  }

  /** The figures of this process, and of the others that are this hub on this machine, ended ones included. */
  async figures(): Promise<readonly Figures[]> {
    const own = this.#ownFigures();
    return [own, ...((await this.part?.figures.others(own)) ?? [])];
  }

  /** Settles what the last run left, starts deliveries and listens, as far as it is the part of this process. Throws HubError with one clear sentence; the hub is then stopped. */
  async start(): Promise<void> {
    this.#started = true;
    const protocols = this.protocols.map(({ type }) => type.name);
    this.#stopCounting = countEvents(this.get(EventBus as InjectionToken<EventBus>), this.get(Metrics), protocols);
    this.part?.figures.answer(() => this.#ownFigures());
    try {
      if (this.#hasJobs) await this.#makeOwner();
      await this.get(TakeOver).start(this.#id);
      this.#stopTasks.push(() => this.get(TakeOver).stop());
      for (const task of this.get(ExtensionRegistry).startTasks) {
        const stop = await task();
        if (stop) this.#stopTasks.unshift(stop);
      }
      this.get(LiveRelay).start();
      this.#stopTasks.push(async () => this.get(LiveRelay).stop());
      if (this.#hasJobs) await this.#startJobs();
      await this.get(Certificates).start();
      if (this.part?.role !== 'jobs') await this.#listen();
      this.#listening = true;
      if (this.#hasJobs) await this.get(ExpiryWarnings).run();
    } catch (error) {
      await this.stop(AbortSignal.abort());
      throw error;
    }
  }

  /** Stops accepting, and lets clients go on; resolves when none is left, or `signal` aborts. stop() is to follow. */
  async retire(signal: AbortSignal): Promise<void> {
    this.#retired = true;
    await this.#quietly('listeners', Promise.all(this.#servers.map(server => server.retire?.(signal))));
  }

  /** Whether new clients should come: not while the hub starts, and no longer as soon as it is told to stop. */
  get isReady(): boolean {
    return this.#listening && !this.#stopping;
  }

  /**
   * Is not ready from now on, and after the configured delay stops accepting, lets transfers finish until `signal` aborts (for the
   * configured grace unless given), and closes everything. May be repeated.
   */
  stop(signal?: AbortSignal): Promise<void> {
    this.#stopping = true;
    this.#stopped ??= this.#stop(signal);
    return this.#stopped;
  }

  async #prepare(): Promise<void> {
    const settings = this.get(SettingsRepository);
    await settings.add('hub.id', randomToken(9));
    this.#id = String(await settings.get('hub.id'));
    this.get(VfsServices).stagingPrefix = `${this.#id}-${this.get(Members).id}`;
    this.get(VfsServices).hidden = parsePlace(this.config.backup.directory);
    this.get(Backups).hostKeyDirectory = this.hostKeys?.directory;
    const storages = this.get(StorageRepository);
    if ((await storages.list()).length === 0) await storages.create(firstStorage(this.dataDirectory)).catch(unlessMadeElsewhere);
    await this.get(Defence).start();
    await this.get(RuleLoader).start();
  }

  async #makeOwner(): Promise<void> {
    const { username, password } = this.config.admin;
    const setup = this.get(Setup);
    if (password === undefined || !(await setup.needed())) return;
    try {
      await setup.create(username, password);
      this.log.info({ username }, 'made the first owner from the configuration');
    } catch (error) {
      // Another node that starts at the same time has made it.
      if (!(error instanceof HubError && error.code === 'conflict') || (await setup.needed())) throw error;
    }
  }

  #ownFigures(): Figures {
    return figuresOf(this.get(Metrics), this.part && nameOfPart(this.part));
  }

  get #hasJobs(): boolean {
    return this.part?.role !== 'serve';
  }

  async #startJobs(): Promise<void> {
    const dispatcher = this.get(Dispatcher);
    await this.get(EventQueue as InjectionToken<EventQueue>).start((delivery, signal) => dispatcher.run(delivery, signal));
    this.#schedule();
  }

  #schedule(): void {
    const schedule = this.get(Schedule);
    const { keepMs } = this.get(EventSettings);
    schedule.every(PRUNE_INTERVAL_MS, 'prune-events', async () => void (await this.get(EventRepository).prune(Date.now() - keepMs)));
    // Each node has certificates of its own.
    schedule.every(EXPIRY_INTERVAL_MS, `warn-of-certificates/${this.config.node}`, () => this.get(ExpiryWarnings).run());
    const { resume } = this.config.uploads;
    const sweepMs = Math.min(SWEEP_INTERVAL_MS, Math.max(1_000, resume));
    if (resume > 0) schedule.every(sweepMs, 'sweep-uploads', () => this.get(ResumableUploads).sweep());
    const backups = this.get(Backups);
    if (this.config.backup.every > 0) schedule.every(BACKUP_CHECK_MS, 'back-up', () => backups.runWhenDue());
    schedule.start(this.log);
  }

  async #listen(): Promise<void> {
    const { hostKeys } = this;
    if (hostKeys instanceof SharedHostKeys) await hostKeys.take();
    for (const { type, options } of this.protocols) {
      const server = type.create(options, {
        login: this.get(LoginService),
        certificates: this.get(Certificates),
        proxy: this.#proxyOf(type.name),
        log: this.log.child({ component: type.name }),
        dataDirectory: this.dataDirectory,
        worker: { index: this.part?.index ?? 0, count: this.part?.count ?? 1 },
        resolve: token => this.get(token),
      });
      this.#servers.push(server);
      for (const address of await server.start()) this.#listeners.push({ protocol: type.name, ...address });
    }
  }

  #proxyOf(protocol: string): ProxyProtocol {
    const { trusted, protocols, timeout } = this.config.proxyProtocol;
    return new ProxyProtocol({
      trusted: protocols.includes(protocol) ? trusted : [],
      timeoutMs: timeout,
      log: this.log.child({ component: protocol }),
    });
  }

  async #stop(given: AbortSignal | undefined): Promise<void> {
    const { readinessDelay, grace } = this.config.shutdown;
    // Those who watch /readyz send their clients elsewhere meanwhile.
    if (this.#servers.length > 0 && readinessDelay > 0 && !this.#retired && !given?.aborted)
      await sleep(readinessDelay, undefined, given && { signal: given }).catch(() => undefined);
    const signal = given ?? AbortSignal.timeout(grace);
    this.#stopCounting?.();
    await this.#quietly('listeners', Promise.all(this.#servers.map(server => server.stop(signal))));
    await this.#quietly('certificates', this.get(Certificates).stop());
    await this.#quietly('sessions', this.get(SessionRegistry).endAll(STOP_REASON));
    for (const task of this.#stopTasks) await this.#quietly('extension', task());
    await this.#quietly('schedule', this.get(Schedule).stop());
    await this.#quietly('uploads', this.get(ResumableUploads).stop());
    if (this.#started && this.#hasJobs)
      await this.#quietly(
        'queue',
        this.get(EventQueue as InjectionToken<EventQueue>).stop(AbortSignal.any([AbortSignal.timeout(QUEUE_GRACE_MS)])),
      );
    await this.#quietly('rules', this.get(RuleLoader).stop());
    await this.#quietly('events', this.get(EventBus as InjectionToken<EventBus>).flush());
    await this.#quietly('storages', this.get(StorageRegistry).close());
    this.part?.figures.last(this.#ownFigures());
    await this.#quietly('outbound', this.get(Outbound).close());
    await this.#quietly('members', this.get(Members).leave());
    await this.#quietly('coordinator', this.get(Coordinator as InjectionToken<Coordinator>).close());
    await this.#quietly('database', this.get(Database as InjectionToken<Database>).close());
  }

  /** One part that cannot be stopped must not keep the others from it. */
  async #quietly(part: string, work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => this.log.error({ err: error, part }, 'could not be stopped properly'));
  }
}

function requireKnown(names: readonly string[], protocols: readonly ConfiguredProtocol[]): void {
  const known = protocols.map(({ type }) => type.name);
  const unknown = names.find(name => !known.includes(name));
  if (unknown !== undefined)
    throw new HubError('invalid-request', `proxyProtocol.protocols: there is no protocol '${unknown}', but ${known.join(', ')}`);
}

function firstStorage(dataDirectory: string) {
  return { name: 'data', kind: 'local', options: { root: resolve(dataDirectory, FILES_FOLDER) } };
}

/** Another node may start at the same time. */
function unlessMadeElsewhere(error: unknown): void {
  if (!(error instanceof HubError && error.code === 'already-exists')) throw error;
}
