import { HubError } from '../errors.js';
import type { FoundEntry } from './lookup.js';
import type { Verb } from './policy.js';
import type { SessionScope } from './scope.js';

/** Throws 'permission-denied' unless the user may do `verb`. Where a link leads from the path that was asked for to another one, both must allow it. */
export function requireVerb({ policy }: SessionScope, verb: Verb, found: FoundEntry, target: FoundEntry = found): void {
  policy.require(verb, found.location.path, target.location.path);
  policy.require(verb, found.asked, target.asked);
}

/** Throws 'permission-denied' (or 'not-found' for hidden ones) unless the names of all `entries` may be those of files. */
export function requireFileNames({ policy }: SessionScope, ...entries: readonly FoundEntry[]): void {
  for (const { asked, location } of entries) {
    policy.requireFileName(asked);
    policy.requireFileName(location.path);
  }
}

/** Throws 'permission-denied' for a mount point. */
export function requireNoMount({ mounts }: SessionScope, { location }: FoundEntry): void {
  if (mounts.isFixed(location.path)) throw new HubError('permission-denied', 'A mount point cannot be replaced');
}
