import { HubError } from '../errors.js';
import type { StorageBackend } from './backend.js';

/** Makes the directory `path` of `backend` and those above it, where they are missing. Throws 'unsupported' when the backend cannot make directories, 'not-a-directory' when a file is in the way. */
export async function ensureDirectory(backend: StorageBackend, path: string): Promise<void> {
  const info = await backend.stat(path).catch(notFound);
  if (info?.type === 'directory') return;
  if (info) throw new HubError('not-a-directory', `${path} is not a directory`);
  if (!backend.mkdir) throw new HubError('unsupported', 'The storage cannot make directories');
  await ensureDirectory(backend, path.slice(0, path.lastIndexOf('/')) || '/');
  await backend.mkdir(path).catch((error: unknown) => {
    // Another session may have made it in between.
    if (!(error instanceof HubError) || error.code !== 'already-exists') throw error;
  });
}

function notFound(error: unknown): undefined {
  if (error instanceof HubError && (error.code === 'not-found' || error.code === 'not-a-directory')) return undefined;
  throw error;
}
