import { createHash, timingSafeEqual } from 'node:crypto';
import bell from '@hapi/bell';
import type { Request, ResponseObject, ResponseToolkit, Server } from '@hapi/hapi';
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { HubError, randomToken, toHubError } from '#core/api.js';
import { endPrevious, startSession } from '../auth/log-in.js';
import { openFor } from '../auth/open-sessions.js';
import { recordLogin } from '../http/audit.js';
import { clientOf } from '../http/client.js';
import type { SsoProvider } from '../options.js';
import type { WebServices } from '../services.js';
import { adminAccount, userSession, type Vouched } from './accounts.js';
import { type Discovery, discover } from './discovery.js';

/** What a browser that has begun keeps until it comes back. */
interface Begun {
  readonly value: string;
  readonly scope: 'admin' | 'user';
  readonly next: string;
}

const BEGUN_SECONDS = 600;
const CLOCK_SECONDS = 60;
const MAX_AGE_SECONDS = 600;

/** One provider: where a browser begins, and where it comes back to. Made when it is first used. */
export class SsoFlow {
  private constructor(
    private readonly services: WebServices,
    private readonly name: string,
    private readonly settings: SsoProvider,
    private readonly discovery: Discovery | undefined,
    private readonly keys: JWTVerifyGetKey | undefined,
    private readonly isSecure: boolean,
  ) {}

  /** Reads what the provider says of itself, and adds its way back to `server`. */
  static async open(
    server: Server,
    services: WebServices,
    name: string,
    { isSecure, password }: { isSecure: boolean; password: string },
  ): Promise<SsoFlow> {
    const settings = services.options.sso[name]!;
    const discovery = settings.issuer === undefined ? undefined : await discover(settings.issuer);
    const keys = discovery && createRemoteJWKSet(new URL(discovery.jwks_uri));
    const flow = new SsoFlow(services, name, settings, discovery, keys, isSecure);
    flow.#register(server, password);
    return flow;
  }

  /** Binds the login to this browser, and sends it to the provider. */
  begin(h: ResponseToolkit, scope: 'admin' | 'user', next: string): ResponseObject {
    const begun: Begun = { value: randomToken(32), scope, next: ownPath(next, this.services.options.basePath, scope) };
    const value = Buffer.from(JSON.stringify(begun)).toString('base64url');
    return h.redirect(this.#path).header('set-cookie', this.#cookie(value, BEGUN_SECONDS), { append: true });
  }

  get #path(): string {
    return `${this.services.options.basePath}sso/${this.name}`;
  }

  get #cookieName(): string {
    return `${this.isSecure ? '__Host-' : ''}entrepot-sso-${this.name}`;
  }

  #cookie(value: string, seconds: number): string {
    return `${this.#cookieName}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${this.isSecure ? '; Secure' : ''}`;
  }

  #register(server: Server, password: string): void {
    const strategy = `sso-${this.name}`;
    const { clientId, clientSecret, config } = this.settings;
    server.auth.strategy(strategy, 'bell', {
      provider: this.#provider(),
      ...(this.discovery ? {} : config && { config }),
      clientId,
      clientSecret,
      password,
      cookie: bellCookie(this.name),
      isSecure: this.isSecure,
      forceHttps: this.isSecure,
      isSameSite: 'Lax',
      ttl: BEGUN_SECONDS * 1_000,
      location: (request: Request) => this.#ownUrl(request),
      providerParams: (request: Request) => (this.discovery ? { nonce: nonceOf(this.#begun(request)) } : {}),
    } as never);
    server.route({
      method: 'GET',
      path: this.#path,
      options: {
        auth: { strategy, mode: 'try' },
        state: { parse: true, failAction: 'ignore' },
        ext: { onPreAuth: { method: (request, h) => this.#requireBegun(request, h) } },
      },
      handler: (request, h) => this.#back(request, h),
    });
  }

  /** An answer in a browser that did not ask; bell would have it try again. */
  async #requireBegun(request: Request, h: ResponseToolkit) {
    const cookies = request.raw.req.headers.cookie ?? '';
    const asked = this.#begun(request) !== undefined && cookies.includes(`${bellCookie(this.name)}=`);
    const { code, error } = request.query as Readonly<Record<string, unknown>>;
    if (asked || (code === undefined && error === undefined)) return h.continue;
    await this.#failed(request, 'Another browser began, or this one began too long ago');
    return h.redirect(`${this.services.options.basePath}login?sso=authentication-failed`).takeover();
  }

  #provider(): unknown {
    const { discovery, settings } = this;
    if (!discovery) return settings.kind;
    const methods = discovery.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return {
      name: this.name,
      protocol: 'oauth2',
      auth: discovery.authorization_endpoint,
      token: discovery.token_endpoint,
      scope: settings.scopes,
      pkce: 'S256',
      useParamsAuth: !methods.includes('client_secret_basic'),
    };
  }

  /** Where the provider sends the browser back to. */
  #ownUrl(request: Request): string {
    const { publicUrl } = this.services.options;
    const origin =
      publicUrl === undefined ? `http${this.isSecure ? 's' : ''}://${request.raw.req.headers.host}` : new URL(publicUrl).origin;
    return `${origin}${this.#path}`;
  }

  #begun(request: Request): Begun | undefined {
    const cookies = (request.raw.req.headers.cookie ?? '').split(';').map(pair => pair.trim());
    const found = cookies.filter(pair => pair.startsWith(`${this.#cookieName}=`));
    if (found.length !== 1) return undefined;
    try {
      return JSON.parse(Buffer.from(found[0]!.slice(this.#cookieName.length + 1), 'base64url').toString()) as Begun;
    } catch {
      return undefined;
    }
  }

  /** Whatever goes wrong, the browser lands on a page that says so, and the reason is in 'login.failed'. */
  async #back(request: Request, h: ResponseToolkit): Promise<ResponseObject> {
    const begun = this.#begun(request);
    const { basePath } = this.services.options;
    const page = begun?.scope === 'admin' ? `${basePath}admin` : `${basePath}login`;
    try {
      if (!begun) throw new HubError('authentication-failed', 'Another browser began, or this one began too long ago');
      if (!request.auth.isAuthenticated)
        throw new HubError('authentication-failed', String(request.auth.error?.message ?? 'The provider refused'));
      const vouched = await this.#vouched(request, begun);
      return (await this.#logIn(request, h, vouched, begun)).header('set-cookie', this.#cookie('', 0), { append: true });
    } catch (error) {
      const failure = toHubError(error);
      // What LoginService refuses it has recorded; a second factor that is wanted is no failure.
      const isRecorded = failure.code === 'second-factor-required' || failure.cause instanceof HubError;
      if (!isRecorded) await this.#failed(request, failure.code === 'internal' ? String((error as Error).message) : failure.message);
      return h.redirect(`${page}?sso=${failure.code}`).header('set-cookie', this.#cookie('', 0), { append: true });
    }
  }

  async #logIn(request: Request, h: ResponseToolkit, vouched: Vouched, begun: Begun): Promise<ResponseObject> {
    const { services } = this;
    const client = clientOf(request, services.options);
    const call = { request, client, services };
    if (begun.scope === 'admin') {
      const admin = await adminAccount(services, vouched, client);
      await recordLogin(services, admin, client, this.name);
      const { onto } = await startSession(call, { kind: 'admin', ownerId: admin.id });
      return onto(h.redirect(`${begun.next}${SIGNED_IN}`));
    }
    const session = await userSession(services, vouched, client, () => endPrevious(call));
    const { id, onto } = await startSession(call, { kind: 'user', ownerId: session.user.id });
    openFor(services).adopt(id, session);
    return onto(h.redirect(`${begun.next}${SIGNED_IN}`));
  }

  async #failed(request: Request, reason: string): Promise<void> {
    const { bus, log, defence } = this.services;
    const { remoteAddress } = clientOf(request, this.services.options);
    log.info({ provider: this.name, remoteAddress, reason }, 'single sign-on failed');
    if (defence.isBanned(remoteAddress)) return;
    await defence.failed(remoteAddress, '');
    await bus
      .publish('login.failed', { user: '', protocol: 'web', remoteAddress, reason: `${this.name}: ${reason}` })
      .catch(() => undefined);
  }

  /** What the provider vouches for: of OpenID Connect by an ID token that is its own, for us, for this browser and fresh. */
  async #vouched(request: Request, begun: Begun): Promise<Vouched> {
    const { name, settings, discovery, keys } = this;
    if (!discovery || !keys) return profileOf(name, settings, request);
    const { iss } = request.query as { readonly iss?: unknown };
    if ((iss !== undefined || discovery.authorization_response_iss_parameter_supported) && iss !== discovery.issuer)
      throw new HubError('authentication-failed', 'The answer is of another issuer');
    const { id_token: token } = (request.auth.artifacts ?? {}) as { readonly id_token?: unknown };
    if (typeof token !== 'string') throw new HubError('authentication-failed', 'The provider sent no ID token');
    const { payload } = await jwtVerify(token, keys, {
      issuer: discovery.issuer,
      audience: settings.clientId,
      algorithms: [...settings.algorithms],
      clockTolerance: CLOCK_SECONDS,
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ['sub', 'iat', 'exp', 'nonce'],
    });
    const nonce = Buffer.from(String(payload.nonce));
    const wanted = Buffer.from(nonceOf(begun));
    if (nonce.length !== wanted.length || !timingSafeEqual(nonce, wanted))
      throw new HubError('authentication-failed', 'The ID token was made for another login');
    const isForSeveral = Array.isArray(payload.aud) && payload.aud.length > 1;
    if ((isForSeveral || payload.azp !== undefined) && payload.azp !== settings.clientId)
      throw new HubError('authentication-failed', 'The ID token was made for another client');
    if (!payload.sub || payload.sub.length > 190) throw new HubError('authentication-failed', 'The ID token names nobody');
    const username = payload[settings.usernameClaim];
    return {
      provider: name,
      settings,
      subject: payload.sub,
      username: typeof username === 'string' ? username : undefined,
      email: payload.email_verified === true && typeof payload.email === 'string' ? payload.email : undefined,
      claims: payload,
    };
  }
}

/** Of a provider that speaks OAuth alone: what its own interface says of the account, whose e-mail nobody has vouched for. */
function profileOf(provider: string, settings: SsoProvider, request: Request): Vouched {
  const { profile } = request.auth.credentials as unknown as { readonly profile?: Readonly<Record<string, unknown>> };
  const subject = profile?.id;
  if (!profile || (typeof subject !== 'string' && typeof subject !== 'number') || String(subject).length > 190)
    throw new HubError('authentication-failed', 'The provider names nobody');
  const { username, raw } = profile as { readonly username?: unknown; readonly raw?: Readonly<Record<string, unknown>> };
  return {
    provider,
    settings,
    subject: String(subject),
    username: typeof username === 'string' ? username : undefined,
    email: raw?.email_verified === true && typeof profile.email === 'string' ? profile.email : undefined,
    claims: raw ?? {},
  };
}

function bellCookie(name: string): string {
  return `entrepot-bell-${name}`;
}

/** Known to the browser that began alone; the provider puts it into the ID token. */
function nonceOf(begun: Begun | undefined): string {
  return createHash('sha256')
    .update(begun?.value ?? randomToken())
    .digest('base64url');
}

/** Tells a page that never saw a login in this browser to ask who is logged in. */
const SIGNED_IN = '#signed-in';

/** A path of ours, whatever a link says: no other site is gone to after a login. */
export function ownPath(next: string, basePath: string, scope: 'admin' | 'user'): string {
  const home = `${basePath}${scope === 'admin' ? 'admin' : 'files'}`;
  const origin = 'http://own.invalid';
  if (!next.startsWith('/') || /[\\\x00-\x20\x7f]/.test(next) || !URL.canParse(next, origin)) return home;
  const url = new URL(next, origin);
  return url.origin === origin && !url.pathname.startsWith('//') && url.pathname.startsWith(basePath)
    ? `${url.pathname}${url.search}`
    : home;
}

/** The scheme that flows use. */
export async function addBell(server: Server): Promise<void> {
  await server.register(bell);
}
