import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type LocalOptions, openLocalStorage } from '#backends/local/local.js';
import { createLogger } from '#core/log.js';
import type { StorageBackend } from '#core/storage/backend.js';

export interface LocalFixture {
  readonly storage: StorageBackend;
  /** The folder of the storage on the disk. */
  readonly root: string;
  /** A folder beside it, which the storage must not reach. */
  readonly outside: string;
}

/** Where Linux keeps files in memory. */
export const MEMORY_FOLDER = '/dev/shm';

/** A local storage in a temporary folder below `parent` that is removed after the test. */
export async function localStorage(
  t: ExecutionContext,
  options: Partial<LocalOptions> = {},
  parent: string = tmpdir(),
): Promise<LocalFixture> {
  const base = await realpath(await mkdtemp(join(parent, 'entrepot-local-')));
  t.teardown(() => rm(base, { recursive: true, force: true }));
  const [root, outside] = [join(base, 'root'), join(base, 'outside')];
  await mkdir(outside);
  const storage = await openLocalStorage({ root, links: 'never', create: true, ...options }, createLogger('silent'));
  t.teardown(async () => storage.close?.());
  return { storage, root, outside };
}
