import type { Request } from '@hapi/hapi';
import { HubError } from '#core/api.js';
import { refusalOf } from '#core/auth/account.js';
import type { AccountKind } from '#core/db/web-sessions.js';
import { type Client, clientOf } from '../http/client.js';
import type { WebServices } from '../services.js';
import type { Caller } from './caller.js';
import { cookieOf } from './cookies.js';

/**
 * Who sends a request; undefined for a stranger, and for whoever may no longer be in. A key goes before a cookie. What is no `isUse`
 * does not keep a browser logged in. Throws 'authentication-failed' for a key that is not, or no longer, good, and 'rate-limited' for
 * one from an address whose logins failed too often; whoever is logged in there stays so.
 */
export async function authenticate(request: Request, services: WebServices, { isUse = true } = {}): Promise<Caller | undefined> {
  const client = clientOf(request, services.options);
  const { authorization } = request.raw.req.headers;
  const token = cookieOf(request, services.options);
  if (authorization !== undefined) return byKey(authorization, client, services);
  return token === undefined ? undefined : bySession(token, client, services, isUse);
}

async function bySession(token: string, client: Client, services: WebServices, isUse: boolean): Promise<Caller | undefined> {
  const { sessionIdle, sessionLifetime } = services.options;
  const { webSessions } = services.operations;
  const session = await webSessions.findByToken(token, Date.now() - sessionIdle, Date.now() - sessionLifetime, isUse);
  return session && accountOf(session, client, services, { session, key: undefined });
}

async function byKey(authorization: string, client: Client, services: WebServices): Promise<Caller | undefined> {
  const { defence } = services;
  if (defence.isBanned(client.remoteAddress))
    throw new HubError('rate-limited', 'Too many failed logins from this address, try again later');
  const token = /^Bearer ([\w.~+/-]{1,200}=*)$/i.exec(authorization)?.[1];
  const key = token === undefined ? undefined : await services.operations.apiKeys.findByToken(token);
  const caller = key && (await accountOf(key, client, services, { session: undefined, key }));
  if (caller) return caller;
  await defence.failed(client.remoteAddress, '');
  throw new HubError('authentication-failed', 'The key is not, or no longer, good');
}

/** With the rights that the account has now. */
async function accountOf(
  owner: { readonly kind: AccountKind; readonly ownerId: string },
  { remoteAddress }: Client,
  { operations }: WebServices,
  by: Pick<Caller, 'session' | 'key'>,
): Promise<Caller | undefined> {
  if (owner.kind === 'admin') {
    const account = await operations.admins.find(owner.ownerId);
    return account?.status === 'active' ? { kind: 'admin', account, ...by } : undefined;
  }
  const account = await operations.users.find(owner.ownerId);
  if (!account || refusalOf(account, { protocol: 'web', remoteAddress }) !== undefined) return undefined;
  return { kind: 'user', account, ...by };
}
