import type { Mount } from '../db/users.js';
import { isWithin, rebase, type VirtualPath, virtualPath } from './path.js';

/** A directory of a storage that is the hub's own. */
export interface HiddenPlace {
  readonly storage: string;
  readonly directory: string;
}

/** Where a user would see `place` through his mounts. A mount of the place itself, or of what lies below it, was made to show it. */
export function pathsOf(place: HiddenPlace | undefined, mounts: readonly Mount[]): readonly VirtualPath[] {
  if (!place) return [];
  return mounts
    .map(({ storage, directory, path }) => ({ storage, directory: virtualPath(directory), path: virtualPath(path) }))
    .filter(({ storage, directory }) => storage === place.storage && directory !== place.directory && isWithin(place.directory, directory))
    .map(({ directory, path }) => rebase(place.directory, directory, path));
}
