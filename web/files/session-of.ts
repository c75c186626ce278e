import { HubError, type Session } from '#core/api.js';
import { keyOf, openFor } from '../auth/open-sessions.js';
import type { Call } from '../http/route.js';

/** The session of the hub in which the user who asks has his files. */
export function sessionOf({ caller, client, services }: Pick<Call, 'caller' | 'client' | 'services'>): Promise<Session> {
  if (caller.kind !== 'user') throw new HubError('permission-denied', 'This is for a user of the hub');
  const key = caller.session ? caller.session.id : keyOf(caller.key!);
  return openFor(services).of(caller, key, client);
}
