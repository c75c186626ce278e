import { connect, isIP, type Socket } from 'node:net';
import { HubError } from '#core/api.js';

/** Where a data connection will come from, or go to. */
export interface DataPort {
  /** The connection, paused, once it is there; it then is the caller's, who bounds the time. After close() it never comes. Called once. */
  connect(): Promise<Socket>;
  /** Stops waiting, and drops a connection that nobody has taken. Safe to call twice. */
  close(): void;
}

/** A client that listens itself (PORT, EPRT). */
export class ActivePort implements DataPort {
  #socket: Socket | undefined;

  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly localAddress: string,
  ) {}

  connect(): Promise<Socket> {
    const socket = connect({ host: this.host, port: this.port, localAddress: this.localAddress, noDelay: true });
    this.#socket = socket;
    socket.pause();
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        this.#socket = undefined;
        resolve(socket);
      });
      socket.on('error', cause => reject(new HubError('unavailable', 'The data connection could not be opened', { cause })));
    });
  }

  close(): void {
    this.#socket?.destroy();
  }
}

/** The address and port in the argument of PORT. Throws 'invalid-request'. */
export function parsePort(argument: string): { readonly host: string; readonly port: number } {
  const numbers = argument.split(',').map(part => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : 256));
  if (numbers.length !== 6 || numbers.some(number => number > 255)) throw new HubError('invalid-request', 'Expected h1,h2,h3,h4,p1,p2');
  return { host: numbers.slice(0, 4).join('.'), port: numbers[4]! * 256 + numbers[5]! };
}

/** The address and port in the argument of EPRT (RFC 2428). Throws 'invalid-request', or 'unsupported' for a family that is neither 1 nor 2. */
export function parseExtendedPort(argument: string): { readonly host: string; readonly port: number } {
  const [before, family, host = '', port = '', after] = argument.split(argument[0] ?? '|');
  if (before !== '' || after !== '' || !/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new HubError('invalid-request', 'Expected |family|address|port|');
  if (family !== '1' && family !== '2') throw new HubError('unsupported', 'Network protocol not supported, use (1,2)');
  if (isIP(host) !== (family === '1' ? 4 : 6)) throw new HubError('invalid-request', 'The address is not of that family');
  return { host, port: Number(port) };
}

/** An IPv4 address that came through a dual-stack socket, in its own spelling. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '') ?? '';
}

/**
 * Whether the client has reset the connection. Node reports a reset that came with the last data as an orderly end; only that the
 * kernel no longer knows the other side tells them apart.
 */
export function wasReset(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { getpeername?(result: object): number } | null };
  return (handle?.getpeername?.({}) ?? 0) < 0;
}
