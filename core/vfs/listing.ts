import { toHubError } from '../errors.js';
import type { FileInfo } from '../storage/backend.js';
import type { Location } from './mounts.js';
import { childOf } from './path.js';
import type { SessionScope } from './scope.js';

/** The entries of the directory at `location` in batches: mount points added, hidden and reserved names left out. Counts as open until it is read or returned from. Throws 'not-found', 'not-a-directory', or 'unavailable' when too much is open. */
export async function* listDirectory(scope: SessionScope, location: Location): AsyncGenerator<readonly FileInfo[]> {
  scope.takePlace();
  try {
    yield* entriesOf(scope, location);
  } finally {
    scope.givePlace();
  }
}

async function* entriesOf(scope: SessionScope, location: Location): AsyncGenerator<readonly FileInfo[]> {
  const mounted = new Set(scope.mounts.namesBelow(location.path));
  const directories = [...mounted]
    .filter(name => !scope.policy.hidesName(location.path, name))
    .map(name => scope.mounts.directoryFor(childOf(location.path, name)));
  if (directories.length > 0) yield directories;
  try {
    for await (const batch of location.backend.list(location.storagePath)) {
      scope.touch();
      const visible = batch.filter(
        ({ name, type }) => !mounted.has(name) && !scope.policy.hidesName(location.path, name, type !== 'directory'),
      );
      if (visible.length > 0) yield visible;
    }
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code !== 'not-found' || !scope.mounts.leadsToMount(location.path)) throw failure;
  }
}
