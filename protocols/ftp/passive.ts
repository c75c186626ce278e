import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { HubError, type ProxyProtocol } from '#core/api.js';
import { type DataPort, plainAddress } from './data-port.js';
import type { PortRange } from './options.js';

/** What bounds the data ports of a server. */
export interface PassiveLimits {
  readonly ports: PortRange;
  readonly sameAddress: boolean;
  readonly perUser: number;
  readonly perAddress: number;
}

/** Whom a data port is for. */
export interface PassiveClient {
  readonly user: string;
  readonly remoteAddress: string;
  /** The address at which the client reached the hub; the port listens there alone. */
  readonly localAddress: string;
}

/** The ports of the configured range, each held by one session at a time, in random order so that the next one cannot be guessed. */
export class PassivePorts {
  readonly #taken = new Set<number>();
  readonly #held = new Map<string, number>();

  constructor(
    private readonly limits: PassiveLimits,
    private readonly proxy: ProxyProtocol,
  ) {}

  /** Listens on a free port. Throws 'unavailable' when the client holds too many, or none is free. */
  async open(client: PassiveClient): Promise<PassivePort> {
    const release = this.#hold(client);
    try {
      const { server, port } = await this.#listen(client.localAddress);
      const expected = this.limits.sameAddress ? client.remoteAddress : undefined;
      return new PassivePort(server, port, expected, this.proxy, () => {
        this.#taken.delete(port);
        release();
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  #hold({ user, remoteAddress }: PassiveClient): () => void {
    const { perUser, perAddress } = this.limits;
    const keys = [`user ${user}`, `address ${remoteAddress}`] as const;
    const [ofUser, ofAddress] = keys.map(key => this.#held.get(key) ?? 0) as [number, number];
    if (ofUser >= perUser || ofAddress >= perAddress) throw new HubError('unavailable', 'Too many data ports are open for you');
    for (const key of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) {
        const left = this.#held.get(key)! - 1;
        if (left > 0) this.#held.set(key, left);
        else this.#held.delete(key);
      }
    };
  }

  async #listen(host: string): Promise<{ readonly server: Server; readonly port: number }> {
    const { first, last } = this.limits.ports;
    if (first === 0) return { server: await listen(host, 0), port: 0 };
    const count = last - first + 1;
    const start = randomInt(count);
    // A stride without a common divisor visits every port once.
    const stride = strideFor(count);
    for (let step = 0; step < count; step++) {
      const port = first + ((start + step * stride) % count);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      try {
        return { server: await listen(host, port), port };
      } catch (error) {
        this.#taken.delete(port);
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
    }
    throw new HubError('unavailable', 'No data port is free');
  }
}

/** A port on which one client is expected. Strangers are dropped without a word, and the port stays. */
class PassivePort implements DataPort {
  readonly port: number;
  #socket: Socket | undefined;
  #arrived: ((socket: Socket) => void) | undefined;
  #release: (() => void) | undefined;

  constructor(
    private readonly server: Server,
    port: number,
    private readonly expected: string | undefined,
    proxy: ProxyProtocol,
    release: () => void,
  ) {
    this.#release = release;
    const address = server.address();
    this.port = port || (typeof address === 'object' && address ? address.port : 0);
    server.on('connection', socket => proxy.receive(socket, () => this.#accept(socket)));
    server.on('error', () => this.close());
  }

  connect(): Promise<Socket> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) return Promise.resolve(socket);
    return new Promise(resolve => {
      this.#arrived = resolve;
    });
  }

  close(): void {
    this.#stopListening();
    this.#socket?.destroy();
  }

  #accept(socket: Socket): void {
    // One that leaves again before its transfer is noticed by the transfer.
    socket.on('error', () => undefined);
    if (!this.#release || (this.expected !== undefined && plainAddress(socket.remoteAddress) !== this.expected)) {
      socket.destroy();
      return;
    }
    this.#stopListening();
    if (this.#arrived) this.#arrived(socket);
    else this.#socket = socket;
  }

  #stopListening(): void {
    this.server.close();
    this.#release?.();
    this.#release = undefined;
  }
}

export type { PassivePort };

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, noDelay: true });
  const listening = once(server, 'listening');
  // Workers of one machine would otherwise share the port, and each other's clients.
  server.listen({ host, port, backlog: 4, exclusive: true });
  await listening;
  return server;
}

function strideFor(count: number): number {
  const divides = (a: number, b: number): number => (b === 0 ? a : divides(b, a % b));
  for (;;) {
    const stride = 1 + (count > 1 ? randomInt(count - 1) : 0);
    if (divides(count, stride) === 1) return stride;
  }
}
