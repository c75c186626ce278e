import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { resolve } from 'node:path';
import ssh2, { type ClientInfo, type ServerConfig, type Connection as SshConnection, type Server as SshServer } from 'ssh2';
import {
  HubError,
  type ListenAddress,
  type ProtocolContext,
  type ProtocolServer,
  type ProxyHeader,
  presentAs,
  toHubError,
} from '#core/api.js';
import { BufferPool } from './buffers.js';
import { UserCertificates } from './certificates.js';
import { Connection, type ConnectionContext } from './connection.js';
import { HostKeyFiles } from './host-key-files.js';
import { type HostKey, loadHostKeys } from './host-keys.js';
import { SharedReads } from './inbound.js';
import { offeredExchanges } from './key-exchanges.js';
import type { SftpOptions } from './options.js';
import { takeMessagesWhileRekeying } from './rekeying.js';

const EVERY_ADDRESS = '::';
const EVERY_IPV4_ADDRESS = '0.0.0.0';
const KEEP_ALIVE_QUESTIONS = 3;
/** How often it is looked whether the host keys were rotated. */
const HOST_KEY_CHECK_MS = 2_000;

/**
 * The SFTP server. Sockets are accepted here, so that they are counted and timed before anything is said, and handed
 * to ssh2 for the SSH protocol; the files of a client are reached through its session only.
 */
export class SftpServer implements ProtocolServer {
  readonly #arrivals = new SharedReads();
  readonly #net: NetServer = createServer({ noDelay: true, pauseOnConnect: true }, socket =>
    this.context.proxy.receive(socket, header => this.#accept(this.#arrivals.take(socket), header)),
  );
  readonly #connections = new Set<Connection>();
  /** Accepted, and greeted when their address has a place. */
  readonly #waiting = new Set<Socket>();
  /** By remote address and port: ssh2 names those when it reports a connection, and not the socket. */
  readonly #greeted = new Map<string, Connection>();
  #connectionContext: ConnectionContext | undefined;
  #ssh: SshServer | undefined;
  /** Those that are offered, and those that are announced. */
  #hostKeys: HostKeys = { offered: [], next: [] };
  #hostKeyTimer: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;
  #stopping = false;

  constructor(
    private readonly options: SftpOptions,
    private readonly context: ProtocolContext,
  ) {}

  /** Loads or makes the host keys and listens. Throws 'unavailable' when the port cannot be had, and what loadHostKeys() and UserCertificates.load() throw. */
  async start(): Promise<readonly ListenAddress[]> {
    if (!this.options.enabled) return [];
    this.#hostKeys = await this.#loadHostKeys();
    const certificates = await UserCertificates.load(this.options, this.context.dataDirectory);
    this.#connectionContext = this.#contextWith(certificates);
    const { offered } = this.#hostKeys;
    takeMessagesWhileRekeying();
    this.#ssh = this.#sshServer(offered);
    await this.#listen();
    this.#watchHostKeys();
    const { port } = this.#net.address() as AddressInfo;
    return [{ host: this.options.host, port, tls: false, fingerprints: offered.map(key => key.fingerprint) }];
  }

  async retire(signal: AbortSignal): Promise<void> {
    if (this.#net.listening) this.#net.close();
    await new Promise<void>(resolveDrained => {
      this.#drained = resolveDrained;
      if (signal.aborted || this.#connections.size === 0) resolveDrained();
      else signal.addEventListener('abort', () => resolveDrained(), { once: true });
    });
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#hostKeyTimer);
    if (this.#net.listening) this.#net.close();
    this.context.proxy.stop();
    for (const socket of this.#waiting) socket.destroy();
    const drained = new Promise<void>(resolveDrained => {
      this.#drained = resolveDrained;
    });
    const dropAll = () => {
      for (const connection of this.#connections) connection.drop('the server is shutting down', true);
    };
    if (signal.aborted) dropAll();
    else signal.addEventListener('abort', dropAll, { once: true });
    for (const connection of this.#connections) connection.finish();
    if (this.#connections.size > 0) await drained;
    signal.removeEventListener('abort', dropAll);
  }

  #contextWith(certificates: UserCertificates): ConnectionContext {
    const { handshakeTimeout, loginTimeout, maxTries } = this.options;
    const { login, log } = this.context;
    return {
      login,
      log,
      certificates,
      pool: new BufferPool(),
      arrivals: this.#arrivals,
      handshakeTimeoutMs: handshakeTimeout,
      loginTimeoutMs: loginTimeout,
      maxTries,
      commands: new Set<string>(this.options.commands),
      hostKeys: () => [...this.#hostKeys.offered, ...this.#hostKeys.next],
      closed: connection => this.#closed(connection),
    };
  }

  async #loadHostKeys(): Promise<HostKeys> {
    const directory = resolve(this.context.dataDirectory, this.options.hostKeys);
    const offered = await loadHostKeys(directory);
    return { offered, next: await new HostKeyFiles(directory).next() };
  }

  /** Clients that come after a rotation are shown the new keys; those who are connected notice nothing. */
  #watchHostKeys(): void {
    const check = async () => {
      const [before, now] = [this.#hostKeys, await this.#loadHostKeys()];
      this.#hostKeys = now;
      if (fingerprints(now.offered).join() === fingerprints(before.offered).join()) return;
      this.#ssh = this.#sshServer(now.offered);
      this.context.log.info({ fingerprints: fingerprints(now.offered) }, 'The host keys were changed');
    };
    this.#hostKeyTimer = setInterval(() => {
      check().catch((error: unknown) => this.context.log.error({ err: error }, 'The host keys could not be read; those from before stay'));
    }, HOST_KEY_CHECK_MS).unref();
  }

  #sshServer(keys: readonly HostKey[]): SshServer {
    const { algorithms, banner, keepAlive } = this.options;
    const config: ServerConfig = {
      hostKeys: offeredKeys(keys),
      ident: 'Entrepot',
      // Compression before the login would let strangers inflate data, and none of it makes files faster.
      algorithms: {
        kex: offeredExchanges(algorithms.kex),
        cipher: algorithms.ciphers,
        hmac: algorithms.macs,
        compress: ['none'],
        serverHostKey: SERVER_HOST_KEYS,
      },
      keepaliveInterval: keepAlive,
      keepaliveCountMax: KEEP_ALIVE_QUESTIONS,
      ...(banner === undefined ? {} : { banner: banner.endsWith('\n') ? banner : `${banner}\n` }),
    };
    const server = sshServer(config, (ssh, info) => this.#greet(ssh, info));
    server.on('error', (error: Error) => this.context.log.error({ err: error }, 'The SSH server failed'));
    return server;
  }

  async #listen(): Promise<void> {
    const { host, port } = this.options;
    try {
      await this.#bind(host);
    } catch (error) {
      // A machine without IPv6.
      if (host !== EVERY_ADDRESS || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(errno(error))) throw listenFailure(error, host, port);
      await this.#bind(EVERY_IPV4_ADDRESS).catch((second: unknown) => {
        throw listenFailure(second, EVERY_IPV4_ADDRESS, port);
      });
    }
    this.#net.on('error', error => this.context.log.error({ err: error }, 'The listener failed'));
  }

  async #bind(host: string): Promise<void> {
    const listening = once(this.#net, 'listening');
    this.#net.listen({ host, port: this.options.port });
    await listening;
  }

  #accept(socket: Socket, header: ProxyHeader | undefined): void {
    if (header?.source) presentAs(socket, header.source);
    const remoteAddress = plainAddress(socket.remoteAddress);
    const connectionContext = this.#connectionContext;
    if (this.#stopping || !remoteAddress || !connectionContext) {
      refuse(socket);
      return;
    }
    this.#waiting.add(socket);
    const leave = this.context.login.admitInTurn(remoteAddress, admission => {
      this.#waiting.delete(socket);
      if (admission) this.#serve(socket, new Connection(connectionContext, socket, admission, remoteAddress));
      else refuse(socket);
    });
    if (!this.#waiting.has(socket)) return;
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#waiting.delete(socket);
      leave();
    });
  }

  #serve(socket: Socket, connection: Connection): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    this.#connections.add(connection);
    this.#greeted.set(key, connection);
    socket.once('close', () => this.#greeted.delete(key));
    this.#ssh?.injectSocket(socket);
  }

  #greet(ssh: SshConnection, info: ClientInfo): void {
    const connection = this.#greeted.get(`${info.ip} ${info.port}`);
    if (connection) {
      connection.attach(ssh);
      return;
    }
    ssh.on('error', () => undefined);
    ssh.end();
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#drained?.();
  }
}

function refuse(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.destroy();
}

interface HostKeys {
  readonly offered: readonly HostKey[];
  readonly next: readonly HostKey[];
}

function fingerprints(keys: readonly HostKey[]): string[] {
  return keys.map(({ fingerprint }) => fingerprint);
}

/** As ssh2 takes them: an RSA key goes by the names of its SHA-2 signatures, since ssh2 offers SHA-1 beside them for one that goes by its own. */
function offeredKeys(keys: readonly HostKey[]): NonNullable<ServerConfig['hostKeys']> {
  return keys.flatMap(({ text }): (string | { readonly key: Buffer })[] => {
    const key = ssh2.utils.parseKey(text);
    if (key instanceof Error || key.type !== 'ssh-rsa') return [text];
    // Keys that are read already are taken too, which the types do not tell.
    return ['rsa-sha2-512', 'rsa-sha2-256'].map(type => ({ key: Object.assign(Object.create(key), { type }) }));
  });
}

/** RSA keys sign with SHA-2 only. */
const SERVER_HOST_KEYS: NonNullable<NonNullable<ServerConfig['algorithms']>['serverHostKey']> = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** ssh2 checks the algorithms against what this build of Node has. */
function sshServer(config: ServerConfig, greet: (ssh: SshConnection, info: ClientInfo) => void): SshServer {
  try {
    return new ssh2.Server(config, greet);
  } catch (cause) {
    throw new HubError('invalid-request', `protocols.sftp.algorithms: ${cause instanceof Error ? cause.message : 'not supported'}`, {
      cause,
    });
  }
}

/** An IPv4 address that came through a dual-stack socket, in its own spelling. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

function errno(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}

function listenFailure(error: unknown, host: string, port: number): HubError {
  const code = errno(error);
  const message =
    code === 'EADDRINUSE'
      ? `Port ${port} is already in use by another program: end it, or set protocols.sftp.port to a free port`
      : code === 'EACCES'
        ? `Port ${port} may not be opened by this account: set protocols.sftp.port to one above 1023`
        : `Cannot listen on ${host}, port ${port} (${code}): check protocols.sftp.host and protocols.sftp.port`;
  return new HubError('unavailable', message, { cause: toHubError(error) });
}
