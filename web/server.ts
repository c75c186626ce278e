import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, isIP, Server as NetServer } from 'node:net';
import { addressWithin, HubError, type ListenAddress, type ProtocolContext, type ProtocolServer } from '#core/api.js';
import { canonicalAddress } from '#core/net.js';
import type { WebApp } from './app.js';
import { admitConnections } from './connections.js';
import type { WebOptions } from './options.js';

const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
const MAX_HEADER_BYTES = 32_768;
const PRUNE_MS = 3_600_000;
const LOOPBACK = ['127.0.0.0/8', '::1'];

/** The web server. What answers is loaded with the first request: a hub that nobody looks at carries none of it. */
export class WebServer implements ProtocolServer {
  #listener: Server | undefined;
  #app: Promise<WebApp> | undefined;
  #prune: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;
  #retiring = false;
  #dropWaiting: (() => void) | undefined;

  constructor(
    private readonly options: WebOptions,
    private readonly context: ProtocolContext,
  ) {}

  /** Listens. Throws 'unavailable' when the port cannot be had. */
  async start(): Promise<readonly ListenAddress[]> {
    const { enabled, host, port } = this.options;
    if (!enabled) return [];
    const tls = needsTls(this.options);
    const limits = {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    const listener = tls ? createSecureServer({ ...limits, ...this.context.certificates.tlsOptions() }) : createServer(limits);
    if (tls) this.context.certificates.follow(listener as ReturnType<typeof createSecureServer>);
    const { trustedProxies } = this.options;
    this.#dropWaiting = admitConnections(listener, {
      login: this.context.login,
      isProxy: address => addressWithin(canonicalAddress(address), trustedProxies),
    });
    this.context.proxy.serve(listener);
    this.#listener = listener;
    this.#closed = new Promise(done => listener.once('close', done));
    listener.on('request', (request, response) => void this.#answer('request', request, response));
    listener.on('checkContinue', (request, response) => void this.#answer('checkContinue', request, response));
    const listening = once(listener, 'listening');
    listener.listen({ host, port });
    try {
      await listening;
    } catch (error) {
      throw listenFailure(error, host, port);
    }
    this.#prune = setInterval(() => void this.#forget(), PRUNE_MS).unref();
    listener.on('error', error => this.context.log.error({ err: error }, 'The listener failed'));
    const bound = (listener.address() as AddressInfo).port;
    return [{ host, port: bound, tls, url: publicUrl(this.options, bound, tls) }];
  }

  /** Connections that are kept alive get one more answer, and are closed with it. */
  async retire(signal: AbortSignal): Promise<void> {
    if (!this.#listener) return;
    this.#retiring = true;
    // That of an HTTP server would cut idle connections, on some of which a request is on its way.
    NetServer.prototype.close.call(this.#listener);
    const late = new Promise<void>(done => {
      if (signal.aborted) done();
      else signal.addEventListener('abort', () => done(), { once: true });
    });
    await Promise.race([this.#closed, late]);
  }

  async stop(signal: AbortSignal): Promise<void> {
    const listener = this.#listener;
    if (!listener) return;
    clearInterval(this.#prune);
    const app = await this.#app?.catch(() => undefined);
    app?.stopping();
    if (listener.listening) listener.close();
    this.context.proxy.stop();
    this.#dropWaiting?.();
    listener.closeIdleConnections();
    const dropAll = () => listener.closeAllConnections();
    if (signal.aborted) dropAll();
    else signal.addEventListener('abort', dropAll, { once: true });
    // What is kept alive and becomes idle after this answer.
    const idle = setInterval(() => listener.closeIdleConnections(), 100);
    await this.#closed;
    clearInterval(idle);
    signal.removeEventListener('abort', dropAll);
  }

  async #answer(event: 'request' | 'checkContinue', request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#retiring) response.shouldKeepAlive = false;
    try {
      this.#app ??= this.#load();
      (await this.#app).handle(event, request, response);
    } catch (error) {
      this.#app = undefined;
      this.context.log.error({ err: error }, 'The web application could not be loaded');
      response.writeHead(503, { 'content-type': 'text/plain' }).end('The web application could not be loaded\n');
    }
  }

  /** Browser sessions that nobody can use any more. */
  async #forget(): Promise<void> {
    const { sessionIdle, sessionLifetime } = this.options;
    const { WebSessionRepository } = await import('#core/db/web-sessions.js');
    await this.context
      .resolve(WebSessionRepository)
      .prune(Date.now() - sessionIdle, Date.now() - sessionLifetime)
      .catch((error: unknown) => this.context.log.warn({ err: error }, 'ended browser sessions could not be forgotten'));
  }

  async #load(): Promise<WebApp> {
    const [{ WebApp }, { servicesFor }] = await Promise.all([import('./app.js'), import('./services.js')]);
    return WebApp.create(servicesFor(this.options, this.context), isSecure(this.options));
  }
}

function needsTls({ host, tls, trustedProxies }: WebOptions): boolean {
  return tls === 'always' || (!isLoopback(host) && trustedProxies.length === 0);
}

/** Whether browsers come by HTTPS, to the hub or to a proxy before it. */
function isSecure(options: WebOptions): boolean {
  return options.publicUrl === undefined ? needsTls(options) : options.publicUrl.startsWith('https:');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || addressWithin(host, LOOPBACK);
}

function publicUrl({ publicUrl, host, basePath }: WebOptions, port: number, tls: boolean): string {
  if (publicUrl !== undefined) return publicUrl;
  const name = host === '::' || host === '0.0.0.0' ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  const standard = tls ? 443 : 80;
  return `http${tls ? 's' : ''}://${name}${port === standard ? '' : `:${port}`}${basePath}`;
}

function listenFailure(error: unknown, host: string, port: number): HubError {
  const { code } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} is already in use by another program: end it, or set protocols.web.port to a free port`,
    EACCES: `Port ${port} may not be opened by this account: set protocols.web.port to one above 1023`,
  };
  const message =
    reasons[code ?? ''] ?? `Cannot listen on ${host}, port ${port} (${code}): check protocols.web.host and protocols.web.port`;
  return new HubError('unavailable', message, { cause: error });
}
