import { toHubError } from '../errors.js';
import type { HashAlgorithm, StorageBackend, StorageHandle } from '../storage/backend.js';
import { type DigestRange, digestRange } from './digest.js';
import type { FoundEntry } from './lookup.js';
import type { Location } from './mounts.js';
import { openForPlan, type WritePlan } from './opening.js';
import type { SessionScope, VfsServices } from './scope.js';

type Staged = Extract<WritePlan, { kind: 'staged' }>;

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
  try {
    if (plan?.kind === 'staged' && source.backend === backend && backend.copy && backend.rename) {
      await copyWithin(backend, source.storagePath, location.storagePath, plan, services.durable);
    } else {
      await copyThrough(scope, source, handle);
      if (services.durable) await handle.sync?.();
      if (plan?.kind === 'staged') await plan.staged.publish({ replace: plan.mayReplace });
      else await handle.close();
    }
  } catch (error) {
    await handle.abort();
    if (plan?.kind === 'direct' && !plan.before) await backend.removeFile?.(location.storagePath).catch(() => undefined);
    throw toHubError(error);
  }
}

/** The backend puts a file of its own in the place of the one that was begun. */
async function copyWithin(backend: StorageBackend, from: string, to: string, plan: Staged, durable: boolean): Promise<void> {
  const { temporary } = plan.staged;
  await backend.copy!(from, temporary);
  const copy = await backend.open(temporary, { write: true });
  try {
    if (plan.before?.mode !== undefined) await copy.setAttributes?.({ mode: plan.before.mode }).catch(() => undefined);
    if (durable) await copy.sync?.();
  } finally {
    await copy.close();
  }
  await backend.rename!(temporary, to, { replace: plan.mayReplace });
  await plan.staged.abort();
}

/** What a digest is computed of, and for whom. */
export interface DigestRequest {
  readonly algorithm: HashAlgorithm;
  readonly range: DigestRange;
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal | undefined;
}

/** The digest of a whole file. Throws 'aborted' when the session ends, and what DigestSlots.run() throws. */
export async function digestFile(scope: SessionScope, services: VfsServices, location: Location, request: DigestRequest): Promise<Buffer> {
  const handle = await location.backend.open(location.storagePath, { read: true });
  const read = (target: Uint8Array, position: number) => {
    scope.touch();
    return handle.read(target, position);
  };
  try {
    return await digestBy(read, scope, services, request);
  } finally {
    await handle.close();
  }
}

/** The digests of what `read` gives, when there is a slot for it. */
export function digestBy(
  read: (target: Uint8Array, position: number) => Promise<number>,
  { userId, signal }: SessionScope,
  { digests }: VfsServices,
  request: DigestRequest,
): Promise<Buffer> {
  // Who gives a signal aborts it at the end of the session too, which no read outlives in any case.
  return digests.run(userId, request.signal ?? signal, read, paced => digestRange(paced, request.algorithm, request.range));
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
