import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Certificates, HubError } from '#core/api.js';
import { type DataPort, wasReset } from './data-port.js';
import type { FtpOptions } from './options.js';
import { handshake, RecordTap, secureSocket } from './secure.js';
import type { SharedReads, Taker } from './shared-reads.js';

/** How data connections are protected; absent where they go in plain text. */
export interface Protection {
  readonly certificates: Certificates;
  readonly named: string | undefined;
  readonly sessionReuse: FtpOptions['sessionReuse'];
}

/** How long a client may take to close a connection after the last byte. */
const LINGER_MS = 5_000;

/** The data connection of one transfer. */
export class Channel {
  #stream: Socket | TLSSocket | undefined;
  #socket: Socket | undefined;
  #tap: RecordTap | undefined;
  #aborted: HubError | undefined;
  #onAbort: ((reason: HubError) => void) | undefined;

  constructor(
    private readonly port: DataPort,
    private readonly protection: Protection | undefined,
    private readonly timeoutMs: number,
    private readonly reads: SharedReads,
  ) {}

  /**
   * The stream, ready for the first byte. `receives` says that the client sends. Throws 'unavailable' when no connection comes in
   * time, or its handshake fails; what abort() was given when that came first.
   */
  async open(receives: boolean): Promise<Socket | TLSSocket> {
    const stream = await this.#within(this.#open(receives));
    this.#stream = stream;
    return stream;
  }

  /** Ends the transfer: whatever waits for this channel hears of `reason`. Safe to call twice. */
  abort(reason: HubError): void {
    this.#aborted ??= reason;
    this.#onAbort?.(this.#aborted);
    this.port.close();
    // TLS goes first: it still points into the socket below.
    (this.#stream ?? this.#socket)?.destroy(this.#aborted);
  }

  /** Throws what abort() was given. */
  throwIfAborted(): void {
    if (this.#aborted) throw this.#aborted;
  }

  /** Hands what the client sends to `take`, as it comes. Only when it was opened to receive. */
  read(take: Taker): void {
    this.reads.read(this.#stream!, take);
  }

  /** Stops reading, but for what was read already, until resume(). */
  pause(): void {
    if (this.#tap) this.#tap.holdReading();
    else this.#socket?.pause();
  }

  resume(): void {
    if (this.#tap) this.#tap.resumeReading();
    else this.#socket?.resume();
  }

  /** Lets the client take what is on its way, and closes. */
  close(): void {
    const stream = this.#stream;
    if (!stream || stream.destroyed) return;
    stream.on('error', () => undefined);
    stream.resume();
    if (!stream.writableEnded) stream.end();
    const timer = setTimeout(() => stream.destroy(), LINGER_MS).unref();
    stream.once('close', () => clearTimeout(timer));
  }

  /** Drops the connection at once. */
  drop(): void {
    this.port.close();
    (this.#stream ?? this.#socket)?.destroy();
  }

  /** Whether a client that sent has ended the connection itself, and nobody cut it. To be asked when it has just ended. */
  endedByClient(twoByteChunks: number): boolean {
    if (!this.#tap) return this.#socket !== undefined && !wasReset(this.#socket);
    return this.#tap.wasClosed((this.#stream as TLSSocket).getProtocol(), twoByteChunks);
  }

  async #open(receives: boolean): Promise<Socket | TLSSocket> {
    const accepted = await this.port.connect();
    const socket = receives ? this.reads.replace(accepted) : accepted;
    this.#socket = socket;
    if (this.#aborted) {
      socket.destroy();
      throw this.#aborted;
    }
    if (!this.protection) return socket;
    const { certificates, named, sessionReuse } = this.protection;
    this.#tap = receives ? new RecordTap(socket) : undefined;
    const secure = secureSocket(this.#tap ?? socket, certificates, { named, resumes: sessionReuse !== 'off' });
    this.#stream = secure;
    await handshake(secure);
    if (sessionReuse === 'require' && !secure.isSessionReused())
      throw new HubError('unavailable', 'The data connection has to resume a TLS session of this server');
    return secure;
  }

  #within<T>(opening: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.abort(new HubError('unavailable', 'No data connection was opened in time')), this.timeoutMs);
      this.#onAbort = reject;
      if (this.#aborted) reject(this.#aborted);
      opening.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
