import { toHubError } from '../errors.js';
import type { Logger } from '../log.js';
import type { StorageBackend } from '../storage/backend.js';
import { RESERVED_NAME } from './path.js';

/**
 * Removes what unfinished uploads of an earlier run left in `backend`: files in its staging folders whose names begin with `prefix`,
 * except the paths in `keep`, which prove that a pending event's upload was not published. Resolves to their number; a folder that is
 * not there is none. Names that begin with one of `living` belong to processes at work, and stay; it is asked after the names are known,
 * so that none of a process is taken that began in between.
 */
export async function sweepStaging(
  backend: StorageBackend,
  prefix: string,
  log: Logger,
  keep: ReadonlySet<string> = new Set(),
  living: () => Promise<readonly string[]> = async () => [],
): Promise<number> {
  if (!backend.removeFile) return 0;
  const folders = (await backend.stagingFolders?.()) ?? [`/${RESERVED_NAME}`];
  let swept = 0;
  for (const folder of folders) {
    try {
      for await (const batch of backend.list(folder)) {
        const found = batch.filter(entry => entry.type === 'file' && entry.name.startsWith(`${prefix}-`));
        const spared = found.length > 0 ? await living() : [];
        for (const { name } of found) {
          if (keep.has(`${folder}/${name}`) || spared.some(one => name.startsWith(one))) continue;
          await backend.removeFile(`${folder}/${name}`);
          swept++;
        }
      }
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code !== 'not-found' && failure.code !== 'not-a-directory')
        log.warn({ err: error, folder }, 'staging folder could not be swept');
    }
  }
  return swept;
}
