import type { InjectionToken } from 'tsyringe';
import type { ZodType } from 'zod';
import type { LoginService } from './auth/login.js';
import type { Logger } from './log.js';
import type { ProxyProtocol } from './proxy-protocol.js';
import type { Certificates } from './tls/certificates.js';

/** A server that clients connect to. One instance a process; the workers of a machine share its ports. */
export interface ProtocolServer {
  /** Binds its listeners; resolves to the addresses bound, once they accept connections. */
  start(): Promise<readonly ListenAddress[]>;
  /** Stops accepting, for another process that goes on; clients go on as before. Resolves when none is left, or `signal` aborts. stop() follows. */
  retire?(signal: AbortSignal): Promise<void>;
  /** Stops accepting and lets transfers finish; when `signal` aborts, drops those left. */
  stop(signal: AbortSignal): Promise<void>;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Whether the listener speaks TLS from the first byte: false for SSH, which encrypts by itself, and for FTP that turns to TLS later. Of a session, SessionInfo.tls tells. */
  readonly tls: boolean;
  /** What a browser is to open, where that is more than scheme, host and port. */
  readonly url?: string;
  /** What a client should see and compare: 'ED25519 SHA256:…'. */
  readonly fingerprints?: readonly string[];
}

/** A key by which clients know a server. */
export interface HostKeyInfo {
  /** 'ed25519', 'ecdsa' or 'rsa'. */
  readonly kind: string;
  /** 'offered' to clients; 'next' after a rotation, and announced to those who ask; or 'old' from before one. */
  readonly state: 'offered' | 'next' | 'old';
  /** As OpenSSH writes it: 'SHA256:…'. */
  readonly fingerprint: string;
  /** The line for a client's known_hosts, without the host. */
  readonly publicKey: string;
}

/** The host keys of a server, for administrators. */
export interface HostKeyRing {
  /** Where their files are. */
  readonly directory: string;
  list(): Promise<readonly HostKeyInfo[]>;
  /** Makes the keys to offer that are missing. */
  make(): Promise<void>;
  /** Makes the next key of a kind, so that clients can be told before it is offered. Throws 'already-exists', or 'invalid-request' for an unknown kind. */
  add(kind: string): Promise<HostKeyInfo>;
  /** Offers the next key of a kind, made when there is none, and keeps the one before as 'old'. Throws 'invalid-request' for an unknown kind. */
  rotate(kind: string): Promise<HostKeyInfo>;
  /** Forgets a key that is 'next' or 'old'. Throws 'not-found', or 'invalid-request' for one that is offered. */
  remove(fingerprint: string): Promise<HostKeyInfo>;
}

/** A kind of server, as an extension registers it. */
export interface ProtocolType<Options = unknown> {
  /** Also its section `protocols.<name>` of the configuration, and the protocol in sessions and events. */
  readonly name: string;
  readonly options: ZodType<Options>;
  create(options: Options, context: ProtocolContext): ProtocolServer;
  /** The host keys of such a server, running or not. */
  hostKeys?(options: Options, dataDirectory: string): HostKeyRing;
}

export interface ProtocolContext {
  readonly login: LoginService;
  /** For listeners that speak TLS. */
  readonly certificates: Certificates;
  /** Tells whom connections come from that a trusted proxy passes on; every listener hands its sockets through it. */
  readonly proxy: ProxyProtocol;
  readonly log: Logger;
  /** Absolute path of the data directory: for host keys and the like. */
  readonly dataDirectory: string;
  /** This process among those serving on this machine; FTP divides its passive ports by it. */
  readonly worker: { readonly index: number; readonly count: number };
  /** Any service of the hub. For web; what api.ts does not export may change without notice. */
  resolve<T>(token: InjectionToken<T>): T;
}
