import type { Authenticator, Authenticators, LoginAttempt } from '../auth/authenticators.js';
import { HubError } from '../errors.js';
import type { ActionType } from '../events/action.js';
import type { ActionTypes } from '../events/actions.js';
import type { Rule, RuleTable } from '../events/rules.js';
import type { EventType } from '../events/types.js';
import type { Guard, GuardedActionName, Guards } from '../guards.js';
import type { Logger } from '../log.js';
import type { Outbound } from '../outbound.js';
import type { ProtocolType } from '../protocol.js';
import type { Schedule } from '../schedule.js';
import type { BackendType } from '../storage/backend.js';
import type { StorageRegistry } from '../storage/registry.js';
import type { EventHandler, ExtensionHost } from './extension.js';
import type { ExtensionHealth } from './health.js';
import { type LoadedExtension, refusal } from './loader.js';

/** Where what extensions register goes. */
export interface ExtensionParts {
  readonly storages: StorageRegistry;
  readonly actions: ActionTypes;
  readonly rules: RuleTable;
  readonly guards: Guards;
  readonly authenticators: Authenticators;
  readonly schedule: Schedule;
  readonly outbound: Outbound;
  readonly dataDirectory: string;
  readonly log: Logger;
  readonly health: ExtensionHealth;
}

/** Runs before clients are accepted; what it returns runs at stop. */
export type StartTask = () => Promise<(() => Promise<void>) | void>;

/** Hands extensions the one door, and keeps what has no other home: protocols, start tasks, reports. */
export class ExtensionRegistry {
  /** What each extension registered, by its name: 'protocol sftp', 'storage local', 'action webhook'. */
  readonly contributions = new Map<string, readonly string[]>();
  readonly protocols = new Map<string, ProtocolType>();
  readonly startTasks: StartTask[] = [];
  readonly reports = new Map<string, () => Promise<unknown>>();

  constructor(private readonly parts: ExtensionParts) {}

  /** How the parts of extensions that run again and again do. */
  get health(): Pick<ExtensionHealth, 'failuresOf'> {
    return this.parts.health;
  }

  /** Calls the extension's register(). Throws 'invalid-request' with a sentence that names the package when it throws, or when a name is taken. */
  add(loaded: LoadedExtension, options: unknown): void {
    const { key, extension } = loaded;
    if (this.contributions.has(extension.name))
      throw refusal(key, `is named '${extension.name}', and an extension of that name is already loaded`);
    const added: string[] = [];
    this.contributions.set(extension.name, added);
    try {
      const result: unknown = extension.register(this.#host(extension.name, added), options);
      if (result instanceof Promise) {
        result.catch(() => undefined);
        throw new HubError('invalid-request', 'register() is asynchronous; what has to wait belongs into onStart()');
      }
    } catch (error) {
      throw refusal(key, `could not be registered: ${error instanceof Error ? error.message : String(error)}`, error);
    }
  }

  #host(name: string, added: string[]): ExtensionHost {
    const { storages, actions, rules, guards, authenticators, schedule, outbound, dataDirectory, health } = this.parts;
    /** Notes it once it is in. */
    const note = <T>(what: string, done: T): T => {
      added.push(what);
      return done;
    };
    return {
      log: this.parts.log.child({ component: name }),
      dataDirectory,
      outbound,
      localPath: async (storage, storagePath) => (await storages.backend(storage)).localPath?.(storagePath),
      reserve: folder => storages.own.add(folder),
      backend: <O>(type: BackendType<O>) => note(`storage ${type.name}`, storages.kind(type as BackendType)),
      protocol: <O>(type: ProtocolType<O>) => note(`protocol ${type.name}`, this.#protocol(type as ProtocolType)),
      authenticator: (authenticator: Authenticator) =>
        note(`authenticator ${authenticator.name}`, authenticators.register(this.#watchedAuthenticator(name, authenticator))),
      action: <O>(type: ActionType<O>) => note(`action ${type.name}`, actions.register(type as ActionType)),
      on: <T extends EventType>(types: T | readonly T[], handler: string, handle: EventHandler<T>) =>
        note(
          `handler ${handler}`,
          rules.handler(
            `${name}/${handler}`,
            Array.isArray(types) ? types : [types as T],
            health.watched(name, `handler ${handler}`, handle as EventHandler<EventType>),
          ),
        ),
      guard: <A extends GuardedActionName>(action: A, guard: Guard<A>) =>
        note(`guard ${action}`, guards.register(action, health.watched(name, `guard ${action}`, guard))),
      rules: (source: string) => {
        added.push(`rules ${source}`);
        return (list: readonly Rule[]) => rules.setRules(source, list);
      },
      every: (intervalMs, task, run) =>
        note(`task ${task}`, schedule.every(intervalMs, `${name}/${task}`, health.watched(name, `task ${task}`, run))),
      onStart: start => void this.startTasks.push(start),
      report: (report, make) => note(`report ${report}`, this.#report(report, make)),
    };
  }

  #watchedAuthenticator(extension: string, authenticator: Authenticator): Authenticator {
    const { name } = authenticator;
    const authenticate = this.parts.health.watched(extension, `authenticator ${name}`, (attempt: LoginAttempt) =>
      authenticator.authenticate(attempt),
    );
    return { name, authenticate };
  }

  #protocol(type: ProtocolType): void {
    if (this.protocols.has(type.name)) throw new HubError('already-exists', `a protocol named '${type.name}' is already there`);
    this.protocols.set(type.name, type);
  }

  #report(name: string, make: () => Promise<unknown>): void {
    if (this.reports.has(name)) throw new HubError('already-exists', `a report named '${name}' is already there`);
    this.reports.set(name, make);
  }
}
