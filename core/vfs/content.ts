import { createHash } from 'node:crypto';
import { toHubError } from '../errors.js';
import type { HashAlgorithm } from '../storage/backend.js';
import type { Location } from './mounts.js';
import { openForPlan } from './opening.js';
import type { VfsServices } from './scope.js';

const CHUNK_BYTES = 1024 * 1024;

/** Copies the file of `source` to the place of `target`, by the backend itself where both are in one that can, otherwise through the hub; the old file at the target stays whole until the copy is. */
export async function copyContent(source: Location, target: Location, services: VfsServices): Promise<void> {
  const { backend } = target;
  const handle = await source.backend.open(source.storagePath, { read: true });
  try {
    const existing = await backend.stat(target.storagePath).catch(() => undefined);
    const flags = { write: true, create: true, truncate: true };
    const { handle: copy, plan } = await openForPlan(target, { flags, existing, mayReplace: true, stagingPrefix: services.stagingPrefix });
    const staged = plan?.kind === 'staged' ? plan.temporary : undefined;
    let closed = false;
    try {
      if (staged && source.backend === backend && backend.copy) await backend.copy(source.storagePath, staged);
      else for await (const [chunk, position] of chunksOf(handle)) await copy.write(chunk, position);
      if (services.durable) await copy.sync?.();
      closed = true;
      await copy.close();
      if (staged) await backend.rename!(staged, target.storagePath, { replace: true });
    } catch (error) {
      if (!closed) await copy.abort();
      if (staged) await backend.removeFile?.(staged).catch(() => undefined);
      throw toHubError(error);
    }
  } finally {
    await handle.close();
  }
}

/** The digest of a file's content, in lower-case hex. */
export async function digest({ backend, storagePath }: Location, algorithm: HashAlgorithm): Promise<string> {
  const handle = await backend.open(storagePath, { read: true });
  try {
    const hash = createHash(algorithm);
    for await (const [chunk] of chunksOf(handle)) hash.update(chunk);
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

async function* chunksOf(handle: {
  read(target: Uint8Array, position: number): Promise<number>;
}): AsyncGenerator<[chunk: Uint8Array, position: number]> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ; ) {
    const count = await handle.read(buffer, position);
    if (count === 0) return;
    yield [buffer.subarray(0, count), position];
    position += count;
  }
}
