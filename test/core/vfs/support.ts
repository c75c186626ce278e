import 'reflect-metadata';
import type { ExecutionContext } from 'ava';
import { type DependencyContainer, type InjectionToken, instanceCachingFactory } from 'tsyringe';
import { MemoryStorage } from '#backends/memory/index.js';
import { defineExtension, type FileInfo, type StorageBackend, type StorageHandle, z } from '#core/api.js';
import { EventRepository } from '#core/db/events.js';
import { StorageRepository } from '#core/db/storages.js';
import { EventBus, type OperationProof, type PendingEvent } from '#core/events/bus.js';
import { OutboxEventBus } from '#core/events/outbox-event-bus.js';
import type { EventType, EventTypes, HubEvent } from '#core/events/types.js';
import type { VirtualFileSystem } from '#core/vfs/virtual-file-system.js';
import { startHub, type TestHub, type TestHubOptions, type TestUser } from '../../support/hub.js';

const REPLACE = { write: true, create: true, truncate: true };

/** Uploads a whole file. */
export async function put(files: VirtualFileSystem, path: string, content: string): Promise<void> {
  const transfer = await files.open(path, REPLACE);
  if (content !== '') await transfer.write(Buffer.from(content), 0);
  await transfer.close();
}

/** Downloads a whole file. */
export async function get(files: VirtualFileSystem, path: string): Promise<string> {
  const transfer = await files.open(path, { read: true });
  const buffer = Buffer.alloc(65_536);
  const content = buffer.toString('utf8', 0, await transfer.read(buffer, 0));
  await transfer.close();
  return content;
}

/** The names in a directory, sorted. */
export async function names(files: VirtualFileSystem, path: string): Promise<string[]> {
  const all: FileInfo[] = [];
  for await (const batch of files.list(path)) all.push(...batch);
  return all.map(({ name }) => name).sort();
}

/** Every event that is recorded, in the order in which they were made. */
export async function recorded({ hub }: Pick<TestHub, 'hub'>): Promise<HubEvent[]> {
  await hub.get(EventBus as InjectionToken<EventBus>).flush();
  return [...(await hub.get(EventRepository).page({}, undefined, 1_000)).items].reverse();
}

/** Their types. */
export async function recordedTypes(hub: Pick<TestHub, 'hub'>): Promise<string[]> {
  return (await recorded(hub)).map(({ type }) => type);
}

/** What lies in the folder of unfinished uploads of a backend. */
export async function unfinished(backend: StorageBackend): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const batch of backend.list('/.entrepot')) found.push(...batch.map(({ name }) => name));
  } catch {
    return [];
  }
  return found;
}

/** The code of the HubError that `work` fails with; 'done' when it does not fail. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: { code?: string; stack?: string }) => error.code ?? `not a HubError: ${error.stack}`,
  );
}

/** `backend` with some members replaced; one that is replaced by undefined is a capability that it lacks. */
export function altered(backend: StorageBackend, changes: Partial<Record<keyof StorageBackend, unknown>>): StorageBackend {
  return new Proxy(backend, { get: (target, key) => (key in changes ? Reflect.get(changes, key) : bound(target, key)) });
}

/** The same for an open file. */
export function alteredHandle(handle: StorageHandle, changes: Partial<Record<keyof StorageHandle, unknown>>): StorageHandle {
  return new Proxy(handle, { get: (target, key) => (key in changes ? Reflect.get(changes, key) : bound(target, key)) });
}

function bound(target: object, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' ? value.bind(target) : value;
}

/** A backend on which a written file appears only when it is closed. */
export function nativeStorage(memory: MemoryStorage): StorageBackend {
  const open: StorageBackend['open'] = async (path, flags) => {
    if (!flags.write || !flags.truncate) return memory.open(path, flags);
    const aside = new MemoryStorage();
    const handle = await aside.open('/new', { read: true, write: true, create: true });
    const close = async (): Promise<void> => {
      const { size } = await handle.stat();
      const content = Buffer.alloc(size);
      await handle.read(content, 0);
      const target = await memory.open(path, flags);
      await target.write(content, 0);
      await target.close();
    };
    return alteredHandle(handle, { close });
  };
  return altered(memory, { features: { randomWrites: true, atomicWrites: true }, open, rename: undefined });
}

/** What alice's files are then kept in. */
export interface BackendHub extends TestHub {
  readonly alice: VirtualFileSystem;
}

/** A hub whose user alice has `backend` as her home. */
export async function hubOn(
  t: ExecutionContext,
  backend: StorageBackend,
  options: TestHubOptions & { readonly alice?: TestUser } = {},
): Promise<BackendHub> {
  const { alice = {}, ...rest } = options;
  const double = defineExtension({
    name: 'double',
    api: '^1.0.0',
    register: host => host.backend({ name: 'double', options: z.strictObject({}), open: async () => backend }),
  });
  const hub = await startHub(t, {
    ...rest,
    extensions: [double, ...(rest.extensions ?? [])],
    users: { alice: { mounts: [{ path: '/', storage: 'double', directory: '/' }], ...alice }, ...rest.users },
  });
  await hub.hub.get(StorageRepository).create({ name: 'double', kind: 'double', options: {} });
  return { ...hub, alice: await hub.files('alice') };
}

/** Runs in the place of what a bus does; `next` is what the hub's own does. */
export interface BusChanges {
  readonly prepare?: (next: () => Promise<PendingEvent>, type: EventType) => Promise<PendingEvent>;
  readonly publish?: (next: () => Promise<void>, type: EventType) => Promise<void>;
}

/** Puts a bus into the container that does `changes` around the hub's own. */
export function withBus(changes: BusChanges): (container: DependencyContainer) => void {
  return container => {
    container.registerSingleton(OutboxEventBus);
    container.register(EventBus as InjectionToken<EventBus>, {
      useFactory: instanceCachingFactory(c => new ChangedBus(c.resolve(OutboxEventBus), changes)),
    });
  };
}

class ChangedBus extends EventBus {
  constructor(
    private readonly own: EventBus,
    private readonly changes: BusChanges,
  ) {
    super();
  }

  publish<T extends EventType>(type: T, data: EventTypes[T]): Promise<void> {
    const next = () => this.own.publish(type, data);
    return this.changes.publish?.(next, type) ?? next();
  }

  prepare<T extends EventType>(type: T, data: EventTypes[T], proof: OperationProof): Promise<PendingEvent> {
    const next = () => this.own.prepare(type, data, proof);
    return this.changes.prepare?.(next, type) ?? next();
  }

  listen: EventBus['listen'] = (type, listener) => this.own.listen(type, listener);

  flush(): Promise<void> {
    return this.own.flush();
  }
}
