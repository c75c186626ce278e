import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';

type Claims = Record<string, unknown>;

/** What the provider says of whoever comes, and how it lies. */
export interface Script {
  claims: Claims;
  /** Makes the ID token, in place of a good one. */
  forge?: ((claims: Claims, tools: Tools) => Promise<string> | string) | undefined;
  /** Changes the address that the browser is sent back to. */
  bend?: ((back: URL) => void) | undefined;
}

/** What forgers have at hand. */
export interface Tools {
  readonly publicKey: string;
  sign(claims: Claims): Promise<string>;
  signByOther(claims: Claims): Promise<string>;
}

/** An OpenID Connect provider that knows everybody, and does what its script says. */
export async function startProvider(t: ExecutionContext): Promise<{ readonly issuer: string; readonly script: Script }> {
  const [own, other] = [await generateKeyPair('RS256', { extractable: true }), await generateKeyPair('RS256')];
  const script: Script = { claims: { sub: 'subject-1', preferred_username: 'alice', email: 'alice@example.com', email_verified: true } };
  const begun = new Map<string, { readonly nonce: string; readonly challenge: string }>();
  let codes = 0;
  const sign = (claims: Claims, key = own.privateKey) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(key);
  const tools = async (): Promise<Tools> => ({
    publicKey: await exportSPKI(own.publicKey),
    sign: claims => sign(claims),
    signByOther: claims => sign(claims, other.privateKey),
  });
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, issuer);
    const json = (body: object, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (url.pathname === '/.well-known/openid-configuration')
      return json({ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys` });
    if (url.pathname === '/keys') return json({ keys: [{ ...(await exportJWK(own.publicKey)), kid: 'one', use: 'sig' }] });
    if (url.pathname === '/authorize') {
      const code = `code-${++codes}`;
      begun.set(code, { nonce: url.searchParams.get('nonce')!, challenge: url.searchParams.get('code_challenge')! });
      const back = new URL(url.searchParams.get('redirect_uri')!);
      back.searchParams.set('code', code);
      back.searchParams.set('state', url.searchParams.get('state')!);
      script.bend?.(back);
      return response.writeHead(302, { location: back.href }).end();
    }
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const form = new URLSearchParams(text);
    const login = begun.get(form.get('code') ?? '');
    begun.delete(form.get('code') ?? '');
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (!login || verifier !== login.challenge) return json({ error: 'invalid_grant' }, 400);
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: issuer, aud: 'the-hub', iat: now, exp: now + 300, nonce: login.nonce, ...script.claims };
    const token = script.forge ? await script.forge(claims, await tools()) : await sign(claims);
    return json({ access_token: 'x', token_type: 'Bearer', id_token: token });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { issuer, script };
}

/** A token that is signed with a secret that everybody knows: the public key. */
export function signedByPublicKey(claims: Claims, publicKey: string): string {
  const parts = [{ alg: 'HS256', kid: 'one' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${parts}.${createHmac('sha256', publicKey).update(parts).digest('base64url')}`;
}

/** A token that is not signed. */
export function unsigned(claims: Claims): string {
  return `${[{ alg: 'none' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;
}

/** A browser: keeps cookies by host, and follows where it is sent. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** Opens a page and follows redirects; gives each address that it came by, and the last answer. */
  async open(
    address: string,
    form?: URLSearchParams,
  ): Promise<{ readonly way: readonly string[]; readonly response: Response; readonly text: string }> {
    const way: string[] = [];
    let body: URLSearchParams | undefined = form;
    for (let next = address; ; ) {
      way.push(next);
      if (way.length > 20) throw new Error(`sent around: ${way.join(' ')}`);
      const response = await this.#fetch(next, body);
      body = undefined;
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) return { way, response, text: await response.text() };
      next = new URL(location, next).href;
    }
  }

  /** The cookies that a host gave, as a header. */
  cookies(address: string): string {
    return [...(this.#cookies.get(new URL(address).host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async #fetch(address: string, form: URLSearchParams | undefined): Promise<Response> {
    const { host } = new URL(address);
    const cookie = this.cookies(address);
    const response = await fetch(address, {
      redirect: 'manual',
      headers: { ...(cookie && { cookie }), ...(form && { 'content-type': 'application/x-www-form-urlencoded' }) },
      ...(form && { method: 'POST', body: form.toString() }),
    });
    const jar = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, jar);
    for (const set of response.headers.getSetCookie()) {
      const [pair = ''] = set.split(';');
      const name = pair.slice(0, pair.indexOf('='));
      if (/Max-Age=0|Expires=Thu, 01 Jan 1970/i.test(set)) jar.delete(name);
      else jar.set(name, pair.slice(name.length + 1));
    }
    return response;
  }
}
