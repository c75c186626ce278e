import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { DependencyContainer, InjectionToken } from 'tsyringe';
import type { Extension } from '#core/api.js';
import { Passwords } from '#core/auth/passwords.js';
import { SessionRegistry } from '#core/auth/session.js';
import type { UserFields } from '#core/db/user.js';
import { UserRepository } from '#core/db/users.js';
import { EventBus } from '#core/events/bus.js';
import type { EventType, HubEvent } from '#core/events/types.js';
import { Hub } from '#core/hub.js';
import { createLogger } from '#core/log.js';
import type { VirtualFileSystem } from '#core/vfs/virtual-file-system.js';
import { bundled, migrations } from '#extensions/bundled.js';
import { freshDatabase } from '../conformance/outbox.js';

/** What a test's user is given; the rest are the defaults of a new user, with every right. */
export type TestUser = Partial<Omit<UserFields, 'username' | 'passwordHash'>> & { readonly password?: string };

/** How a test's hub differs from one on its defaults. */
export interface TestHubOptions {
  /** As in the configuration file. */
  readonly values?: Readonly<Record<string, unknown>>;
  readonly users?: Readonly<Record<string, TestUser>>;
  readonly extensions?: readonly Extension[];
  readonly configure?: (container: DependencyContainer) => void;
  /** Storage of the users' homes: 'data' on disk, or a memory storage made for the test (the default). */
  readonly storage?: 'memory' | 'disk';
  /** Keeps the records in a file of the data directory instead of in memory. */
  readonly databaseFile?: boolean;
  /** An existing data directory, which then stays. */
  readonly dataDirectory?: string;
}

/** A hub in this process, with what tests ask of it. */
export interface TestHub {
  readonly hub: Hub;
  readonly dataDirectory: string;
  /** Port of the first listener of a protocol. */
  port(protocol: string): number;
  /** The files of a user, through a session as any protocol would open one. */
  files(user: string): Promise<VirtualFileSystem>;
  /** Waits for the next event of a type, or one already seen that `matches`. */
  event<T extends EventType>(type: T, matches?: (event: HubEvent<T>) => boolean): Promise<HubEvent<T>>;
  /** Every event heard so far. */
  readonly events: readonly HubEvent[];
  stop(): Promise<void>;
}

let hostKeys: string | undefined;

/** One set of host keys for all hubs of a test process: an RSA key takes a second to make. */
function sharedHostKeys(): string {
  if (hostKeys === undefined) {
    hostKeys = mkdtempSync(join(tmpdir(), 'entrepot-host-keys-'));
    process.once('exit', () => rmSync(hostKeys!, { recursive: true, force: true }));
  }
  return hostKeys;
}

/** Starts a hub on free loopback ports, and stops it at the end of the test: memory database and storage unless told, or a database of the kind that the test is run on; silent log. */
export async function startHub(t: ExecutionContext, options: TestHubOptions = {}): Promise<TestHub> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'entrepot-test-')));
  const url = (await freshDatabase(t)) ?? 'sqlite::memory:';
  const hub = await Hub.open({
    dataDirectory,
    env: {},
    bundled: [...bundled, ...(options.extensions ?? [])],
    migrations,
    log: createLogger('silent'),
    values: {
      ...(!options.databaseFile && { database: { url } }),
      durability: 'process',
      ...options.values,
      protocols: {
        sftp: { host: '127.0.0.1', port: 0, hostKeys: sharedHostKeys() },
        ftp: { enabled: false },
        web: { enabled: false },
        ...(options.values?.protocols as object | undefined),
      },
    },
    ...(options.configure && { configure: options.configure }),
  });
  const events: HubEvent[] = [];
  hub.get(EventBus as InjectionToken<EventBus>).listen('*', event => void events.push(event));
  const storage = options.storage === 'disk' ? 'data' : 'memory';
  if (storage === 'memory') await addMemoryStorage(hub);
  for (const [username, user] of Object.entries(options.users ?? {})) await addUser(hub, username, storage, user);
  await hub.start();
  const stop = async () => {
    await hub.stop(AbortSignal.abort());
    if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
  };
  t.teardown(stop);
  return {
    hub,
    dataDirectory,
    events,
    stop,
    port: protocol => hub.listeners.find(listener => listener.protocol === protocol)!.port,
    files: async user => (await openSession(hub, user)).files,
    event: (type, matches) => waitFor(hub, events, type, matches),
  };
}

/** A session of `user` as a protocol would get one after the login. */
export async function openSession(hub: Hub, user: string) {
  const found = await hub.get(UserRepository).findByUsername(user);
  if (!found) throw new Error(`no user ${user}`);
  return hub.get(SessionRegistry).create(found, { protocol: 'test', remoteAddress: '127.0.0.1', tls: true });
}

async function addMemoryStorage(hub: Hub): Promise<void> {
  const { StorageRepository } = await import('#core/db/storages.js');
  await hub.get(StorageRepository).create({ name: 'memory', kind: 'memory', options: {} });
}

async function addUser(hub: Hub, username: string, storage: string, { password, ...fields }: TestUser): Promise<void> {
  const passwordHash = password === undefined ? undefined : await hub.get(Passwords).hash(password);
  await hub.get(UserRepository).create({
    username,
    status: 'active',
    description: '',
    keys: [],
    permissions: { '/': ['*'] },
    patterns: [],
    mounts: [{ path: '/', storage, directory: `/${username}` }],
    expiresAt: undefined,
    protocols: [],
    addresses: [],
    maxSessions: undefined,
    ...fields,
    passwordHash,
  });
}

function waitFor<T extends EventType>(
  hub: Hub,
  seen: readonly HubEvent[],
  type: T,
  matches: (event: HubEvent<T>) => boolean = () => true,
): Promise<HubEvent<T>> {
  const known = seen.find(event => event.type === type && matches(event as HubEvent<T>));
  if (known) return Promise.resolve(known as HubEvent<T>);
  return new Promise(resolve => {
    const stop = hub.get(EventBus as InjectionToken<EventBus>).listen(type, event => {
      if (!matches(event)) return;
      stop();
      resolve(event);
    });
  });
}
