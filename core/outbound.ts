import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Dispatcher } from 'undici';
import { HubError, toHubError } from './errors.js';
import { parseRange } from './net.js';

/** One request that the hub makes. */
export interface OutboundRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Bytes of the answer that are read; the rest is dropped, and the connection with it. 64 KiB unless told. */
  readonly maxAnswerBytes?: number;
  /** Replaces the configured limit for the whole request, answer included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What came back. */
export interface OutboundResponse {
  readonly status: number;
  /** Names in lower case; values of a repeated header are joined with ', '. */
  readonly headers: Readonly<Record<string, string>>;
  /** The answer as text, never decompressed, cut at the limit. */
  readonly body: string;
}

/** How `Outbound` is set up. */
export interface OutboundOptions {
  /** Private or local addresses and ranges that may be reached: '10.1.0.0/16', '127.0.0.1', 'fd00::/8'. */
  readonly allow: readonly string[];
  readonly timeoutMs: number;
  /** Gives the addresses of a host name; the system's resolver unless told. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');
const PRIVATE_RANGES: ReadonlySet<string> = new Set(['private', 'loopback', 'linkLocal', 'uniqueLocal', 'carrierGradeNat', 'unspecified']);

type Range = ReturnType<typeof parseRange>;

/**
 * The only way out by HTTP. Each request resolves its host once, checks every address, and connects to those addresses
 * on a connection of its own: nothing is looked up a second time, and no connection is used for another request.
 */
export class Outbound {
  /** The limit for one request in milliseconds, answer included, unless the request brings its own. */
  readonly timeoutMs: number;
  readonly #allow: readonly Range[];
  readonly #resolve: (host: string) => Promise<readonly string[]>;
  readonly #closed = new AbortController();

  /** Throws HubError 'invalid-request' that names the first entry of `allow` which is neither an address nor a range. */
  constructor({ allow, timeoutMs, resolve = systemAddresses }: OutboundOptions) {
    this.#allow = allow.map(rangeOf);
    this.timeoutMs = timeoutMs;
    this.#resolve = resolve;
  }

  /**
   * Sends one request, follows no redirect, and resolves to whatever is answered. Throws HubError: 'permission-denied'
   * when an address of the host is private, local or reserved and `outbound.allow` does not list it (the message names
   * that setting), 'invalid-request' for a URL that is not http or https, carries a password or cannot be sent,
   * 'unavailable' when there is no whole answer within the limit, 'aborted' when `signal` ends it or the hub stops.
   */
  async request(url: string, request: OutboundRequest): Promise<OutboundResponse> {
    const target = parseUrl(url);
    const limitMs = request.timeoutMs ?? this.timeoutMs;
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const timer = setTimeout(end, limitMs);
    const stopped = [this.#closed.signal, ...(request.signal ? [request.signal] : [])];
    // Not AbortSignal.any(): a signal that lives long keeps a trace of every one that was combined with it.
    for (const signal of stopped) signal.addEventListener('abort', end, { once: true });
    if (stopped.some(({ aborted }) => aborted)) end();
    try {
      return await orAborted(ending.signal, () => this.#send(target, request, ending.signal));
    } catch (error) {
      if (error instanceof HubError) throw error;
      if (stopped.some(({ aborted }) => aborted))
        throw new HubError('aborted', `The request to ${target.host} was ended`, { cause: error });
      if (ending.signal.aborted)
        throw new HubError('unavailable', `No whole answer from ${target.host} within ${limitMs / 1000} s`, { cause: error });
      throw toFailure(error, target.host);
    } finally {
      clearTimeout(timer);
      for (const signal of stopped) signal.removeEventListener('abort', end);
    }
  }

  /**
   * Whether request() would try to send to `url`. Throws what it would: 'permission-denied' that names `outbound.allow`,
   * 'invalid-request' or 'unavailable'. A later answer of the resolver may differ, so request() checks again.
   */
  async check(url: string): Promise<void> {
    const { hostname, host } = parseUrl(url);
    try {
      await this.#permittedAddresses(hostname);
    } catch (error) {
      throw error instanceof HubError ? error : toFailure(error, host);
    }
  }

  /** Ends all requests that are under way and refuses new ones. May be repeated. */
  async close(): Promise<void> {
    this.#closed.abort();
  }

  async #send(target: URL, request: OutboundRequest, signal: AbortSignal): Promise<OutboundResponse> {
    const addresses = await this.#permittedAddresses(target.hostname);
    signal.throwIfAborted();
    // Loaded at the first request: a hub without webhooks does without its twenty megabytes.
    const { Client } = await import('undici');
    const client = new Client(target.origin, {
      connect: { lookup: pinnedTo(addresses), timeout: 0 },
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: 0,
      bodyTimeout: 0,
      pipelining: 0,
    });
    const end = () => void client.destroy();
    signal.addEventListener('abort', end, { once: true });
    try {
      const { method, headers, body = null } = request;
      const answer = await client.request({ method, path: `${target.pathname}${target.search}`, headers: { ...headers }, body, signal });
      const text = await readText(answer.body, request.maxAnswerBytes ?? MAX_ANSWER_BYTES);
      return { status: answer.statusCode, headers: flatten(answer.headers), body: text };
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  async #permittedAddresses(hostname: string): Promise<readonly string[]> {
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) ? [host] : await this.#resolve(host);
    if (addresses.length === 0) throw new HubError('unavailable', `The name ${host} has no address`);
    for (const address of addresses) {
      const kind = this.#refusal(address);
      if (!kind) continue;
      const of = address === host ? '' : ` of ${host}`;
      throw new HubError('permission-denied', `The address ${address}${of} is ${kind}; add it to outbound.allow to permit it`);
    }
    return addresses;
  }

  /** What is wrong with an address: 'private' or 'reserved'; undefined when it may be reached. */
  #refusal(text: string): 'private' | 'reserved' | undefined {
    const address = ipaddr.process(text);
    if (this.#allow.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))) return undefined;
    const range = address.range();
    // Outside 2000::/3 lie forms such as ::127.0.0.1 for which the library has no name.
    const isPublic = range === 'unicast' && (address.kind() === 'ipv4' || address.match(GLOBAL_IPV6));
    if (isPublic) return undefined;
    return PRIVATE_RANGES.has(range) ? 'private' : 'reserved';
  }
}

function rangeOf(entry: string): Range {
  try {
    return parseRange(entry);
  } catch (error) {
    throw new HubError('invalid-request', `outbound.allow: ${toHubError(error).message}`, { cause: error });
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new HubError('invalid-request', 'The URL must start with http:// or https://');
  if (url.username || url.password) throw new HubError('invalid-request', 'The URL must not carry a user name or a password');
  return url;
}

async function systemAddresses(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** A lookup that knows only `addresses`, so that what was checked is what is connected to. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const found = addresses.map(address => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    if (options.all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  };
}

/** Rejects as soon as `signal` aborts, also while the system still resolves a name. */
async function orAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function readText(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let left = maxBytes;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be resolved now',
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too long',
};

function toFailure(error: unknown, host: string): HubError {
  const { code = '', message = 'unknown' } = error as { code?: string; message?: string };
  if (code === 'UND_ERR_INVALID_ARG') return new HubError('invalid-request', `The request cannot be sent: ${message}`, { cause: error });
  return new HubError('unavailable', `The request to ${host} failed: ${REASONS[code] ?? (message || code)}`, { cause: error });
}
