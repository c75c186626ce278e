import type { FileAttributes } from '../storage/backend.js';
import type { VirtualPath } from './path.js';
import type { SessionScope } from './scope.js';

/** Throws 'permission-denied' unless the user may change all that `attributes` names. `open` files may be resized by whoever may write them. */
export function requireAttributeRights(scope: SessionScope, path: VirtualPath, attributes: FileAttributes, open = false): void {
  if (attributes.size !== undefined && !open) scope.policy.require('resize', path);
  if (attributes.mode !== undefined) scope.policy.require('chmod', path);
  if (attributes.uid !== undefined || attributes.gid !== undefined) scope.policy.require('chown', path);
  if (attributes.mtime !== undefined || attributes.atime !== undefined) scope.policy.require('chtimes', path);
}
