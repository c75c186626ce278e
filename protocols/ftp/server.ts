import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { type Admission, HubError, type ListenAddress, type ProtocolContext, type ProtocolServer, toHubError } from '#core/api.js';
import type { Connection, ConnectionContext } from './connection.js';
import type { FtpOptions, PortRange } from './options.js';
import { PassivePorts } from './passive.js';
import { BufferPool } from './pumps.js';
import { SharedReads } from './shared-reads.js';

const EVERY_ADDRESS = '::';
const EVERY_IPV4_ADDRESS = '0.0.0.0';
const MIN_PORTS = 10;

/** The FTP server: sockets are accepted here, counted and timed before anything is said; the files of a client are reached through its session only. */
export class FtpServer implements ProtocolServer {
  readonly #listeners: NetServer[] = [];
  readonly #connections = new Set<Connection>();
  /** Those to which nothing is said yet. */
  readonly #waiting = new Set<Socket>();
  #connect: ((socket: Socket, admission: Admission, reached: string | undefined) => Connection) | undefined;
  #drained: (() => void) | undefined;
  #stopping = false;

  constructor(
    private readonly options: FtpOptions,
    private readonly context: ProtocolContext,
  ) {}

  /** Listens. Throws 'unavailable' when a port cannot be had, 'invalid-request' when a worker would have too few data ports. */
  async start(): Promise<readonly ListenAddress[]> {
    const { enabled, host, port, implicitPort, tls } = this.options;
    if (!enabled) return [];
    // A hub without FTP carries none of it.
    const { Connection } = await import('./connection.js');
    const context = this.#contextOf();
    this.#connect = (socket, admission, reached) => new Connection(context, socket, admission, reached);
    const addresses = [await this.#listen(host, port, false)];
    if (implicitPort !== undefined && tls !== 'off') addresses.push(await this.#listen(host, implicitPort, true));
    if (tls === 'required') this.context.log.info({}, 'FTP lets nobody in without TLS; `protocols.ftp.tls: optional` would');
    else this.context.log.warn({ tls }, 'FTP lets clients in without TLS: passwords and files travel in plain text');
    return addresses;
  }

  async retire(signal: AbortSignal): Promise<void> {
    this.#closeListeners();
    await new Promise<void>(resolve => {
      this.#drained = resolve;
      if (signal.aborted || this.#connections.size === 0) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping = true;
    this.#closeListeners();
    for (const socket of this.#waiting) socket.destroy();
    const drained = new Promise<void>(resolve => {
      this.#drained = resolve;
    });
    const dropAll = () => {
      for (const connection of this.#connections) connection.close([421, 'The server is shutting down']);
    };
    if (signal.aborted) dropAll();
    else signal.addEventListener('abort', dropAll, { once: true });
    for (const connection of this.#connections) connection.finish();
    if (this.#connections.size > 0) await drained;
    signal.removeEventListener('abort', dropAll);
    // Only now: data connections of transfers that might finish had to be let in.
    this.context.proxy.stop();
  }

  #closeListeners(): void {
    for (const listener of this.#listeners) if (listener.listening) listener.close();
  }

  #contextOf(): ConnectionContext {
    const { passive, tls } = this.options;
    const { login, log, worker, certificates, proxy } = this.context;
    return {
      options: this.options,
      login,
      log,
      pool: new BufferPool(),
      reads: new SharedReads(),
      ports: new PassivePorts({ ...passive, ports: sliceOf(passive.ports, worker) }, proxy),
      certificates: tls === 'off' ? undefined : certificates,
      closed: connection => this.#closed(connection),
    };
  }

  async #listen(host: string, port: number, implicit: boolean): Promise<ListenAddress> {
    const listener = createServer({ noDelay: true }, socket =>
      this.context.proxy.receive(socket, header => this.#accept(socket, implicit, header?.destination?.address)),
    );
    this.#listeners.push(listener);
    try {
      await bind(listener, host, port);
    } catch (error) {
      // A machine without IPv6.
      if (host !== EVERY_ADDRESS || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(errno(error)))
        throw listenFailure(error, host, port, implicit);
      await bind(listener, EVERY_IPV4_ADDRESS, port).catch((second: unknown) => {
        throw listenFailure(second, EVERY_IPV4_ADDRESS, port, implicit);
      });
    }
    listener.on('error', error => this.context.log.error({ err: error }, 'The listener failed'));
    return { host, port: (listener.address() as AddressInfo).port, tls: implicit };
  }

  #accept(socket: Socket, implicit: boolean, reached: string | undefined): void {
    const { remoteAddress } = socket;
    const connect = this.#connect;
    if (this.#stopping || !remoteAddress || !connect) {
      refuse(socket, implicit);
      return;
    }
    // Clients that open many connections at once are greeted in turn, as their address has a place for the next one.
    this.#waiting.add(socket);
    const leave = this.context.login.admitInTurn(remoteAddress, admission => {
      this.#waiting.delete(socket);
      if (!admission || socket.destroyed) {
        admission?.release();
        refuse(socket, implicit);
        return;
      }
      const connection = connect(socket, admission, reached);
      this.#connections.add(connection);
      connection.start(implicit ? this.context.certificates : undefined);
    });
    if (!this.#waiting.has(socket)) return;
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#waiting.delete(socket);
      leave();
    });
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#drained?.();
  }
}

/** Tells a client that speaks plain text that it may come later, and waits for nobody. */
function refuse(socket: Socket, implicit: boolean): void {
  socket.on('error', () => undefined);
  if (!implicit) socket.write('421 No more connections now, come back later\r\n');
  socket.destroySoon();
}

/** The ports of one worker among those of a machine. Throws 'invalid-request' when they are too few to be of use. */
function sliceOf({ first, last }: PortRange, { index, count }: { readonly index: number; readonly count: number }): PortRange {
  if (first === 0 || count <= 1) return { first, last };
  const share = Math.floor((last - first + 1) / count);
  if (share < MIN_PORTS)
    throw new HubError('invalid-request', `protocols.ftp.passive.ports: each of ${count} workers needs ${MIN_PORTS} ports`);
  return { first: first + index * share, last: first + (index + 1) * share - 1 };
}

async function bind(listener: NetServer, host: string, port: number): Promise<void> {
  const listening = once(listener, 'listening');
  listener.listen({ host, port });
  await listening;
}

function errno(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}

function listenFailure(error: unknown, host: string, port: number, implicit: boolean): HubError {
  const code = errno(error);
  const option = implicit ? 'protocols.ftp.implicitPort' : 'protocols.ftp.port';
  const message =
    code === 'EADDRINUSE'
      ? `Port ${port} is already in use by another program: end it, or set ${option} to a free port`
      : code === 'EACCES'
        ? `Port ${port} may not be opened by this account: set ${option} to one above 1023`
        : `Cannot listen on ${host}, port ${port} (${code}): check protocols.ftp.host and ${option}`;
  return new HubError('unavailable', message, { cause: toHubError(error) });
}
