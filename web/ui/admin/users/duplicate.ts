import type { UserCreate } from '../../api-types.js';
import type { User } from '../../lib/model.js';

/** What is each user's own: who he is, whether he is let in, how he proves it, and what happened to him. */
type Own = 'id' | 'username' | 'status' | 'hasPassword' | 'secondFactor' | 'keys' | 'createdAt' | 'lastLoginAt' | 'version';

/** All that holds for a copy of a user, too, but for where its home is. Does not compile while a field of users is neither here nor their own. */
export function copyOf(user: User) {
  return {
    description: user.description,
    permissions: user.permissions,
    patterns: user.patterns,
    mounts: user.mounts
      .filter(({ path }) => path !== '/')
      .map(({ path, storage, directory }) => ({ path, target: `${storage}:${directory}` })),
    expiresAt: user.expiresAt,
    protocols: user.protocols,
    addresses: user.addresses,
    maxSessions: user.maxSessions,
    methods: user.methods,
  } satisfies Record<Exclude<keyof User, Own>, unknown> & Partial<UserCreate>;
}
