import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { HubError } from '../errors.js';

/** The folder of the data directory that the first storage is: the only one there for files of users. */
export const FILES_FOLDER = 'files';

interface OwnFolder {
  readonly path: string;
  /** A folder in it that is for files of users. */
  readonly except: string | undefined;
}

/**
 * The folders and files of this machine that are the hub's own: its records, its keys, what it runs. Whoever may define
 * storages must not reach them through one: a file of a user in there would become a program of the hub.
 */
export class OwnFolders {
  readonly #folders: OwnFolder[] = [];

  /** Keeps storages out of `path`, and out of what contains it; what lies in `except` may be one. */
  add(path: string, except?: string): void {
    this.#folders.push({ path, except });
  }

  /** Throws 'invalid-request' when `folder` is one of these, or contains or lies in one. Links are followed; what does not exist is judged by what exists of its path. */
  async refuse(folder: string): Promise<void> {
    const wanted = await real(folder);
    for (const { path, except } of this.#folders) {
      const own = await real(path);
      if (contains(wanted, own) || (contains(own, wanted) && !(except !== undefined && contains(await real(except), wanted))))
        throw new HubError(
          'invalid-request',
          `${folder} cannot hold files of users: ${own} is the hub's own; choose a folder apart from it`,
        );
    }
  }
}

function contains(folder: string, other: string): boolean {
  const path = relative(folder, other);
  return path === '' || (path !== '..' && !path.startsWith(`..${sep}`));
}

/** Where a path leads, as far as it exists. */
async function real(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(await real(parent), basename(absolute));
  }
}
