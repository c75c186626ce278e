import type { Mount } from '../db/users.js';
import { HubError } from '../errors.js';
import type { FileInfo, StorageBackend } from '../storage/backend.js';
import { isWithin, nameOf, parentOf, ROOT, rebase, segmentsOf, type VirtualPath, virtualPath } from './path.js';

/** A virtual path, and where it is kept. */
export interface Location {
  readonly path: VirtualPath;
  readonly storage: string;
  /** The path within the storage, in normal form. */
  readonly storagePath: string;
  readonly backend: StorageBackend;
  /** The directory of the storage that the mount shows: nothing above it may be reached. */
  readonly base: string;
  readonly mountPath: VirtualPath;
}

interface Entry {
  readonly path: VirtualPath;
  readonly storage: string;
  readonly directory: string;
  backend: StorageBackend | undefined;
}

/** What a user without a home has at '/': nothing but the mounts below it. */
const NOTHING: StorageBackend = {
  features: { randomWrites: true, atomicWrites: true },
  stat: () => Promise.reject(absent()),
  async *list(path) {
    if (path !== ROOT) throw absent();
    yield [];
  },
  open: (_path, flags) => Promise.reject(flags.create ? new HubError('permission-denied', 'Nothing can be kept here') : absent()),
};

const absent = () => new HubError('not-found', 'No such file or directory');

/** Where a user's paths lead: the longest mount that holds a path decides. */
export class MountTable {
  readonly #entries: readonly Entry[];

  /** `open` gives the backend of a storage by name; it is called when the mount is first used. */
  constructor(
    mounts: readonly Mount[],
    private readonly open: (storage: string) => Promise<StorageBackend>,
  ) {
    const rooted = mounts.some(mount => virtualPath(mount.path) === ROOT)
      ? mounts
      : [...mounts, { path: ROOT, storage: '', directory: ROOT }];
    this.#entries = rooted
      .map(mount => ({
        path: virtualPath(mount.path),
        storage: mount.storage,
        directory: virtualPath(mount.directory) as string,
        backend: undefined,
      }))
      .sort((a, b) => b.path.length - a.path.length);
  }

  /** Where `path` is kept. Throws what opening the storage throws. */
  async locate(path: VirtualPath): Promise<Location> {
    const entry = this.#holding(path)!;
    entry.backend ??= entry.storage === '' ? NOTHING : await this.open(entry.storage);
    return {
      path,
      storage: entry.storage,
      storagePath: rebase(path, entry.path, entry.directory),
      backend: entry.backend,
      base: entry.directory,
      mountPath: entry.path,
    };
  }

  /** The virtual path that a path of the same storage has for this user, through the mount of `location`; undefined when that mount does not show it. */
  reveal(location: Location, storagePath: string): VirtualPath | undefined {
    if (!isWithin(storagePath, location.base)) return undefined;
    const path = rebase(storagePath, location.base, location.mountPath);
    return this.#holding(path)?.path === location.mountPath ? path : undefined;
  }

  /** Whether `path` is a mount point other than the root, or a directory that exists only because one lies below it. */
  isFixed(path: VirtualPath): boolean {
    return this.#entries.some(entry => isWithin(entry.path, path) && entry.path !== ROOT) || path === ROOT;
  }

  /** The names directly below `directory` that lead to mounts. */
  namesBelow(directory: VirtualPath): readonly string[] {
    const depth = segmentsOf(directory).length;
    const below = this.#entries.filter(entry => entry.path !== directory && isWithin(entry.path, directory));
    return [...new Set(below.map(entry => segmentsOf(entry.path)[depth]!))];
  }

  /** What stands for a directory that only mounts make. */
  directoryFor(path: VirtualPath): FileInfo {
    return { name: nameOf(path), type: 'directory', size: 0, mtime: 0, mode: 0o755 };
  }

  /** Whether `path` or a directory above it, up to the root, is where a mount lies below: an absent one is then shown all the same. */
  leadsToMount(path: VirtualPath): boolean {
    return path === ROOT || this.#entries.some(entry => entry.path !== ROOT && isWithin(parentOf(entry.path), path));
  }

  #holding(path: VirtualPath): Entry | undefined {
    return this.#entries.find(candidate => isWithin(path, candidate.path));
  }
}
