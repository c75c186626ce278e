import { HubError } from '../errors.js';
import { type FoundEntry, locate, requireEntry } from './lookup.js';
import { parentOf, type VirtualPath, virtualPath } from './path.js';
import { recordOperation } from './recording.js';
import { requireFileNames, requireNoMount, requireVerb } from './requirements.js';
import type { SessionScope, VfsServices } from './scope.js';
import { capability, inStorage } from './storage-calls.js';

/** VirtualFileSystem.link() of what was found at both paths. */
export async function makeLink(scope: SessionScope, services: VfsServices, found: FoundEntry, target: FoundEntry): Promise<void> {
  requireVerb(scope, 'link', found, target);
  const source = requireEntry(found);
  requireFileNames(scope, source, target);
  requireNoMount(scope, target);
  if (source.info.type !== 'file') throw new HubError('permission-denied', 'Only a file can have a second name');
  if (target.info) throw new HubError('already-exists', 'Already exists');
  if (source.location.backend !== target.location.backend) throw new HubError('unsupported', 'Cannot link between two storages');
  const link = capability(source.location.backend.link, 'links').bind(source.location.backend);
  await services.guards.ask('upload', { session: scope.info, path: target.location.path, replaces: false });
  await recordOperation(scope, services, {
    type: 'file.linked',
    location: target.location,
    extra: { target: source.location.path },
    proof: { at: target.location, before: '' },
    operate: () => link(source.location.storagePath, target.location.storagePath),
  });
}

/** VirtualFileSystem.symlink() to `target` at the path where `found` is. */
export async function makeSymlink(scope: SessionScope, services: VfsServices, target: string, found: FoundEntry): Promise<void> {
  const { location, info } = found;
  const goal = virtualPath(target.startsWith('/') ? target : `${parentOf(location.path)}/${target}`);
  scope.policy.require('symlink', location.path, goal);
  scope.policy.require('symlink', found.asked, goal);
  requireFileNames(scope, found);
  requireNoMount(scope, found);
  if (info) throw new HubError('already-exists', 'Already exists');
  const aim = await locate(scope, goal);
  if (aim.backend !== location.backend || aim.mountPath !== location.mountPath || scope.policy.hides(goal))
    throw new HubError('permission-denied', 'The link would lead out of its storage');
  const symlink = capability(location.backend.symlink, 'links').bind(location.backend);
  await recordOperation(scope, services, {
    type: 'file.linked',
    location,
    extra: { target: goal },
    proof: { at: location, before: '' },
    operate: () => symlink(aim.storagePath, location.storagePath),
  });
}

/** VirtualFileSystem.readlink() of what was found. */
export async function readLink(scope: SessionScope, found: FoundEntry): Promise<string> {
  requireVerb(scope, 'stat', found);
  const { location, info } = requireEntry(found);
  requireFileNames(scope, found);
  if (info.type !== 'symlink') throw new HubError('invalid-request', 'Not a link');
  const target = await inStorage(capability(location.backend.readlink, 'links').call(location.backend, location.storagePath));
  const absolute = virtualPath(target.startsWith('/') ? target : `${parentOf(location.storagePath as VirtualPath)}/${target}`);
  const shown = scope.mounts.reveal(location, absolute);
  if (!shown || scope.policy.hides(shown)) throw new HubError('not-found', 'No such file or directory');
  return target.startsWith('/') ? shown : target;
}
