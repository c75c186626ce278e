import { HubError, toHubError } from '../errors.js';
import type { FileInfo } from '../storage/backend.js';
import type { Location } from './mounts.js';
import type { VirtualPath } from './path.js';
import type { SessionScope } from './scope.js';

/** A place, and what is there; `info` is absent when nothing is. */
export interface FoundEntry {
  /** The path that was looked up; where a link was followed, `location` is another one. */
  readonly asked: VirtualPath;
  readonly location: Location;
  readonly info: FileInfo | undefined;
}

/** Where `path` is kept, no link followed. Throws 'not-found' outside all mounts, or what opening the storage throws. */
export async function locate(scope: SessionScope, path: VirtualPath): Promise<Location> {
  try {
    return await scope.mounts.locate(path);
  } catch (error) {
    throw toHubError(error);
  }
}

/**
 * What is at `path`. Where the storage follows links, those on the way (and, unless `follow` is false, one at the end) are
 * followed here: the location is the place that they lead to, so that its own rules hold, and a link that leads out of what
 * the session may see counts as absent. Where it follows none, a link at the end is 'not-found' unless `follow` is false.
 */
export async function entryAt(
  scope: SessionScope,
  path: VirtualPath,
  { follow = true }: { readonly follow?: boolean } = {},
): Promise<FoundEntry> {
  const asked = await locate(scope, path);
  const location = asked.backend.realPath ? await throughParents(scope, asked) : asked;
  const { backend, storagePath } = location;
  const info = await (backend.lstat ? backend.lstat(storagePath) : backend.stat(storagePath)).catch(absent);
  if (!info) return { asked: path, location, info: scope.mounts.leadsToMount(path) ? scope.mounts.directoryFor(path) : undefined };
  if (info.type !== 'symlink' || !follow) return { asked: path, location, info };
  const target = await backend.realPath?.(storagePath).catch(absent);
  const real = target === undefined ? undefined : revealed(scope, location, target);
  if (!real) throw new HubError('not-found', 'No such file or directory');
  return { asked: path, location: real, info: await backend.stat(real.storagePath).catch(absent) };
}

/** The same, when something is there. Throws 'not-found'. */
export function requireEntry(found: FoundEntry): FoundEntry & { readonly info: FileInfo } {
  if (!found.info) throw new HubError('not-found', 'No such file or directory');
  return found as FoundEntry & { readonly info: FileInfo };
}

/** `info` under another name. */
export function named(info: FileInfo, name: string): FileInfo {
  if (info.name === name) return info;
  // A storage may make it when it is asked for, and then it is not copied.
  const { etag } = info;
  return { ...info, name, ...(etag !== undefined && { etag }) };
}

async function throughParents(scope: SessionScope, location: Location): Promise<Location> {
  if (location.storagePath === location.base) return location;
  const slash = location.storagePath.lastIndexOf('/');
  const parent = location.storagePath.slice(0, slash) || '/';
  const real = await location.backend.realPath!(parent).catch(absent);
  if (real === undefined || real === parent) return location;
  const place = revealed(scope, location, (real === '/' ? '' : real) + location.storagePath.slice(slash));
  if (!place) throw new HubError('not-found', 'No such file or directory');
  return place;
}

function revealed(scope: SessionScope, location: Location, storagePath: string): Location | undefined {
  const path = scope.mounts.reveal(location, storagePath);
  return path === undefined || scope.policy.hides(path) ? undefined : { ...location, path, storagePath };
}

function absent(error: unknown): undefined {
  const failure = toHubError(error);
  if (failure.code === 'not-found' || failure.code === 'not-a-directory') return undefined;
  throw failure;
}
