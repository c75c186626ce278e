import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { type Certificates, HubError } from '#core/api.js';

const TICKET_KEY_BYTES = 48;

/**
 * The server's side of TLS on `stream`. `named` is what the client asked for by HOST, for those that send no SNI. With `resumes: false`
 * no earlier session counts.
 */
export function secureSocket(
  stream: Duplex,
  certificates: Certificates,
  { named, resumes = true }: { readonly named: string | undefined; readonly resumes?: boolean },
): TLSSocket {
  const { SNICallback, ...options } = certificates.tlsOptions(named);
  const fresh = { ...options, ticketKeys: randomBytes(TICKET_KEY_BYTES), sessionIdContext: 'data' };
  const socket = new TLSSocket(
    stream as Socket,
    resumes ? { ...options, SNICallback, isServer: true } : { ...fresh, secureContext: createSecureContext(fresh), isServer: true },
  );
  // Whoever uses it hears of its errors; one that comes when nobody does must not end the process.
  socket.on('error', () => undefined);
  socket.disableRenegotiation();
  // Without a tls.Server, Node tells of a client that negotiates anew, or of a damaged record, by this alone, and goes on.
  socket.on('_tlsError', error => setImmediate(() => socket.destroy(error)));
  return socket;
}

/** Resolves when the handshake is done; rejects with 'unavailable' when it fails or the client leaves. Whoever waits bounds the time. */
export function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error?: unknown) =>
      reject(new HubError('unavailable', 'The TLS handshake failed', error instanceof Error ? { cause: error } : {}));
    // Node tells of a client that leaves within the handshake by 'end' alone, and keeps what was written to it.
    const failures = ['end', '_tlsError', 'error', 'close'] as const;
    // Not within the handshake's own callback: a socket that is dropped there takes the process with it.
    socket.once('secure', () => {
      socket.off('end', failed);
      setImmediate(() => {
        resolve();
        for (const name of failures) socket.off(name, failed);
      });
    });
    for (const name of failures) socket.once(name, failed);
  });
}

const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
/** In TLS 1.3 an alert looks like data: two bytes, its type and the tag of the cipher. */
const HIDDEN_ALERT_BYTES = 2 + 1 + 16;
const HEADER_BYTES = 5;
const BUFFERED_BYTES = 1024 * 1024;

/**
 * What a client sends on its way into TLS, with its records counted: Node does not tell a connection that was ended by the client from
 * one that was cut, and an upload that was cut must not be taken for a whole one. Every record that is counted was also authenticated
 * by TLS, which fails otherwise.
 */
export class RecordTap extends Duplex {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #missingBytes = 0;
  #lastType = 0;
  #lastBytes = 0;
  #hiddenAlerts = 0;
  #ended = false;
  #held = false;

  constructor(private readonly socket: Socket) {
    super({ readableHighWaterMark: BUFFERED_BYTES });
    socket.on('data', (chunk: Buffer) => {
      this.#count(chunk);
      // TLS takes it within the call while it reads; what waits for that must not lie in a buffer that is read into again.
      const taken = this.readableFlowing === true && this.readableLength === 0;
      if (!this.push(taken ? chunk : Buffer.from(chunk))) socket.pause();
    });
    // A client that does not wait for our side of TLS resets the connection after its last byte: what came before counts.
    socket.on('error', () => undefined);
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  /** Whether the last thing that came was the client's close_notify. `twoByteChunks` is how often TLS gave out two bytes at once. */
  wasClosed(protocol: string | null, twoByteChunks: number): boolean {
    if (this.#headerBytes > 0 || this.#missingBytes > 0) return false;
    if (protocol !== 'TLSv1.3') return this.#lastType === ALERT;
    return this.#lastBytes === HIDDEN_ALERT_BYTES && this.#hiddenAlerts > twoByteChunks;
  }

  /** Stops reading, but for what was read already, until resumeReading(). */
  holdReading(): void {
    this.#held = true;
    this.socket.pause();
  }

  resumeReading(): void {
    this.#held = false;
    this.socket.resume();
  }

  override _read(): void {
    if (!this.#held) this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.socket.writable) this.socket.write(chunk, () => done());
    else done();
  }

  override _final(done: () => void): void {
    // It has ended by itself where the client has ended it.
    if (!this.socket.writableEnded) this.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  #end(): void {
    if (!this.#ended) this.push(null);
    this.#ended = true;
  }

  #count(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#missingBytes > 0) {
        const passed = Math.min(this.#missingBytes, chunk.length - at);
        this.#missingBytes -= passed;
        at += passed;
      } else {
        this.#header[this.#headerBytes++] = chunk[at++]!;
        if (this.#headerBytes === HEADER_BYTES) this.#begin();
      }
    }
  }

  #begin(): void {
    this.#headerBytes = 0;
    this.#lastType = this.#header[0]!;
    this.#lastBytes = this.#header.readUInt16BE(3);
    this.#missingBytes = this.#lastBytes;
    if (this.#lastBytes === HIDDEN_ALERT_BYTES && this.#lastType > CHANGE_CIPHER_SPEC) this.#hiddenAlerts++;
  }
}
