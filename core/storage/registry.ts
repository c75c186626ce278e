import type { core, ZodError } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { HubError, toHubError } from '../errors.js';
import type { Logger } from '../log.js';
import type { BackendType, StorageBackend } from './backend.js';
import type { OwnFolders } from './own-folders.js';

/** A storage by its name: which kind of backend, and with which options. */
export interface StorageDefinition {
  readonly name: string;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A place where storages are defined: the database, or a directory of discovered ones. Asked at each request. */
export interface StorageSource {
  findByName(name: string): Promise<StorageDefinition | undefined>;
  list(): Promise<readonly StorageDefinition[]>;
}

/**
 * The kinds of storage that extensions brought, and the open backends. A backend is opened when it is first asked for
 * and shared by all storages whose kind and options are equal; a storage that was redefined gets another one from then
 * on, and sessions that use the old one keep it until they end.
 */
export class StorageRegistry {
  readonly #kinds = new Map<string, BackendType<unknown>>();
  readonly #open = new Map<string, Promise<StorageBackend>>();
  #closed = false;

  /** Where two `sources` define the same name, the earlier one holds. */
  constructor(
    private readonly sources: readonly StorageSource[],
    private readonly log: Logger,
    /** Where no storage may lie. */
    readonly own: OwnFolders,
  ) {}

  /** Adds a kind. Throws 'already-exists' when the name is taken. */
  kind<O>(type: BackendType<O>): void {
    if (this.#kinds.has(type.name)) throw new HubError('already-exists', `The kind of storage '${type.name}' is registered twice`);
    this.#kinds.set(type.name, type as BackendType<unknown>);
  }

  /** Every kind, in the order in which they were added. */
  kinds(): readonly BackendType<unknown>[] {
    return [...this.#kinds.values()];
  }

  /** Every storage that is defined, by name. */
  async definitions(): Promise<readonly StorageDefinition[]> {
    const byName = new Map<string, StorageDefinition>();
    for (const source of this.sources) {
      for (const definition of await source.list()) {
        if (!byName.has(definition.name)) byName.set(definition.name, definition);
      }
    }
    return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How the storage `name` is defined. Throws 'not-found' with the name. */
  async definition(name: string): Promise<StorageDefinition> {
    for (const source of this.sources) {
      const found = await source.findByName(name);
      if (found) return found;
    }
    throw new HubError('not-found', `There is no storage '${name}'`);
  }

  /** The backend of the storage `name`, opened if it is not. Throws 'not-found' with the name, 'invalid-request' when its options do not fit, or what opening throws. */
  async backend(name: string): Promise<StorageBackend> {
    const { kind, options } = await this.definition(name);
    return this.#shared(this.#type(kind), kind, this.check(kind, options));
  }

  /**
   * The options of a storage as its kind reads them, defaults filled in. Throws 'invalid-request' whose message names
   * each option that does not fit, what was expected, and for an unknown one the nearest that is known.
   */
  check(kind: string, options: unknown): unknown {
    const parsed = this.#type(kind).options.safeParse(options);
    if (parsed.success) return parsed.data;
    throw new HubError('invalid-request', `Storage of kind '${kind}': ${complaints(parsed.error, optionNames(this.#type(kind)))}`);
  }

  /** Opens a storage, by name or by kind and options, and lists its root. Throws what stands in the way. */
  async test(storage: string | Pick<StorageDefinition, 'kind' | 'options'>): Promise<void> {
    if (typeof storage === 'string') return listRoot(await this.backend(storage));
    const options = this.check(storage.kind, storage.options);
    const backend = await this.#opened(this.#type(storage.kind), options, this.log);
    try {
      await listRoot(backend);
    } finally {
      await backend.close?.();
    }
  }

  /** Closes every backend, once the last handle is closed. A backend that fails to close is logged; the others are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(
      open.map(async opening => {
        const backend = await opening.catch(() => undefined);
        await backend?.close?.().catch((error: unknown) => this.log.warn({ err: error }, 'A storage failed to close'));
      }),
    );
  }

  #type(kind: string): BackendType<unknown> {
    const type = this.#kinds.get(kind);
    if (type) return type;
    const known = [...this.#kinds.keys()];
    throw new HubError(
      'invalid-request',
      `There is no kind of storage '${kind}'${didYouMean(kind, known) || `; there are: ${known.join(', ')}`}`,
    );
  }

  async #opened(type: BackendType<unknown>, options: unknown, log: Logger): Promise<StorageBackend> {
    for (const folder of type.folders?.(options) ?? []) await this.own.refuse(folder);
    return type.open(options, { log });
  }

  #shared(type: BackendType<unknown>, kind: string, options: unknown): Promise<StorageBackend> {
    if (this.#closed) throw new HubError('unavailable', 'The hub is stopping');
    const key = `${kind} ${canonical(options)}`;
    const known = this.#open.get(key);
    if (known) return known;
    const opening = this.#opened(type, options, this.log.child({ kind })).catch((error: unknown) => {
      this.#open.delete(key);
      throw toHubError(error);
    });
    this.#open.set(key, opening);
    return opening;
  }
}

async function listRoot(backend: StorageBackend): Promise<void> {
  for await (const _batch of backend.list('/')) break;
}

/** JSON with sorted keys, so that equal options are equal text. */
function canonical(value: unknown): string {
  return (
    (JSON.stringify(value, (_key, part: unknown) =>
      part !== null && typeof part === 'object' && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) as string | undefined) ?? ''
  );
}

/** The names of the options, where the schema is an object. */
function optionNames(type: BackendType<unknown>): readonly string[] {
  const { shape } = type.options as { shape?: Readonly<Record<string, unknown>> };
  return Object.keys(shape ?? {});
}

function complaints(error: ZodError, known: readonly string[]): string {
  return error.issues.map(issue => complaint(issue, known)).join('; ');
}

function complaint(issue: core.$ZodIssue, known: readonly string[]): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map(key => `unknown option '${key}'${didYouMean(key, known) || (known.length > 0 ? `; there are: ${known.join(', ')}` : '')}`)
      .join('; ');
  }
  const where = issue.path.length > 0 ? `option '${issue.path.join('.')}': ` : '';
  const missing = issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('undefined');
  return `${where}${missing ? `missing, expected ${issue.expected}` : issue.message}`;
}
