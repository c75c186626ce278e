import { closeSync, constants, fstatSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import {
  type FileAttributes,
  type FileInfo,
  HubError,
  type Logger,
  type OpenFlags,
  randomToken,
  type StagedFile,
  type StorageBackend,
  type StorageHandle,
  uuidv7,
} from '#core/api.js';
import { Confinement, nameOf, type Place, parentOf } from './confine.js';
import { completed, LocalHandle, needsCurrent, SETTABLE_MODE } from './handle.js';
import type { Held } from './held.js';
import { describe } from './info.js';
import {
  type Calls,
  closeDescriptor,
  copyContent,
  errnoOf,
  failure,
  notAFile,
  notFound,
  openDescriptor,
  renameEntry,
  statDescriptor,
  statEntry,
  syncDescriptor,
} from './io.js';
import { finishMove, linkTarget, moveWithoutReplacing, storedTarget } from './links.js';
import { listDirectory } from './listing.js';
import { FOLDERS_FILE, MAIN_STAGING, StagingFolders } from './staging.js';
import { beginUpload, FILE_MODE, resumeUpload } from './upload.js';

const DIRECTORY_MODE = 0o750;
/** Neither follows a link nor waits for the other end of a pipe nor takes a terminal. */
const CAREFULLY = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** What a local storage is made of; `root` is absolute. */
export interface LocalOptions {
  readonly root: string;
  readonly links: 'never' | 'inside';
  readonly create: boolean;
}

/** Opens the storage below `root`. Throws 'unavailable' when the folder is missing and not to be made, or cannot be used. */
export async function openLocalStorage({ root, links, create }: LocalOptions, log: Logger): Promise<StorageBackend> {
  try {
    if (create) await fs.mkdir(root, { recursive: true, mode: DIRECTORY_MODE });
    const confinement = await Confinement.open(root, links === 'inside');
    const staging = new StagingFolders(confinement);
    await staging.finishMoves().catch((error: unknown) => log.warn({ root, err: error }, 'The staging folders cannot be read'));
    return new LocalStorage(root, confinement, staging, links === 'inside');
  } catch (error) {
    log.error({ root, err: error }, 'The folder of a local storage cannot be opened');
    if (error instanceof HubError) throw error;
    throw new HubError('unavailable', `The folder of the storage cannot be opened (${errnoOf(error) ?? 'unknown error'})`, {
      cause: error,
    });
  }
}

/**
 * Files below one directory of this machine. Every verb acts on a name in a directory that is held, and never through
 * a link (see Confinement). Two renames are not what the interface promises, because the system offers no better:
 * with `replace: false` a file has both names for a moment, and a directory's target is checked a moment before.
 */
export class LocalStorage implements StorageBackend {
  readonly features = { randomWrites: true, atomicWrites: false };
  /** Present where links are followed. The last name may be absent. */
  readonly realPath?: (path: string) => Promise<string>;

  constructor(
    private readonly root: string,
    private readonly confinement: Confinement,
    private readonly staging: StagingFolders,
    followsLinks: boolean,
  ) {
    if (followsLinks) {
      this.realPath = path => this.#at(path, async ({ above, name }) => `/${[...above, name].filter(Boolean).join('/')}`, true);
    }
  }

  stat(path: string): Promise<FileInfo> {
    return this.#at(
      path,
      async at => {
        const info = await look(at);
        if (!info || info.type === 'symlink') throw notFound();
        return info;
      },
      true,
    );
  }

  lstat(path: string): Promise<FileInfo> {
    return this.#look(
      path,
      async at => {
        const info = await look(at);
        if (!info) throw notFound();
        return info;
      },
      ignore,
    );
  }

  async *list(path: string): AsyncGenerator<readonly FileInfo[]> {
    const held = await this.confinement.hold(path).catch(rethrow);
    const hidden = path === MAIN_STAGING ? FOLDERS_FILE : undefined;
    try {
      yield* listDirectory(held, await this.confinement.callsIn(held), hidden);
    } catch (error) {
      throw failure(error);
    } finally {
      held.release();
    }
  }

  async open(path: string, flags: OpenFlags): Promise<StorageHandle> {
    const { fd, opened, quick, calls } = await this.#openStaged(path, flags);
    return new LocalHandle(nameOf(path), fd, { opened, calls, quick: quick && !flags.write });
  }

  mkdir(path: string): Promise<void> {
    return this.#at(path, at => fs.mkdir(at.path, { mode: DIRECTORY_MODE }).then(ignore));
  }

  removeFile(path: string): Promise<void> {
    return this.#at(path, at => fs.unlink(named(at)));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#at(path, at => fs.rmdir(named(at)).finally(() => this.confinement.moved()));
  }

  rename(from: string, to: string, { replace }: { readonly replace: boolean }): Promise<void> {
    return this.#at(from, source =>
      this.#at(to, async target => {
        const ownUpload = replace && this.staging.isFolder(parentOf(from));
        const type = ownUpload ? 'file' : describe('', await statEntry(named(source)))?.type;
        if (type === undefined || type === 'symlink') throw notFound();
        if (replace) await renameEntry(named(source), named(target));
        else await moveWithoutReplacing(named(source), named(target), type);
        if (type === 'directory') this.confinement.moved();
      }),
    ).catch((error: HubError) => {
      if (errnoOf(error.cause) === 'EXDEV') this.staging.relearn();
      throw error;
    });
  }

  async finishRename(from: string, to: string): Promise<boolean> {
    try {
      return await this.#at(from, source => this.#at(to, target => finishMove(named(source), named(target))));
    } catch (error) {
      if ((error as HubError).code === 'not-found') return false;
      throw error;
    }
  }

  link(from: string, to: string): Promise<void> {
    return this.#at(from, source =>
      this.#at(to, async target => {
        const type = describe('', await statEntry(source.path))?.type;
        if (type === 'directory') throw new HubError('is-a-directory', 'Is a directory');
        if (type !== 'file') throw notFound();
        await fs.link(source.path, named(target));
      }),
    );
  }

  /** Shares the blocks where the file system can; the old file at `to` is whole until the new one is. */
  async copy(from: string, to: string): Promise<void> {
    const { fd: source } = await this.#openRegular(from, constants.O_RDONLY);
    const temporary = `${await this.stagingFolder(to).catch(closing(source))}/.entrepot-${randomToken()}`;
    const made = await this.#openRegular(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL).catch(closing(source));
    const target = made.fd;
    try {
      await copyContent(source, target);
      await this.rename(temporary, to, { replace: true });
    } catch (error) {
      await this.removeFile(temporary).catch(ignore);
      throw failure(error);
    } finally {
      await Promise.all([closeDescriptor(source), closeDescriptor(target)]);
    }
  }

  setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const follow = attributes.follow !== false;
    return this.#at(
      path,
      async at => {
        if (attributes.size !== undefined) await this.#truncate(path, attributes.size);
        const held = await this.confinement.pin(at);
        try {
          await changeAttributes(at, held, attributes);
        } finally {
          held.release();
        }
      },
      follow,
    );
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#at(path, at => fs.symlink(storedTarget(target, at.above), named(at)));
  }

  readlink(path: string): Promise<string> {
    return this.#at(path, async at => this.confinement.virtualTarget(await linkTarget(at.path), at.above));
  }

  async space(): Promise<{ readonly total: number; readonly free: number }> {
    const { blocks, bavail, bsize } = await fs.statfs(this.confinement.root.path).catch(rethrow);
    return { total: blocks * bsize, free: bavail * bsize };
  }

  async stage(path: string, prefix: string): Promise<StagedFile> {
    const folder = await this.stagingFolder(path);
    const begin = () => beginUpload(this.confinement, path, `${folder}/${prefix}-${uuidv7()}`);
    try {
      return await begin();
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw failure(error);
      // Either the directory of `path` is missing, or somebody removed the staging folder, of which the hub keeps a descriptor.
      await this.staging.make(folder).catch(rethrow);
      return begin().catch(rethrow);
    }
  }

  restage(path: string, temporary: string): Promise<StagedFile> {
    return resumeUpload(this.confinement, path, temporary).catch(rethrow);
  }

  stagingFolder(path: string): Promise<string> {
    return this.staging.folderFor(path).catch(rethrow);
  }

  stagingFolders(): Promise<readonly string[]> {
    return this.staging.all().catch(rethrow);
  }

  localPath(path: string): string {
    return join(this.root, path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#at(
      path,
      async at => {
        const fd = await openDescriptor(at.path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
        try {
          await syncDescriptor(fd);
        } finally {
          // Nothing is left to flush, so this does not wait.
          closeSync(fd);
        }
      },
      true,
    );
  }

  async close(): Promise<void> {
    this.confinement.close();
  }

  /** Does `use` at the place of `path`; what it throws becomes a HubError. */
  async #at<T>(path: string, use: (at: Place) => Promise<T>, follow = false): Promise<T> {
    try {
      const at = await this.confinement.enter(path, follow);
      try {
        return await use(at);
      } finally {
        at.release();
      }
    } catch (error) {
      throw failure(error);
    }
  }

  async #openStaged(path: string, flags: OpenFlags): Promise<Regular> {
    const folder = parentOf(path);
    try {
      return await this.#openRegular(path, openBits(flags));
    } catch (error) {
      // Somebody removed the staging folder, of which the hub keeps a descriptor.
      if (!flags.create || (error as HubError).code !== 'not-found' || !this.staging.isFolder(folder)) throw error;
      await this.staging.make(folder).catch(rethrow);
      return this.#openRegular(path, openBits(flags));
    }
  }

  async #openRegular(path: string, flags: number): Promise<Regular> {
    const open = (at: Place) => openRegular(at, flags);
    // Only an open that makes and changes nothing can be undone.
    if (flags & (constants.O_CREAT | constants.O_TRUNC)) return this.#at(path, open, true);
    return this.#look(path, open, ({ fd }) => closeDescriptor(fd), true);
  }

  /** Like #at, for what changes nothing: in a directory that was walked to a moment ago it is done while the way is confirmed. */
  async #look<T>(path: string, look: (at: Place) => Promise<T>, discard: (seen: T) => unknown, follow = false): Promise<T> {
    const early = follow && this.realPath ? undefined : this.confinement.early(path);
    if (early) {
      const [seen, confirmed] = await Promise.allSettled([look(early.at), early.confirmed]);
      early.at.release();
      const right = confirmed.status === 'fulfilled' && confirmed.value;
      if (right && seen.status === 'fulfilled') return seen.value;
      if (right) throw failure((seen as PromiseRejectedResult).reason);
      if (seen.status === 'fulfilled') await discard(seen.value);
    }
    return this.#at(path, look, follow);
  }

  async #truncate(path: string, size: number): Promise<void> {
    const handle = await this.open(path, { write: true });
    await handle.truncate?.(size).finally(() => handle.close());
  }
}

/** A regular file that is open; `opened` is missing for one that was just made. */
interface Regular {
  readonly fd: number;
  readonly opened: FileInfo | undefined;
  readonly quick: boolean;
  readonly calls: Calls;
}

async function look({ path, name, calls }: Place): Promise<FileInfo | undefined> {
  const stats = await calls.look(path);
  return stats && describe(name, stats);
}

async function openRegular(at: Place, flags: number): Promise<Regular> {
  const { calls } = at;
  const fd = await calls.open(at.path, flags | CAREFULLY, FILE_MODE);
  // What was just made is a file; anything else has to be looked at.
  if (flags & constants.O_EXCL) return { fd, opened: undefined, quick: false, calls };
  const stats = at.quick ? fstatSync(fd, { bigint: true }) : await statDescriptor(fd).catch(closing(fd));
  const opened = describe(at.name, stats);
  if (opened?.type === 'file') return { fd, opened, quick: at.quick, calls };
  await closeDescriptor(fd);
  throw opened?.type === 'directory' ? new HubError('is-a-directory', 'Is a directory') : notAFile();
}

async function changeAttributes(at: Place, held: Held, { mtime, atime, mode, uid, gid, follow }: FileAttributes): Promise<void> {
  const { calls } = at;
  const stats = await (held.fd >= 0 ? calls.describe(held.fd) : statEntry(held.path));
  const type = describe('', stats)?.type;
  if (!type || (type === 'symlink' && follow !== false)) throw notFound();
  const wanted = { mtime, atime, uid, gid };
  const { owner, times } = needsCurrent(wanted) ? completed(wanted, stats) : {};
  if (type === 'symlink') {
    if (owner) await fs.lchown(at.path, ...owner);
    if (times) await fs.lutimes(at.path, ...times);
    return;
  }
  if (mode !== undefined) await calls.setMode(held.path, mode & SETTABLE_MODE);
  if (owner) await fs.chown(held.path, ...owner);
  if (times) await calls.setTimes(held.path, ...times);
}

function openBits({ read, write, create, exclusive, truncate }: OpenFlags): number {
  return (
    (write ? (read ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY) |
    (create ? constants.O_CREAT : 0) |
    (create && exclusive ? constants.O_EXCL : 0) |
    (truncate ? constants.O_TRUNC : 0)
  );
}

/** What node:fs reaches a place by, for verbs that change the name itself. */
function named({ path, name }: Place): string {
  if (name === '') throw new HubError('permission-denied', 'The root stays as it is');
  return path;
}

/** Closes `fd` after a failure, which goes on as it is. */
function closing(fd: number): (error: unknown) => Promise<never> {
  return async error => {
    await closeDescriptor(fd).catch(ignore);
    throw error;
  };
}

function rethrow(error: unknown): never {
  throw failure(error);
}

function ignore(): void {}
