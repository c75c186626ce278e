import type { User } from '#core/api.js';
import { ADMIN_ROLES, type Admin, type AdminRole } from '#core/db/admin.js';
import type { ApiKey } from '#core/db/api-key.js';
import type { WebSession } from '#core/db/web-sessions.js';

/** Who asks: an admin or a user, by a browser session or a key. */
export type Caller = ({ readonly kind: 'admin'; readonly account: Admin } | { readonly kind: 'user'; readonly account: User }) & {
  /** Undefined for a key. */
  readonly session: WebSession | undefined;
  /** Undefined for a browser session. */
  readonly key: ApiKey | undefined;
};

/** Whom a route is for: everyone, everyone who is logged in, users, or admins of at least a role. */
export type Access = 'public' | 'login' | 'user' | AdminRole;

/** Whether `caller` may use what is for `access`. */
export function mayUse(caller: Caller | undefined, access: Access): boolean {
  if (access === 'public') return true;
  if (!caller) return false;
  if (access === 'login') return true;
  if (access === 'user') return caller.kind === 'user';
  return caller.kind === 'admin' && hasRole(caller.account, access);
}

/** Why a key may not be used for a route: its scope, or that the route gives credentials. Undefined when it may. */
export function keyRefusal(
  { scope }: Pick<ApiKey, 'scope'>,
  route: { readonly method: string; readonly keys?: boolean },
): string | undefined {
  if (route.keys === false) return 'A key may not do this: log in';
  if (scope === 'metrics') return "The scope of the key is 'metrics'";
  if (scope === 'read' && route.method !== 'GET') return "The scope of the key is 'read'";
  return undefined;
}

/** Whether an admin may do what is for `role`: each may what the ones after his may. */
export function hasRole(admin: Pick<Admin, 'role'>, role: AdminRole): boolean {
  return ADMIN_ROLES.indexOf(admin.role) <= ADMIN_ROLES.indexOf(role);
}
