import type { Request, ResponseObject } from '@hapi/hapi';

type Answer = Request['response'];

const HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

/** What an answer that is no page may do: nothing. */
const NO_PAGE = "default-src 'none'; frame-ancestors 'none'; sandbox";

/** What a page may do: load scripts from here and nothing else; styles that it makes carry the nonce. */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "media-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Sets the headers that every answer has, where its route has not set its own. */
export function addSecurityHeaders(response: Answer): void {
  const set = (name: string, value: string) => {
    if ('isBoom' in response) response.output.headers[name] ??= value;
    else if (!response.headers[name]) (response as ResponseObject).header(name, value);
  };
  for (const [name, value] of Object.entries(HEADERS)) set(name, value);
  set('content-security-policy', NO_PAGE);
}
