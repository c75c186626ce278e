import type { ResponseObject } from '@hapi/hapi';
import type { AccountKind, WebSession } from '#core/db/web-sessions.js';
import type { Call } from '../http/route.js';
import type { WebServices } from '../services.js';
import { cookieOf, withCookie } from './cookies.js';
import { openFor } from './open-sessions.js';

type Asked = Pick<Call, 'request' | 'services'>;

/** Starts a browser session in place of the one that the browser has; `onto` sets its cookie on the answer. */
export async function startSession(
  { request, client, services }: Asked & Pick<Call, 'client'>,
  owner: { readonly kind: AccountKind; readonly ownerId: string },
): Promise<{ readonly id: string; readonly onto: (response: ResponseObject) => ResponseObject }> {
  const { options, operations } = services;
  await endPrevious({ request, services });
  const { session, token } = await operations.webSessions.create(owner, client);
  return { id: session.id, onto: response => withCookie(response, request, options, token) };
}

/** Ends the session that the browser has, so that its place is free for the next one: once that is sure to come. */
export async function endPrevious({ request, services }: Asked): Promise<void> {
  const token = cookieOf(request, services.options);
  const session = token === undefined ? undefined : await services.operations.webSessions.findByToken(token, 0, 0, false);
  if (session) await endSession(services, session);
}

/** Logs a browser out, and ends what it has open. Whether it was logged in. */
export async function endSession(
  services: WebServices,
  { kind, ownerId, id }: Pick<WebSession, 'kind' | 'ownerId' | 'id'>,
): Promise<boolean> {
  const ended = await services.operations.webSessions.end(kind, ownerId, id);
  if (ended) await openFor(services).end(id, 'Logged out');
  return ended;
}
