import type { Request } from '@hapi/hapi';
import { addressWithin, HubError } from '#core/api.js';
import { canonicalAddress } from '#core/net.js';
import type { WebOptions } from '../options.js';

/** Who sends a request, as far as its connection and trusted proxies tell. */
export interface Client {
  readonly remoteAddress: string;
  readonly tls: boolean;
  readonly userAgent: string;
}

type Asked = Pick<Request, 'raw' | 'method'>;

/** The address is that of the socket, or the last one that a trusted proxy did not write itself. */
export function clientOf({ raw }: Pick<Request, 'raw'>, { trustedProxies }: WebOptions): Client {
  const { socket, headers } = raw.req;
  const peer = canonicalAddress(socket.remoteAddress ?? '');
  const encrypted = 'encrypted' in socket && socket.encrypted === true;
  const userAgent = text(headers['user-agent']);
  if (!addressWithin(peer, trustedProxies)) return { remoteAddress: peer, tls: encrypted, userAgent };
  const hops = text(headers['x-forwarded-for'])
    .split(',')
    .map(hop => canonicalAddress(hop.trim()));
  const remoteAddress = hops.findLast(hop => hop !== '' && !addressWithin(hop, trustedProxies)) ?? peer;
  return { remoteAddress, tls: encrypted || text(headers['x-forwarded-proto']).trim() === 'https', userAgent };
}

/**
 * Refuses what another site makes a browser send. With `strict`, for requests that a cookie authorises, one of the headers by which
 * browsers tell where a request comes from must be there.
 */
export function refuseForeign({ raw, method }: Asked, { publicUrl }: WebOptions, { strict }: { readonly strict: boolean }): void {
  if (method === 'get' || method === 'head') return;
  const { headers } = raw.req;
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return;
  const origin = headers.origin;
  if (site === undefined && origin === undefined && !strict) return;
  const own = [text(headers.host), ...(publicUrl === undefined ? [] : [new URL(publicUrl).host])];
  if (site === undefined && typeof origin === 'string' && URL.canParse(origin) && own.includes(new URL(origin).host)) return;
  throw new HubError('permission-denied', 'The request comes from another site: Sec-Fetch-Site or Origin must be of this one');
}

/** Refuses a Host that is not ours, so that no other name can be made to mean this hub (DNS rebinding). */
export function refuseForeignHost({ raw }: Pick<Request, 'raw'>, { publicUrl, trustedProxies }: WebOptions): void {
  const { headers, socket } = raw.req;
  const host = text(headers.host).toLowerCase();
  const name = host.replace(/:\d*$/, '');
  if (host === '') throw new HubError('invalid-request', 'The request has no Host');
  if (publicUrl !== undefined && new URL(publicUrl).host === host) return;
  const isLiteral = /^\d+(\.\d+){3}$|^\[[\da-f:.]+\]$/.test(name);
  if (isLiteral || name === 'localhost') return;
  const onLoopback = addressWithin(socket.localAddress ?? '', ['127.0.0.0/8', '::1']);
  if (publicUrl === undefined && (!onLoopback || trustedProxies.length > 0) && /^[\w.-]+$/.test(name)) return;
  throw new HubError('invalid-request', 'The Host is not one of this hub; protocols.web.publicUrl names it');
}

function text(header: string | string[] | undefined): string {
  return typeof header === 'string' ? header : (header?.join(',') ?? '');
}
