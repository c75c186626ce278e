import { HubError, toHubError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import type { FileAttributes, FileInfo, StagedFile, StorageBackend, StorageHandle } from '../storage/backend.js';
import { ensureDirectory } from '../storage/ensure-directory.js';
import { orderedHandle } from '../storage/handles.js';
import type { Location } from './mounts.js';
import { parentOf, RESERVED_NAME, type VirtualPath } from './path.js';

const NEW_FILE = { read: true, write: true, create: true, exclusive: true } as const;

/** Whether an upload to `backend` can be kept out of sight until it is complete. */
export function canStage(backend: StorageBackend): boolean {
  return (
    !backend.features.atomicWrites && (backend.stage !== undefined || (backend.rename !== undefined && backend.removeFile !== undefined))
  );
}

/** Begins an upload that nobody sees until it is published: by the backend itself, or by a temporary name and a rename. Throws what the backend throws. */
export async function stageUpload({ backend, storagePath }: Location, prefix: string): Promise<StagedFile> {
  if (backend.stage) return backend.stage(storagePath, prefix);
  const folder = backend.stagingFolder ? await backend.stagingFolder(storagePath) : `/${RESERVED_NAME}`;
  const temporary = `${folder}/${prefix}-${uuidv7()}`;
  const existing = await entryOf(backend, storagePath);
  const handle = await backend.open(temporary, NEW_FILE).catch(async (error: unknown) => {
    if (!(error instanceof HubError) || error.code !== 'not-found') throw error;
    await ensureDirectory(backend, folder);
    return backend.open(temporary, NEW_FILE);
  });
  if (existing?.type === 'file' && existing.mode !== undefined)
    await handle.setAttributes?.({ mode: existing.mode }).catch(() => undefined);
  return new RenamedFile(backend, backend.features.randomWrites ? handle : orderedHandle(handle), temporary, storagePath, existing);
}

/** Whether an upload to `backend` that was left in its temporary can be gone on with. */
export function canRestage(backend: StorageBackend): boolean {
  return (
    backend.restage !== undefined || (backend.rename !== undefined && backend.removeFile !== undefined && backend.features.randomWrites)
  );
}

/** Takes an upload up again that stageUpload() began and close() left at `temporary`. Throws 'not-found' when it is gone, and what the backend throws. */
export async function restageUpload({ backend, storagePath }: Location, temporary: string): Promise<StagedFile> {
  if (backend.restage) return backend.restage(storagePath, temporary);
  const existing = await entryOf(backend, storagePath);
  return new RenamedFile(backend, await backend.open(temporary, { read: true, write: true }), temporary, storagePath, existing);
}

/** An upload under a temporary name, for backends that have rename() and nothing of their own. */
class RenamedFile implements StagedFile {
  #synced = false;
  #closed = false;
  readonly writev?: (pieces: readonly Uint8Array[], position: number) => Promise<void>;
  readonly setAttributes?: (attributes: FileAttributes) => Promise<void>;
  readonly truncate?: (size: number) => Promise<void>;

  constructor(
    private readonly backend: StorageBackend,
    private readonly handle: StorageHandle,
    readonly temporary: string,
    private readonly path: string,
    readonly existing: FileInfo | undefined,
  ) {
    if (handle.writev) this.writev = handle.writev.bind(handle);
    if (handle.setAttributes) this.setAttributes = handle.setAttributes.bind(handle);
    if (handle.truncate) this.truncate = handle.truncate.bind(handle);
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.handle.read(target, position);
  }

  write(data: Uint8Array, position: number): Promise<void> {
    return this.handle.write(data, position);
  }

  stat(): Promise<FileInfo> {
    return this.handle.stat();
  }

  async sync(): Promise<void> {
    await this.handle.sync?.();
    this.#synced = true;
  }

  /** May be repeated: a publish() that failed has closed it already. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.handle.close();
  }

  async publish({ replace }: { readonly replace: boolean }): Promise<unknown> {
    await this.close();
    await this.backend.rename!(this.temporary, this.path, { replace });
    if (!this.#synced) return undefined;
    return this.backend.syncDirectory?.(parentOf(this.path as VirtualPath)).catch((error: unknown) => error);
  }

  async abort(): Promise<void> {
    if (!this.#closed) await this.handle.abort();
    await this.backend.removeFile!(this.temporary).catch(() => undefined);
  }
}

/** What is at `path`, a link as itself; undefined when nothing is. */
export function entryOf(backend: StorageBackend, path: string): Promise<FileInfo | undefined> {
  return (backend.lstat ? backend.lstat(path) : backend.stat(path)).catch(absent);
}

function absent(error: unknown): undefined {
  const failure = toHubError(error);
  if (failure.code === 'not-found' || failure.code === 'not-a-directory') return undefined;
  throw failure;
}
