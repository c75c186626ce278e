import { parsePlace } from '#core/backup/place.js';
import { HubError } from '#core/errors.js';
import type { OperationServices } from '#core/operations/services.js';
import { isWithin, virtualPath } from '#core/vfs/path.js';
import { type Caller, mayUse } from './caller.js';

/** Whoever chooses folders of the machine reads and writes what the hub may, more than an admin may. Throws 'permission-denied'. */
export function requireOwnerForFolders(caller: Caller, { storageRegistry }: OperationServices, kind: string): void {
  const reaches = storageRegistry.kinds().some(({ name, folders }) => name === kind && folders !== undefined);
  if (reaches && !mayUse(caller, 'owner'))
    throw new HubError('permission-denied', `A storage of kind '${kind}' reaches folders of the hub's machine: an owner has to set it up`);
}

/** Backups hold what only owners may see: they alone give users a home or a mount there. Throws 'permission-denied'. */
export function requireOwnerForBackups(
  caller: Caller,
  { config }: OperationServices,
  { home, mounts = [] }: { readonly home?: string | undefined; readonly mounts?: readonly { readonly target: string }[] | undefined },
): void {
  const place = parsePlace(config.backup.directory);
  if (!place || mayUse(caller, 'owner')) return;
  const isThere = (target: string) =>
    target.startsWith(`${place.storage}:/`) && isWithin(virtualPath(target.slice(place.storage.length + 1)), place.directory);
  const index = mounts.findIndex(({ target }) => isThere(target));
  if (index < 0 && !(home !== undefined && isThere(home))) return;
  throw new HubError('permission-denied', `${config.backup.directory} holds the hub's backups: an owner has to give it to a user`, {
    field: index < 0 ? 'home' : `mounts.${index}.target`,
  });
}
