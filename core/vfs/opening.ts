import { HubError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import type { FileInfo, OpenFlags, StorageBackend, StorageHandle } from '../storage/backend.js';
import { ensureDirectory } from '../storage/ensure-directory.js';
import { orderedHandle } from '../storage/handles.js';
import type { Location } from './mounts.js';
import { RESERVED_NAME } from './path.js';
import type { WritePlan } from './transfer.js';

/** A storage handle, and how what is written to it gets to its place; no plan means that it is only read. */
export interface Opened {
  readonly handle: StorageHandle;
  readonly plan: WritePlan | undefined;
}

/** What decides the plan of an upload. */
export interface OpenRequest {
  readonly flags: OpenFlags;
  /** What is at the place now. */
  readonly existing: FileInfo | undefined;
  /** Whether a file that appears at the place in the meantime may be replaced. */
  readonly mayReplace: boolean;
  readonly stagingPrefix: string;
}

/**
 * Opens the file of `location` for what `flags` ask: reading; 'native' where the backend publishes at close itself; 'staged'
 * (a temporary name, renamed at close, so that the old file is whole until the new one is) for new and replaced files;
 * 'direct' to go on with an existing one. Throws what the backend throws.
 */
export async function openForPlan(location: Location, request: OpenRequest): Promise<Opened> {
  const { backend, storagePath } = location;
  const { flags, existing } = request;
  if (!flags.write) return { handle: await backend.open(storagePath, { read: true }), plan: undefined };
  const continues = existing !== undefined && !flags.truncate;
  if (backend.features.atomicWrites && !continues) {
    return { handle: await openToWrite(backend, storagePath, flags), plan: { kind: 'native', before: existing } };
  }
  if (!continues && backend.rename && backend.removeFile) return openStaged(location, request);
  const handle = await openToWrite(backend, storagePath, flags);
  return { handle, plan: { kind: 'direct', before: existing, changed: !continues } };
}

async function openStaged({ backend, storagePath }: Location, request: OpenRequest): Promise<Opened> {
  const folder = backend.stagingFolder ? await backend.stagingFolder(storagePath) : `/${RESERVED_NAME}`;
  const temporary = `${folder}/${request.stagingPrefix}-${uuidv7()}`;
  const flags = { read: true, write: true, create: true, exclusive: true };
  const handle = await openToWrite(backend, temporary, flags).catch(async (error: unknown) => {
    if (!(error instanceof HubError) || error.code !== 'not-found') throw error;
    await ensureDirectory(backend, folder);
    return openToWrite(backend, temporary, flags);
  });
  const { existing } = request;
  if (existing?.mode !== undefined) await handle.setAttributes?.({ mode: existing.mode }).catch(() => undefined);
  return { handle, plan: { kind: 'staged', temporary, before: existing, mayReplace: request.mayReplace } };
}

async function openToWrite(backend: StorageBackend, path: string, flags: OpenFlags): Promise<StorageHandle> {
  const handle = await backend.open(path, flags);
  return backend.features.randomWrites ? handle : orderedHandle(handle);
}
