import type { Request } from '@hapi/hapi';
import { refusalOf } from '#core/auth/account.js';
import { clientOf } from '../http/client.js';
import type { WebServices } from '../services.js';
import type { Caller } from './caller.js';
import { cookieOf } from './cookies.js';

/** Who sends a request; undefined for a stranger, and for whoever may no longer be in. */
export async function authenticate(request: Request, services: WebServices): Promise<Caller | undefined> {
  const token = cookieOf(request, services.options);
  return token === undefined ? undefined : bySession(token, request, services);
}

async function bySession(token: string, request: Request, services: WebServices): Promise<Caller | undefined> {
  const { webSessions, admins, users } = services.operations;
  const { sessionIdle, sessionLifetime } = services.options;
  const session = await webSessions.findByToken(token, Date.now() - sessionIdle, Date.now() - sessionLifetime);
  if (!session) return undefined;
  if (session.kind === 'admin') {
    const account = await admins.find(session.ownerId);
    return account?.status === 'active' ? { kind: 'admin', account, session } : undefined;
  }
  const account = await users.find(session.ownerId);
  const { remoteAddress } = clientOf(request, services.options);
  if (!account || refusalOf(account, { protocol: 'web', remoteAddress }) !== undefined) return undefined;
  return { kind: 'user', account, session };
}
