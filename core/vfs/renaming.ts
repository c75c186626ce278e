import { HubError } from '../errors.js';
import { type FoundEntry, requireEntry } from './lookup.js';
import { isWithin } from './path.js';
import { recordOperation } from './recording.js';
import { requireFileNames, requireNoMount, requireVerb } from './requirements.js';
import type { SessionScope, VfsServices } from './scope.js';
import { entryOf } from './staging.js';
import { capability } from './storage-calls.js';

/** VirtualFileSystem.rename() of what was found at both paths. */
export async function renameEntry(
  scope: SessionScope,
  services: VfsServices,
  source: FoundEntry,
  target: FoundEntry,
  overwrite: boolean,
): Promise<void> {
  requireMovable(scope, source, target);
  const { location, info } = requireEntry(source);
  if (location.path !== target.location.path && target.info) {
    if (!overwrite) throw new HubError('already-exists', 'Already exists');
    requireVerb(scope, 'replace-target', source, target);
  }
  if (location.backend !== target.location.backend) throw new HubError('unsupported', 'Cannot move between two storages');
  const rename = capability(location.backend.rename, 'renaming').bind(location.backend);
  const path = target.location.path;
  const isSame = location.path === path;
  const replaces = !isSame && target.info !== undefined;
  await services.guards.ask('rename', { session: scope.info, path: location.path, target: path, replaces });
  if (isSame) return;
  // Who forbids to replace a file by an upload forbids it also where the upload goes to another name first.
  if (replaces) await services.guards.ask('upload', { session: scope.info, path, replaces });
  const { backend, storagePath } = target.location;
  const isDirectory = info.type === 'directory';
  await recordOperation(scope, services, {
    type: isDirectory ? 'directory.renamed' : 'file.renamed',
    location,
    target: target.location,
    extra: isDirectory
      ? { target: path }
      : async () => ({
          target: path,
          targetStoragePath: storagePath,
          replaced: (await entryOf(backend, storagePath)) !== undefined,
        }),
    proof: { at: location, before: info.etag ?? '*' },
    // What has come to the place only now must not be replaced without the right.
    operate: () => rename(location.storagePath, storagePath, { replace: overwrite && mayReplace(scope, source, target) }),
  });
}

function mayReplace({ policy }: SessionScope, from: FoundEntry, to: FoundEntry): boolean {
  return policy.allows('replace-target', from.location.path, to.location.path) && policy.allows('replace-target', from.asked, to.asked);
}

function requireMovable(scope: SessionScope, from: FoundEntry, to: FoundEntry): void {
  const { policy, mounts } = scope;
  const [source, target] = [from.location, to.location];
  const isDirectory = from.info?.type === 'directory';
  requireVerb(scope, isDirectory ? 'rename-directory' : 'rename-file', from, to);
  if (!isDirectory) requireFileNames(scope, from, to);
  if (isDirectory && mounts.isFixed(source.path)) throw new HubError('permission-denied', 'A mount point cannot be moved');
  if (source.path === target.path) return;
  requireNoMount(scope, to);
  if (!isDirectory) return;
  if (isWithin(target.path, source.path)) throw new HubError('invalid-request', 'A directory cannot be moved into itself');
  if (!policy.sameRules(source.path, target.path)) throw new HubError('permission-denied', 'Other rules hold at the new place, or below');
}
