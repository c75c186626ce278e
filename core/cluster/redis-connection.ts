import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Redis, RedisOptions } from 'ioredis';
import { HubError } from '../errors.js';

/** Where Redis is: `redis` of the configuration. */
export interface RedisSettings {
  /** 'redis://…', or 'rediss://…' for TLS. */
  readonly url: string;
  readonly tls: { readonly ca?: string | undefined };
  /** Every key and channel begins with it. */
  readonly keyPrefix: string;
}

type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

const CONNECTING_MS = 3_000;
/** Without an answer for this long, a connection is given up and made anew. */
const SILENCE_MS = 5_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * A client that connects when it is told to, and again with a growing wait whenever the connection is lost: commands fail meanwhile
 * unless `options` say otherwise. Its errors are told by 'error', which somebody must listen to. Throws 'invalid-request' when the
 * file of the authority cannot be read.
 */
export async function redisClient({ url, tls }: RedisSettings, options: ClientOptions = {}): Promise<Redis> {
  // Loaded only by those who have a Redis.
  const { Redis } = await import('ioredis');
  const all: ClientOptions = {
    lazyConnect: true,
    connectTimeout: CONNECTING_MS,
    socketTimeout: SILENCE_MS,
    keepAlive: SILENCE_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Nobody would hear that it failed: that ends the process. RedisChannel subscribes again by itself.
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: times => Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** times) * (0.5 + Math.random() / 2),
    ...(tls.ca !== undefined && { tls: { ca: readAuthority(tls.ca) } }),
    ...options,
  };
  return guardSockets(new Redis(url, all));
}

/**
 * Keeps the process alive when a socket tells of more than one error, as TLS does: the client listens to the first of each alone,
 * and Node.js ends a process for one that nobody listens to. For every client, copies included.
 */
export function guardSockets(client: Redis): Redis {
  const { connector } = client as unknown as { readonly connector: { connect(...args: unknown[]): Promise<Socket> } };
  const connect = connector.connect.bind(connector);
  connector.connect = async (...args) => (await connect(...args)).on('error', () => undefined);
  return client;
}

function readAuthority(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HubError('invalid-request', `redis.tls.ca: ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/**
 * What `command` gives, or a failure when nothing is heard of it for `limitMs`, which is longer than the client itself waits: whoever
 * needs Redis for his own work must not hang on a client that forgets a command.
 */
export async function answered<T>(command: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis did not answer')), limitMs);
  });
  try {
    return await Promise.race([command, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The address without what is secret in it: for logs and messages. */
export function describeRedis(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
