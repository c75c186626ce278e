import type { ResponseObject } from '@hapi/hapi';
import type { AccountKind } from '#core/db/web-sessions.js';
import type { Call } from '../http/route.js';
import { cookieOf, withCookie } from './cookies.js';

/** Starts a browser session in place of the one that the browser has; `onto` sets its cookie on the answer. */
export async function startSession(
  { request, client, services }: Pick<Call, 'request' | 'client' | 'services'>,
  owner: { readonly kind: AccountKind; readonly ownerId: string },
): Promise<{ readonly id: string; readonly onto: (response: ResponseObject) => ResponseObject }> {
  const { options, operations } = services;
  const before = cookieOf(request, options);
  const old = before === undefined ? undefined : await operations.webSessions.findByToken(before, 0, 0, false);
  if (old) await operations.webSessions.end(old.kind, old.ownerId, old.id);
  const { session, token } = await operations.webSessions.create(owner, client);
  return { id: session.id, onto: response => withCookie(response, request, options, token) };
}
