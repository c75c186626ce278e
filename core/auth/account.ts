import type { User } from '../db/users.js';
import { addressWithin } from '../net.js';
import type { SessionInfo } from '../session-info.js';

/** Why `user` may not be in by this protocol and address now, for the operator; undefined when he may. Throws 'invalid-request' when the address rules cannot be read. */
export function refusalOf(user: User, { protocol, remoteAddress }: Pick<SessionInfo, 'protocol' | 'remoteAddress'>): string | undefined {
  if (user.status === 'disabled') return 'The user is disabled';
  if (user.expiresAt !== undefined && user.expiresAt <= Date.now()) return 'The user has expired';
  if (user.protocols.length > 0 && !user.protocols.includes(protocol)) return `The user may not use ${protocol}`;
  if (user.addresses.length > 0 && !addressWithin(remoteAddress, user.addresses)) return 'The user may not log in from this address';
  return undefined;
}
