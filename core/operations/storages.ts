import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { shapeOf, valueFromText } from '../config/shape.js';
import { checkStorageName } from '../db/names.js';
import { about, HubError, toHubError } from '../errors.js';
import type { FileInfo } from '../storage/backend.js';
import { sortEntries } from '../storage/entry-order.js';
import type { StorageDefinition } from '../storage/registry.js';
import { virtualPath } from '../vfs/path.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

const named = z.strictObject({ name: z.string().min(1).max(256) });

/** A storage as administrators see it: secrets of its options are hidden. */
export interface StorageView {
  readonly name: string;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it is there because `storages.discover` found it, rather than because someone added it. */
  readonly discovered: boolean;
  /** Rises with each change; 0 for one that was discovered. */
  readonly version: number;
}

/** A part of a directory, and how many entries it has. */
export interface StorageDirectory {
  readonly path: string;
  readonly items: readonly Pick<FileInfo, 'name' | 'type' | 'size' | 'mtime' | 'mode' | 'etag'>[];
  readonly total: number;
}

/** What administrators do with storages. */
export const storageOperations = {
  /** Adds a storage after it was checked and opened once. Values of options may be texts, such as a command line has. */
  'storages.add': operation(
    z.strictObject({ name: z.string(), kind: z.string(), options: z.record(z.string(), z.unknown()).default({}) }),
    async (services, { name, kind, options }) => {
      const kept = await about('name', () => checkStorageName(name));
      if ((await services.storageRegistry.definitions()).some(other => other.name === kept))
        throw new HubError('already-exists', `There is a storage '${kept}' already`, { field: 'name' });
      const typed = fromTexts(services, kind, options);
      await about(kindKnown(services, kind) ? 'options' : 'kind', () => services.storageRegistry.test({ kind, options: typed }));
      return view(services, await services.storages.create({ name: kept, kind, options: typed }));
    },
  ),

  /** Changes the options that are given, null takes one away, after the result was checked and opened once. Throws 'conflict' for a `version` that is not current. */
  'storages.set': operation(
    z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()), version: z.int().optional() }),
    async (services, { name, options, version }) => {
      const storage = await services.storages.findByName(name);
      if (!storage) {
        await find(services, name);
        throw new HubError('invalid-request', `'${name}' is offered by storages.discover; it cannot be changed`);
      }
      const typed = { ...storage.options, ...fromTexts(services, storage.kind, options) };
      const merged = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== null));
      await about('options', () => services.storageRegistry.test({ kind: storage.kind, options: merged }));
      return view(services, await services.storages.update(storage.name, merged, version ?? storage.version));
    },
  ),

  /** Opens a storage that is not added yet and looks at its root. What is wrong with it is the answer, not an error. */
  'storages.try': operation(
    z.strictObject({ kind: z.string(), options: z.record(z.string(), z.unknown()).default({}) }),
    async (services, { kind, options }) => tested(services, kind, fromTexts(services, kind, options)),
  ),

  'storages.list': operation(z.strictObject({}), async services =>
    Promise.all((await services.storageRegistry.definitions()).map(storage => view(services, storage))),
  ),

  'storages.show': operation(named, async (services, { name }) => view(services, await find(services, name))),

  /** Opens the storage and looks at its root. What is wrong with it is the answer, not an error. */
  'storages.test': operation(named, async (services, { name }) => {
    const { kind, options } = await find(services, name);
    return { name, ...(await tested(services, kind, options)) };
  }),

  /** What is in a directory of a storage, directories first, by name; past the rights of users. Throws 'not-found' and 'not-a-directory'. */
  'storages.browse': operation(
    named.extend({
      path: z.string().max(4_096).default('/'),
      limit: z.int().min(1).max(1_000).default(200),
      offset: z.int().min(0).default(0),
    }),
    async (services, { name, path, limit, offset }): Promise<StorageDirectory> => {
      const place = virtualPath(path);
      const storage = await find(services, name);
      const backend = await services.storageRegistry.backend(storage.name);
      const all: FileInfo[] = [];
      for await (const batch of backend.list(place)) all.push(...batch);
      const items = sortEntries(all, 'name', false).slice(offset, offset + limit);
      // Backends may compute fields when they are looked at.
      return { path: place, items: items.map(plain), total: all.length };
    },
  ),

  /** Takes the storage off the list; its files stay, interrupted uploads that wait for their users do not. Refused while a mount uses it. */
  'storages.remove': operation(named.extend({ version: z.int().optional() }), async (services, { name, version }) => {
    const storage = await view(services, await find(services, name));
    if (storage.discovered)
      throw new HubError('invalid-request', `'${name}' is offered by storages.discover; it goes away with its directory`);
    const discard = await services.uploads.discarding(storage.name);
    await services.storages.delete(storage.name, version);
    await discard();
    return storage;
  }),
};

function plain({ name, type, size, mtime, mode, etag }: FileInfo): StorageDirectory['items'][number] {
  return { name, type, size, mtime, ...(mode !== undefined && { mode }), ...(etag !== undefined && { etag }) };
}

async function tested({ storageRegistry }: OperationServices, kind: string, options: Readonly<Record<string, unknown>>) {
  const startedAt = performance.now();
  const durationMs = () => Math.round(performance.now() - startedAt);
  try {
    await storageRegistry.test({ kind, options });
    return { ok: true, message: 'Works', durationMs: durationMs() };
  } catch (error) {
    return { ok: false, message: toHubError(error).message, durationMs: durationMs() };
  }
}

async function find({ storageRegistry }: OperationServices, name: string): Promise<StorageDefinition> {
  const all = await storageRegistry.definitions();
  const storage = all.find(other => other.name === name.normalize('NFC'));
  if (!storage)
    throw new HubError(
      'not-found',
      `There is no storage '${name}'${didYouMean(
        name,
        all.map(other => other.name),
      )}`,
    );
  return storage;
}

function fromTexts(
  { storageRegistry }: OperationServices,
  kind: string,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const children = optionsOfKind(storageRegistry, kind);
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      const schema = children[name];
      return [name, typeof value === 'string' && schema ? valueFromText(value, shapeOf(schema)) : value];
    }),
  );
}

async function view({ storageRegistry, storages }: OperationServices, { name, kind, options }: StorageDefinition): Promise<StorageView> {
  const children = optionsOfKind(storageRegistry, kind);
  // Of an option that its kind does not know (any more), nobody can tell that it is no secret.
  const isOpen = (option: string) => children[option] !== undefined && !shapeOf(children[option]).secret;
  const shown = Object.entries(options).map(([option, value]) => [option, isOpen(option) ? value : '(hidden)']);
  const kept = await storages.findByName(name);
  return { name, kind, options: Object.fromEntries(shown), discovered: kept === undefined, version: kept?.version ?? 0 };
}

function kindKnown({ storageRegistry }: OperationServices, kind: string): boolean {
  return storageRegistry.kinds().some(({ name }) => name === kind);
}

function optionsOfKind(registry: OperationServices['storageRegistry'], kind: string) {
  const type = registry.kinds().find(({ name }) => name === kind);
  return type ? shapeOf(type.options).children : {};
}
