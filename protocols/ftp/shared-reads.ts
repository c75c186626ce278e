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
}

/** The same for what TLS has decrypted; `bytesRead` counts it. */
interface SecureHandle {
  onread?: unknown;
  readonly bytesRead?: unknown;
  useUserBuffer?(buffer: Buffer): void;
}

/** Takes a piece of what arrived. It lies in a buffer that is read into again: what is to stay is copied within the call. */
export type Taker = (chunk: Buffer) => void;

/**
 * Lets all uploads of a server be read into one buffer, which stays in the processor's cache, instead of a new one for each read: those
 * are garbage by the gigabyte, and four clients at once kept the collector busier than the cipher. Knows private parts of Node, and
 * reads as Node does wherever one of them is missing.
 */
export class SharedReads {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  /**
   * The socket to be used in place of `accepted`, which is paused and is not to be used any more. Each 'data' of it is for the call
   * only. Where Node does not show its handle, `accepted` itself.
   */
  replace(accepted: Socket): Socket {
    const { _handle: handle } = accepted as unknown as { _handle?: Handle | null };
    if (typeof handle?.readStart !== 'function' || accepted.destroyed) return accepted;
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
