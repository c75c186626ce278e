import { createHash } from 'node:crypto';
import { toHubError } from '../errors.js';
import type { HashAlgorithm, StorageHandle } from '../storage/backend.js';
import type { FoundEntry } from './lookup.js';
import type { Location } from './mounts.js';
import { openForPlan } from './opening.js';
import type { SessionScope, VfsServices } from './scope.js';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Copies the file of `source` to the place of `target`, by the backend itself where both are in one that can, otherwise through the
 * hub; the old file at the target stays whole until the copy is. Throws 'already-exists' when a file has appeared at a place that
 * was free, 'aborted' when the session ends.
 */
export async function copyContent(scope: SessionScope, source: Location, target: FoundEntry, services: VfsServices): Promise<void> {
  const { location, info: existing } = target;
  const { backend } = location;
  const flags = { write: true, create: true, truncate: true, exclusive: existing === undefined };
  const { handle, plan } = await openForPlan(location, {
    flags,
    existing,
    mayReplace: existing !== undefined,
    stagingPrefix: services.stagingPrefix,
  });
  const staged = plan?.kind === 'staged' ? plan : undefined;
  let copy: StorageHandle | undefined = handle;
  try {
    if (staged && source.backend === backend && backend.copy) {
      // The backend puts a file of its own in the place of the one that is open.
      copy = undefined;
      await handle.close();
      await backend.copy(source.storagePath, staged.temporary);
      copy = await backend.open(staged.temporary, { write: true });
      if (existing?.mode !== undefined) await copy.setAttributes?.({ mode: existing.mode }).catch(() => undefined);
    } else {
      await copyThrough(scope, source, handle);
    }
    if (services.durable) await copy.sync?.();
    const complete = copy;
    copy = undefined;
    await complete.close();
    if (staged) await backend.rename!(staged.temporary, location.storagePath, { replace: staged.mayReplace });
  } catch (error) {
    await copy?.abort();
    const left = staged?.temporary ?? (plan?.kind === 'direct' && !plan.before ? location.storagePath : undefined);
    if (left !== undefined) await backend.removeFile?.(left).catch(() => undefined);
    throw toHubError(error);
  }
}

/** The digest of a file's content, in lower-case hex. Throws 'aborted' when the session ends. */
export async function digest(scope: SessionScope, location: Location, algorithm: HashAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  for await (const [chunk] of chunksOf(scope, location)) hash.update(chunk);
  return hash.digest('hex');
}

async function copyThrough(scope: SessionScope, source: Location, copy: StorageHandle): Promise<void> {
  for await (const [chunk, position] of chunksOf(scope, source)) await copy.write(chunk, position);
}

async function* chunksOf(scope: SessionScope, { backend, storagePath }: Location): AsyncGenerator<[chunk: Uint8Array, position: number]> {
  const handle = await backend.open(storagePath, { read: true });
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let position = 0; ; ) {
      scope.touch();
      const count = await handle.read(buffer, position);
      if (count === 0) return;
      yield [buffer.subarray(0, count), position];
      position += count;
    }
  } finally {
    await handle.close();
  }
}
