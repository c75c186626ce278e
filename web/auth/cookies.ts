import type { Request, ResponseObject } from '@hapi/hapi';
import { type Client, clientOf } from '../http/client.js';
import type { WebOptions } from '../options.js';

const NAME = 'entrepot';

/** `__Host-` binds the cookie to this host and to HTTPS; without HTTPS browsers would drop it. */
function nameFor({ tls }: Pick<Client, 'tls'>): string {
  return tls ? `__Host-${NAME}` : NAME;
}

/** The token of a browser session; undefined without one. */
export function cookieOf(request: Request, options: WebOptions): string | undefined {
  const name = nameFor(clientOf(request, options));
  const header = request.raw.req.headers.cookie ?? '';
  const found = header
    .split(';')
    .map(pair => pair.trim().split('='))
    .filter(([key]) => key === name);
  return found.length === 1 ? found[0]![1] : undefined;
}

/** Sets the cookie of a session, or takes it away without a token. */
export function withCookie(response: ResponseObject, request: Request, options: WebOptions, token: string | undefined): ResponseObject {
  const client = clientOf(request, options);
  const parts = [`${nameFor(client)}=${token ?? ''}`, 'Path=/', 'HttpOnly', 'SameSite=Strict'];
  if (client.tls) parts.push('Secure');
  if (token === undefined) parts.push('Max-Age=0');
  return response.header('set-cookie', parts.join('; '), { append: true });
}
