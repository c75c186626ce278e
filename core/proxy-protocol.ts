import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { toHubError } from './errors.js';
import type { Logger } from './log.js';
import { addressWithin, canonicalAddress } from './net.js';
import { type Endpoint, type ProxyHeader, parseProxyHeader } from './proxy-header.js';

/** Which peers pass connections of others on, and how long their headers may take. */
export interface ProxyProtocolOptions {
  /** Addresses and ranges. With none, no header is read from anybody. */
  readonly trusted: readonly string[];
  readonly timeoutMs: number;
  readonly log: Logger;
}

/** Connections of trusted peers whose header is still to come; those beyond are dropped. */
const MAX_WAITING = 1_024;
/** A proxy that is set up wrongly is told of this often, not with every connection. */
const WARN_INTERVAL_MS = 60_000;

/**
 * The PROXY protocol, versions 1 and 2, at the listeners of one server: what a trusted peer says before the first byte of a
 * connection is whom it comes from. From such a peer the header has to come; from others none is read.
 */
export class ProxyProtocol {
  readonly #waiting = new Set<Socket>();
  #warnedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(private readonly options: ProxyProtocolOptions) {}

  /** Whether any peer is trusted. */
  get enabled(): boolean {
    return this.options.trusted.length > 0;
  }

  /**
   * Calls `accept` when it is known whom `socket` comes from: at once, or when the header of a trusted peer has come, which is then
   * given, with `remoteAddress` and `remotePort` of the socket those that it names. What follows the header is put back into the
   * socket. A peer that sends anything else, or takes too long, is dropped, and `accept` is never called.
   */
  receive(socket: Socket, accept: (header?: ProxyHeader) => void): void {
    if (!this.enabled || !addressWithin(canonicalAddress(socket.remoteAddress ?? ''), this.options.trusted)) {
      accept();
      return;
    }
    const peer = socket.remoteAddress;
    const ignore = () => undefined;
    socket.on('error', ignore);
    if (this.#stopped || this.#waiting.size >= MAX_WAITING) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    const settle = () => {
      this.#waiting.delete(socket);
      clearTimeout(timer);
      socket.off('readable', read).off('end', gone).off('close', settle);
    };
    const drop = (reason: string) => {
      settle();
      this.#warn(peer, reason);
      socket.destroy();
    };
    // A probe that only looks whether the port is open.
    const gone = () => {
      settle();
      socket.destroy();
    };
    const timer = setTimeout(() => drop('The header of the PROXY protocol did not come in time'), this.options.timeoutMs);
    let bytes: Buffer = Buffer.alloc(0);
    const read = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length === 0) return;
      let header: ProxyHeader | undefined;
      try {
        header = parseProxyHeader(bytes);
      } catch (error) {
        drop(toHubError(error).message);
        return;
      }
      if (!header) return;
      settle();
      if (bytes.length > header.bytes) socket.unshift(bytes.subarray(header.bytes));
      if (header.source) presentAs(socket, header.source);
      accept(header);
      socket.off('error', ignore);
    };
    socket.on('readable', read).on('end', gone).on('close', settle);
  }

  /** Has `listener` read headers before HTTP or TLS; its requests then come from whom they name. To be called before it listens. */
  serve(listener: HttpServer | HttpsServer): void {
    if (!this.enabled) return;
    const handlers = listener.listeners('connection') as ((socket: Socket) => void)[];
    const sources = new Map<string, Endpoint>();
    listener.removeAllListeners('connection');
    listener.on('connection', (socket: Socket) => {
      // The socket that TLS puts around this one knows it by its true peer.
      const peer = peerOf(socket);
      this.receive(socket, header => {
        if (header?.source) sources.set(peer, header.source);
        socket.once('close', () => sources.delete(peer));
        for (const handle of handlers) handle.call(listener, socket);
      });
    });
    listener.prependListener('secureConnection', (socket: Socket) => {
      const source = sources.get(peerOf(socket));
      if (source) presentAs(socket, source);
    });
  }

  /** Drops those whose header has not come, and all that come from now on. */
  stop(): void {
    this.#stopped = true;
    for (const socket of this.#waiting) socket.destroy();
  }

  #warn(peer: string | undefined, reason: string): void {
    const now = performance.now();
    const often = now - this.#warnedAt < WARN_INTERVAL_MS;
    if (!often) this.#warnedAt = now;
    this.options.log[often ? 'debug' : 'warn']({ peer, reason }, 'a trusted proxy was dropped');
  }
}

/** Has `socket` say that it comes from `source`. */
export function presentAs(socket: Socket, { address, port }: Endpoint): void {
  Object.defineProperties(socket, {
    remoteAddress: { value: address, configurable: true },
    remotePort: { value: port, configurable: true },
    remoteFamily: { value: address.includes(':') ? 'IPv6' : 'IPv4', configurable: true },
  });
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
