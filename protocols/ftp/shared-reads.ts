import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** As much as is read at once: a read that takes all that arrived saves calls and turns. */
const READ_BYTES = 256 * 1024;
/** The most that a record of TLS holds. */
const RECORD_BYTES = 16 * 1024;

/** What Node reads a socket by. */
interface Handle {
  reading?: boolean;
  readStart?(): void;
  readStop(): void;
  useUserBuffer?(buffer: Buffer): void;
}

/** The same for what TLS has decrypted; `bytesRead` counts it. */
interface SecureHandle {
  onread?: unknown;
  readonly bytesRead?: unknown;
  useUserBuffer?(buffer: Buffer): void;
}

/** The properties of a socket that hold the buffer which it is read into, and what is told of each read. */
type SocketKeys = readonly [buffer: symbol, callback: symbol];

/** Takes a piece of what arrived. It lies in a buffer that is read into again: what is to stay is copied within the call. */
export type Taker = (chunk: Buffer) => void;

/**
 * Lets all uploads of a server be read into one buffer, which stays in the processor's cache, instead of a new one for each read: those
 * are garbage by the gigabyte, and four clients at once kept the collector busier than the cipher. Knows private parts of Node, and
 * reads as Node does wherever one of them is missing.
 */
export class SharedReads {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  /** Null where sockets have none. */
  #keys: SocketKeys | null | undefined;

  /**
   * The socket to be used in place of `accepted`, which is paused; the same or another one. Each 'data' of it is for the call only.
   * Where Node does not show its handle, nothing is changed.
   */
  replace(accepted: Socket): Socket {
    const { _handle: handle } = accepted as unknown as { _handle?: Handle | null };
    if (typeof handle?.readStart !== 'function' || typeof handle.useUserBuffer !== 'function' || accepted.destroyed) return accepted;
    if (this.#takeOver(accepted, handle)) return accepted;
    const early: Buffer | null = accepted.read();
    // One that was read from goes on reading by itself.
    if (handle.reading === true) {
      handle.reading = false;
      handle.readStop();
    }
    const onread = { buffer: this.#buffer, callback: (count: number) => socket.emit('data', this.#buffer.subarray(0, count)) };
    const socket = new Socket({ handle, manualStart: true, onread } as ConstructorParameters<typeof Socket>[0]);
    socket.on('error', () => undefined).pause();
    Object.assign(accepted, { _handle: null });
    if (early) socket.unshift(early);
    return socket;
  }

  /** Gives the buffer to the socket as it is, which saves making another one; false where Node does not show how. */
  #takeOver(accepted: Socket, handle: Handle): boolean {
    if (this.#keys === undefined) this.#keys = keysOf(accepted);
    if (!this.#keys || accepted.readableLength > 0 || handle.reading === true) return false;
    const [buffer, callback] = this.#keys;
    handle.useUserBuffer?.(this.#buffer);
    Object.assign(accepted, {
      [buffer]: this.#buffer,
      [callback]: (count: number) => accepted.emit('data', this.#buffer.subarray(0, count)),
    });
    return true;
  }

  /** Begins to read `stream`, whose chunks are `take`n in order, each as it came: TLS gives one for each record. */
  read(stream: Socket | TLSSocket, take: Taker): void {
    stream.on('data', take);
    stream.resume();
    // What is there already comes first; read() gives it out by 'data', piece by piece.
    while (stream.read() !== null);
    if ('encrypted' in stream) this.#readDecrypted(stream, take);
  }

  #readDecrypted(secure: TLSSocket, take: Taker): void {
    const { _handle: handle } = secure as unknown as { _handle?: SecureHandle | null };
    if (!handle || typeof handle.useUserBuffer !== 'function' || typeof handle.bytesRead !== 'number') return;
    const { onread } = handle;
    if (typeof onread !== 'function') return;
    // Not the buffer into which the socket below is read: that holds the records that follow.
    const buffer = Buffer.allocUnsafe(RECORD_BYTES);
    let known = handle.bytesRead;
    handle.useUserBuffer(buffer);
    handle.onread = function (this: unknown, ...words: unknown[]): unknown {
      const count = (handle.bytesRead as number) - known;
      known += count;
      // Node itself hears of the end, and of errors.
      if (count === 0) return onread.apply(this, words);
      if (!secure.destroyed) take(buffer.subarray(0, count));
    };
  }
}

function keysOf(socket: Socket): SocketKeys | null {
  const keys = Object.getOwnPropertySymbols(socket);
  const [buffer, callback] = ['kBuffer', 'kBufferCb'].map(name => keys.find(key => key.description === name));
  return buffer && callback ? [buffer, callback] : null;
}
