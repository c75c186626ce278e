import type { ZodType } from 'zod';
import type { Authenticator } from '../auth/authenticators.js';
import type { ActionType } from '../events/action.js';
import type { Delivery } from '../events/delivery.js';
import type { Rule } from '../events/rules.js';
import type { EventType, HubEvent } from '../events/types.js';
import type { Guard, GuardedActionName } from '../guards.js';
import type { Logger } from '../log.js';
import type { Outbound } from '../outbound.js';
import type { ProtocolType } from '../protocol.js';
import type { BackendType } from '../storage/backend.js';

/** A unit of functionality. Everything outside core is one, the parts we ship included. */
export interface Extension<Options = unknown> {
  /** Unique; prefixes the names of its handlers and tasks. */
  readonly name: string;
  /** Semver range of the extension API it was written for. A mismatch stops the hub at boot. */
  readonly api: string;
  /** Of the extension itself, for those who administer the hub; unless given, that of the package.json beside it. */
  readonly version?: string;
  /** Checks its section of `extensions` in the configuration: the key is the package or, for what we ship, the name. */
  readonly options?: ZodType<Options>;
  /** Called once in every process before anything starts. Registers, and does no I/O. */
  register(hub: ExtensionHost, options: Options): void;
}

/** What an extension can add. Registering a taken name throws. */
export interface ExtensionHost {
  readonly log: Logger;
  /** Absolute path of the hub's data directory. */
  readonly dataDirectory: string;
  /** The only way out by HTTP: refuses private addresses unless `outbound.allow` lists them. */
  readonly outbound: Outbound;
  /** Where a file of a storage lies on this machine's disk; undefined where it does not. */
  localPath(storage: string, storagePath: string): Promise<string | undefined>;
  /** Keeps storages out of a folder of this machine that holds more than files of users, such as programs that are run. */
  reserve(folder: string): void;
  /** Adds a kind of storage. */
  backend<O>(type: BackendType<O>): void;
  /** Adds a kind of server. */
  protocol<O>(type: ProtocolType<O>): void;
  /** Adds a way to log in, asked after those registered before it. */
  authenticator(authenticator: Authenticator): void;
  /** Adds something rules can do. */
  action<O>(type: ActionType<O>): void;
  /** Handles events after they happened: durable, retried, at least once; of a hub of several processes, in that for jobs. `handler` names it among this extension's. */
  on<T extends EventType>(types: T | readonly T[], handler: string, handle: EventHandler<T>): void;
  /** May refuse an action before it happens. */
  guard<A extends GuardedActionName>(action: A, guard: Guard<A>): void;
  /** Keeps rules that live outside the database, such as a folder of hooks. Each call of what is returned replaces them all; ids must be unique in `source`. */
  rules(source: string): (rules: readonly Rule[]) => void;
  /** Runs `task` every `intervalMs`, once in the whole cluster: in whichever process comes first, and one at a time. */
  every(intervalMs: number, task: string, run: (signal: AbortSignal) => Promise<void>): void;
  /** Runs in every process after the database is ready and before clients are accepted; what it returns runs at stop. */
  onStart(start: () => Promise<(() => Promise<void>) | void>): void;
  /** Publishes what operators can ask for by `entrepot <extension> <name>`: plain data, made fresh at each call. */
  report(name: string, make: () => Promise<unknown>): void;
}

export type EventHandler<T extends EventType> = (event: HubEvent<T>, delivery: Delivery<T>, signal: AbortSignal) => Promise<void>;

/** Types an extension; returns it unchanged. */
export function defineExtension<O>(extension: Extension<O>): Extension<O> {
  return extension;
}
