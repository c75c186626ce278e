import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HubError, type Transfer, toHubError } from '#core/api.js';
import { FromNetwork, ToNetwork } from './ascii.js';
import type { Channel } from './channel.js';

/** What is gathered before it is written: larger writes were no faster, smaller ones were slower. */
const GATHERED_BYTES = 1024 * 1024;
/** Received and not yet written, at which the client is not read. */
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const KEPT_BUFFERS = 16;

/** Buffers for file contents, shared by all connections of a server, so that an idle one holds none. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
  }
}

/** Takes an upload from its data connection. */
export class Receiver {
  #pieces: Buffer[] = [];
  #gatheredBytes = 0;
  #writingBytes = 0;
  #twoByteChunks = 0;
  readonly #ascii: FromNetwork | undefined;

  constructor(
    private readonly channel: Channel,
    private readonly transfer: Transfer,
    private position: number,
    ascii: boolean,
  ) {
    this.#ascii = ascii ? new FromNetwork() : undefined;
  }

  /**
   * Writes all that comes until the client ends the connection; gives where the file then ends. What was handed to the transfer last
   * may be under way still: close() waits for it, and fails with it. Throws 'aborted' when the connection breaks, or is ended over TLS
   * by anyone but the client; what a write threw; and what the channel was aborted with.
   */
  async receive(stream: Socket | TLSSocket): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown) => reject(error instanceof HubError ? error : lost(error));
      stream.on('data', (chunk: Buffer) => this.#take(stream, chunk, fail));
      const ended = () => {
        if (this.channel.endedByClient(this.#twoByteChunks)) resolve();
        else fail(new HubError('aborted', 'The data connection was cut'));
      };
      stream.once('end', ended);
      stream.once('error', fail);
      stream.once('close', () => fail(undefined));
      // A client with nothing to send may have ended while its handshake was looked at.
      if (stream.readableEnded) ended();
      else if (stream.destroyed) fail(undefined);
      stream.resume();
    });
    const held = this.#ascii?.end();
    if (held?.length) this.#add(held);
    void this.#write(stream, () => undefined);
    return this.position;
  }

  #take(stream: Socket | TLSSocket, chunk: Buffer, fail: (error: unknown) => void): void {
    if (chunk.length === 2) this.#twoByteChunks++;
    this.#add(this.#ascii ? this.#ascii.convert(chunk) : chunk);
    if (this.#gatheredBytes >= GATHERED_BYTES && this.#writingBytes === 0) void this.#write(stream, fail);
    else if (this.#gatheredBytes + this.#writingBytes > MAX_UNWRITTEN_BYTES) stream.pause();
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#gatheredBytes += piece.length;
  }

  /** Never rejects. */
  async #write(stream: Socket | TLSSocket, fail: (error: unknown) => void): Promise<void> {
    if (this.#gatheredBytes === 0) return;
    const [pieces, bytes, position] = [this.#pieces, this.#gatheredBytes, this.position];
    this.#pieces = [];
    this.#gatheredBytes = 0;
    this.#writingBytes += bytes;
    this.position += bytes;
    try {
      await this.transfer.writev(pieces, position);
    } catch (error) {
      fail(toHubError(error));
      return;
    }
    this.#writingBytes -= bytes;
    if (stream.isPaused()) stream.resume();
    if (this.#gatheredBytes >= GATHERED_BYTES && this.#writingBytes === 0) void this.#write(stream, fail);
  }
}

/** Sends a file over its data connection. */
export class Sender {
  readonly #ascii: ToNetwork | undefined;
  #first: Promise<Buffer | undefined> | undefined;

  constructor(
    private readonly pool: BufferPool,
    private readonly transfer: Transfer,
    private position: number,
    ascii: boolean,
  ) {
    this.#ascii = ascii ? new ToNetwork() : undefined;
  }

  /** Reads the beginning while the client still connects. */
  prepare(): void {
    this.#first = this.#read();
    this.#first.catch(() => undefined);
  }

  /** Sends what is left of the file; resolves when the network took all of it. Throws 'aborted' when the client leaves, or what a read threw. */
  async send(stream: Socket | TLSSocket): Promise<void> {
    let next = this.#first ?? this.#read();
    for (let chunk = await next; chunk; chunk = await next) {
      const sent = write(stream, this.#ascii ? this.#ascii.convert(chunk) : chunk);
      next = this.#read();
      next.catch(() => undefined);
      await sent;
      this.#giveBack(chunk);
    }
    await end(stream);
  }

  async #read(): Promise<Buffer | undefined> {
    const buffer = this.pool.take();
    const count = await this.transfer.read(buffer, this.position);
    if (count === 0) {
      this.pool.give(buffer);
      return undefined;
    }
    this.position += count;
    return buffer.subarray(0, count);
  }

  #giveBack(chunk: Buffer): void {
    this.pool.give(Buffer.from(chunk.buffer, 0, READ_BYTES));
  }
}

/** Writes `data`; resolves when the network took it. Throws 'aborted' when it cannot. */
export function write(stream: Socket | TLSSocket, data: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, error => (error ? reject(brokenBy(error)) : resolve()));
  });
}

/** Ends the stream; resolves when the network took everything. Throws 'aborted' when it cannot. */
export function end(stream: Socket | TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error?: Error) => reject(brokenBy(error));
    stream.once('error', failed);
    stream.once('close', failed);
    stream.end(resolve);
  });
}

function brokenBy(error: Error | undefined): HubError {
  return error instanceof HubError ? error : lost(error);
}

function lost(cause: unknown): HubError {
  return new HubError('aborted', 'The data connection was closed; transfer aborted', cause instanceof Error ? { cause } : {});
}
