import { chmod, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import type { FileInfo, StorageBackend } from '../storage/backend.js';
import { ensureDirectory } from '../storage/ensure-directory.js';

/** Writes all of `chunks` to the new file `file` of this machine, which only its owner may read. Throws 'already-exists'. Gives its size. */
export async function writeLocal(file: string, chunks: AsyncIterable<Buffer>): Promise<number> {
  const unfinished = `${file}.${randomToken(6)}`;
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    let bytes = 0;
    try {
      for await (const chunk of chunks) {
        await handle.writeFile(chunk);
        bytes += chunk.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(unfinished, file);
    await syncFolder(dirname(file));
    return bytes;
  } catch (error) {
    if (error instanceof HubError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new HubError('already-exists', `There is a file ${file} already.`, { cause: error });
    throw new HubError('unavailable', `${file} cannot be written: ${message}.`, { cause: error });
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** The same in a directory of a storage, which is made when it is missing. */
export async function writeStored(backend: StorageBackend, path: string, chunks: AsyncIterable<Buffer>): Promise<number> {
  await ensureDirectory(backend, path.slice(0, path.lastIndexOf('/')));
  const movable = backend.rename !== undefined && !backend.features.atomicWrites;
  // Its name says that it is unfinished, and prune() takes away what a crash left.
  const written = movable ? `${path}.unfinished` : path;
  const handle = await backend.open(written, { write: true, create: true, truncate: true });
  let bytes = 0;
  try {
    await handle.setAttributes?.({ mode: 0o600 });
    for await (const chunk of chunks) {
      await handle.write(chunk, bytes);
      bytes += chunk.length;
    }
    await handle.sync?.();
  } catch (error) {
    await handle.abort();
    if (movable) await backend.removeFile?.(written).catch(() => undefined);
    throw error;
  }
  await handle.close();
  if (movable) await backend.rename!(written, path, { replace: false });
  await backend.syncDirectory?.(path.slice(0, path.lastIndexOf('/')));
  return bytes;
}

/** The files in a directory of a storage, by name; none while it is missing. */
export async function filesIn(backend: StorageBackend, directory: string): Promise<readonly FileInfo[]> {
  const found: FileInfo[] = [];
  try {
    for await (const batch of backend.list(directory)) found.push(...batch.filter(({ type }) => type === 'file'));
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'not-found') throw error;
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Gives `file` another name, and what SQLite keeps beside it. */
export async function moveDatabase(file: string, to: string): Promise<void> {
  for (const suffix of ['-wal', '-shm', '']) {
    await rename(`${file}${suffix}`, `${to}${suffix}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await chmod(to, 0o600).catch(() => undefined);
  await syncFolder(dirname(file));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
