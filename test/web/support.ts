import 'reflect-metadata';
import { request as httpRequest } from 'node:http';
import type { ExecutionContext } from 'ava';
import { Setup } from '#core/auth/setup.js';
import { servicesOf } from '#core/operations/hub-services.js';
import { type OperationInput, type OperationName, type OperationOutput, runOperation } from '#core/operations/index.js';
import { startHub, type TestHub, type TestHubOptions } from '../support/hub.js';

/** An answer of the API, its JSON read. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** JSON, looked into without asking what it holds: a test fails where it is something else. */
export interface Json {
  readonly [key: string]: Json;
  readonly [index: number]: Json;
}

/** A browser, or a program with a key, at a hub. */
export class ApiClient {
  #cookie: string | undefined;

  constructor(
    readonly base: string,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  get cookie(): string | undefined {
    return this.#cookie;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    return this.send('POST', path, body, headers);
  }

  patch(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    return this.send('PATCH', path, body, headers);
  }

  delete(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    return this.send('DELETE', path, undefined, headers);
  }

  /** Sends JSON as a page of the hub would. */
  async send(method: string, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> {
    const response = await this.raw(method, path, {
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson && text !== '' ? JSON.parse(text) : { text }) as unknown as Json,
    };
  }

  /** Sends anything; keeps the cookie that comes back. */
  async raw(
    method: string,
    path: string,
    init: { readonly body?: RequestInit['body']; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Response> {
    const { body } = init;
    const response = await fetch(`${this.base}${path.startsWith('/') && !path.startsWith('/api/') ? `/api/v1${path}` : path}`, {
      ...(body !== undefined && { body, duplex: 'half' }),
      method,
      redirect: 'manual',
      headers: { 'sec-fetch-site': 'same-origin', ...(this.#cookie && { cookie: this.#cookie }), ...this.headers, ...init.headers },
    });
    for (const set of response.headers.getSetCookie()) {
      const pair = set.split(';')[0]!;
      this.#cookie = /Max-Age=0/.test(set) ? undefined : pair;
    }
    return response;
  }
}

/** A hub with its web server, and a way to it. */
export interface WebHub extends TestHub {
  readonly base: string;
  /** A browser that is not logged in. */
  browser(): ApiClient;
  /** A browser of an admin or a user. */
  loggedIn(scope: 'admin' | 'user', username: string, password?: string): Promise<ApiClient>;
  /** What the command line would do. */
  call<N extends OperationName>(name: N, input: OperationInput<N>): Promise<OperationOutput<N>>;
}

export const ADMIN_PASSWORD = 'a long password';

/** Starts a hub with the web on a free port, the owner 'ada' and, if told, other admins. */
export async function startWeb(
  t: ExecutionContext,
  {
    web,
    admins = { ada: 'owner' },
    ...options
  }: TestHubOptions & { readonly web?: object; readonly admins?: Readonly<Record<string, 'owner' | 'admin' | 'operator' | 'viewer'>> } = {},
): Promise<WebHub> {
  const values = { ...options.values, protocols: { ...(options.values?.protocols as object), web: { port: 0, ...web } } };
  const hub = await startHub(t, { ...options, values });
  const services = servicesOf(hub.hub);
  const call: WebHub['call'] = (name, input) => runOperation(services, name, input) as Promise<never>;
  for (const [username, role] of Object.entries(admins)) await call('admins.create', { username, role, password: ADMIN_PASSWORD });
  const base = `http://127.0.0.1:${hub.port('web')}`;
  const browser = () => new ApiClient(base);
  return {
    ...hub,
    base,
    browser,
    call,
    async loggedIn(scope, username, password = scope === 'admin' ? ADMIN_PASSWORD : 'pw') {
      const client = browser();
      const answer = await client.post('/session', { scope, username, password });
      if (answer.status !== 200) throw new Error(`login failed: ${JSON.stringify(answer.body)}`);
      return client;
    },
  };
}

/** A token for the set-up form of a hub without admins. */
export function setupToken(hub: TestHub): Promise<string> {
  return hub.hub.get(Setup).token();
}

/** One request whose headers, Host included, are all given. Gives the status. */
export function rawStatus(base: string, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${base}${path}`, { headers, setHost: !('host' in headers) }, response => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end();
  });
}
