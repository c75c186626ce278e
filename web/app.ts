import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { server as hapiServer, type Request, type ResponseToolkit, type Server } from '@hapi/hapi';
import { HubError } from '#core/api.js';
import { StaleVersion } from '#core/errors.js';
import { API_ROUTES } from './api/index.js';
import { authenticate } from './auth/authenticate.js';
import { type Caller, keyRefusal, mayUse } from './auth/caller.js';
import { type AuditedCall, audited, refused } from './http/audit.js';
import { clientOf, refuseForeign, refuseForeignHost } from './http/client.js';
import { addSecurityHeaders } from './http/headers.js';
import { addHealthRoutes } from './http/health.js';
import { once } from './http/idempotency.js';
import { addMetrics } from './http/metrics.js';
import { addPages } from './http/pages.js';
import { answerProblem } from './http/problem.js';
import { type Rate, Rates, withRate } from './http/rates.js';
import { Answer, type Call, isResponse, type Route } from './http/route.js';
import { validator } from './http/validate.js';
import { feedFor } from './live/feed.js';
import type { WebServices } from './services.js';
import { addSso } from './sso/routes.js';

declare module '@hapi/hapi' {
  interface RequestApplicationState {
    caller?: Caller;
    rate?: Rate;
  }
}

const API = 'api/v1';
/** Sent with what a page asks for while nobody uses it. */
const IDLE_HEADER = 'x-entrepot-idle';
const MAX_JSON_BYTES = 1_048_576;

/** Everything that answers requests: routes, pages, and what holds for all of them. */
export class WebApp {
  #stopping = false;
  readonly #rates: Rates;

  private constructor(
    private readonly server: Server,
    private readonly services: WebServices,
  ) {
    this.#rates = new Rates(services.options.requestsPerMinute);
  }

  /** Ready to handle requests; `isSecure` when browsers come by HTTPS. */
  static async create(services: WebServices, isSecure: boolean): Promise<WebApp> {
    // It listens nowhere: the listeners of WebServer hand their requests over.
    const server = hapiServer({
      listener: createServer(),
      autoListen: false,
      debug: false,
      compression: { minBytes: 1_024 },
      router: { stripTrailingSlash: false },
      routes: { payload: { maxBytes: MAX_JSON_BYTES }, state: { parse: false, failAction: 'ignore' }, security: false },
    });
    const app = new WebApp(server, services);
    const { options, log } = services;
    server.ext('onRequest', (request, h) => {
      refuseForeignHost(request, options);
      refuseDenied(request, services);
      return h.continue;
    });
    server.ext('onPreResponse', (request, h) => {
      const answer = answerProblem(request, h, log);
      const response = typeof answer === 'symbol' ? request.response : answer;
      if (request.app.rate && !('isBoom' in response)) withRate(response, request.app.rate);
      addSecurityHeaders(response);
      return answer;
    });
    for (const route of API_ROUTES) app.#add(route);
    app.#addDocument();
    addSso(server, services, isSecure);
    addMetrics(server, services);
    addHealthRoutes(server, services, () => app.#stopping);
    await addPages(server, options);
    // Without it, each answer would close its connection.
    await server.start();
    return app;
  }

  handle(event: 'request' | 'checkContinue', request: IncomingMessage, response: ServerResponse): void {
    this.server.listener.emit(event, request, response);
  }

  /** From now on it is not ready. */
  stopping(): void {
    this.#stopping = true;
    feedFor(this.services).close();
  }

  #addDocument(): void {
    const { basePath } = this.services.options;
    let document: object | undefined;
    this.server.route({
      method: 'GET',
      path: `${basePath}${API}/openapi.json`,
      handler: async (request, h) => {
        request.app.rate = this.#rates.take(clientOf(request, this.services.options).remoteAddress);
        document ??= (await import('./openapi/document.js')).describeRoutes(API_ROUTES, basePath);
        return h.response(document).header('cache-control', 'no-cache');
      },
    });
  }

  #add(route: Route): void {
    const { options } = this.services;
    const failAction = (request: Request, _h: ResponseToolkit, error?: Error) =>
      refused(this.services, { ...factsOf(route, request, options), body: request.payload }, error);
    this.server.route({
      method: route.method,
      path: `${options.basePath}${API}${route.path}`,
      options: {
        id: route.id,
        // Before a body is read.
        ext: { onPreAuth: { method: (request, h) => admit(route, request, h, this.services, this.#rates) } },
        validate: {
          ...(route.path.includes('{') && { params: validator(route.params, ':') as never }),
          query: validator(route.query, '?') as never,
          ...(route.body && { payload: validator(route.body, '/') as never }),
          failAction,
        },
        ...(route.rawResponse !== undefined && { response: { ranges: false } }),
        ...(route.method !== 'GET' && route.rawBody === undefined && { payload: { allow: 'application/json', failAction } }),
        ...(route.rawBody !== undefined && {
          payload: { output: 'stream', parse: false, maxBytes: Number.MAX_SAFE_INTEGER, timeout: false },
          timeout: { socket: false },
        }),
      },
      handler: async (request, h) => this.#answer(route, request, h),
    });
  }

  async #answer(route: Route, request: Request, h: ResponseToolkit) {
    const call: Call = {
      params: request.params,
      query: request.query,
      body: request.payload ?? undefined,
      services: this.services,
      client: clientOf(request, this.services.options),
      request,
      h,
      get caller() {
        const { caller } = request.app;
        if (!caller) throw new HubError('authentication-failed', 'Log in first');
        return caller;
      },
      ifMatch: versionOf(request.raw.req.headers['if-match']),
    };
    const { caller } = request.app;
    const facts = { route, caller, client: call.client, params: call.params, body: call.body };
    const given = await once(this.services, route, request, () => audited(this.services, facts, () => route.handle(call)));
    if (route.rawResponse !== undefined || isResponse(given)) return given as never;
    const { value, headers } = given instanceof Answer ? given : new Answer(given, {});
    // What the schema does not name does not leave the hub.
    const response = route.response ? h.response(route.response.parse(value) as object).code(route.status ?? 200) : h.response().code(204);
    if (headers.version !== undefined) response.etag(`v${headers.version}`);
    if (headers.location !== undefined) response.location(`${this.services.options.basePath}${API}${headers.location}`);
    return response.header('cache-control', 'no-store');
  }
}

function factsOf(route: Route, request: Request, options: WebServices['options']): AuditedCall {
  return { route, caller: request.app.caller, client: clientOf(request, options), params: request.params, body: undefined };
}

/** Refuses whatever comes from an address that admins keep out, also where it shares a connection or a proxy with others. */
function refuseDenied(request: Request, { defence, options }: WebServices): void {
  if (defence.isDenied(clientOf(request, options).remoteAddress))
    throw new HubError('permission-denied', 'This address is kept out by a rule of the hub');
}

/** Finds out who asks, and turns away who may not. */
async function admit(route: Route, request: Request, h: ResponseToolkit, services: WebServices, rates: Rates) {
  const isUse = route.messages === undefined && request.headers[IDLE_HEADER] === undefined;
  const caller = await authenticate(request, services, { isUse });
  const { remoteAddress } = clientOf(request, services.options);
  request.app.rate = rates.take(caller?.session?.id ?? caller?.key?.id ?? remoteAddress);
  const refuseBy = (error: unknown) => refused(services, { ...factsOf(route, request, services.options), caller }, error);
  const refuse = (why: string) => refuseBy(new HubError('permission-denied', why));
  try {
    refuseForeign(request, services.options, { strict: caller?.session !== undefined });
  } catch (error) {
    await refuseBy(error);
  }
  if (!mayUse(caller, route.access)) {
    if (!caller) throw new HubError('authentication-failed', 'Log in first');
    const needed = route.access === 'user' ? 'a user of the hub' : `an admin with the role ${route.access}`;
    await refuse(`This is for ${needed}`);
  }
  const refusal = caller?.key && keyRefusal(caller.key, route);
  if (refusal !== undefined) await refuse(refusal);
  refuseVersion(route, request);
  if (caller) request.app.caller = caller;
  return h.continue;
}

/** Who names a version wants nothing done that would be done to another one as well. Uploads look at it themselves. */
function refuseVersion({ method, versioned, rawBody }: Route, request: Request): void {
  if (method === 'GET' || versioned || rawBody !== undefined) return;
  if (versionOf(request.raw.req.headers['if-match']) !== undefined)
    throw new StaleVersion("This operation compares no versions: leave If-Match out, or send '*'");
}

/** '"v3"' as 3. */
function versionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^"v(\d{1,9})"$/.exec(header.trim());
  return match ? Number(match[1]) : -1;
}
