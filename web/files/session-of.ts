import { HubError, type Session } from '#core/api.js';
import { openFor } from '../auth/open-sessions.js';
import type { Call } from '../http/route.js';

/** The session of the hub in which the user who asks has his files. */
export function sessionOf({ caller, client, services }: Pick<Call, 'caller' | 'client' | 'services'>): Promise<Session> {
  if (caller.kind !== 'user') throw new HubError('permission-denied', 'This is for a user of the hub');
  return openFor(services).of(caller, caller.session?.id ?? `key ${caller.key?.id}`, client);
}
