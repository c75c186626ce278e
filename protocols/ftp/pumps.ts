import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HubError, type Transfer, toHubError } from '#core/api.js';
import { FromNetwork, ToNetwork } from './ascii.js';
import type { Channel } from './channel.js';

const BUFFER_BYTES = 256 * 1024;
/** Buffers that are gathered before they are written: larger writes were no faster, smaller ones were slower. */
const GATHERED_BUFFERS = 4;
/** Received and not yet written, at which the client is not read. */
const MAX_UNWRITTEN_BUFFERS = 16;
/** A chunk that is written where it lies, where that waits for nothing. */
const LARGE_BYTES = 64 * 1024;
const KEPT_BUFFERS = 16;

/** Buffers for file contents, shared by all connections of a server, so that an idle one holds none. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
  }
}

/** Takes an upload from its data connection. */
export class Receiver {
  /** Received, and not yet handed on to be written; all but the last are full. */
  #buffers: Buffer[] = [];
  #lastBytes = 0;
  #writing: readonly Buffer[] = [];
  #twoByteChunks = 0;
  #isPaused = false;
  #fail: (error: unknown) => void = () => undefined;
  #hasEnded = false;
  readonly #ascii: FromNetwork | undefined;

  constructor(
    private readonly pool: BufferPool,
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
      this.#fail = error => {
        if (!this.#hasEnded) reject(error instanceof HubError ? error : lost(error));
        this.#hasEnded = true;
      };
      const ended = () => {
        if (!this.channel.endedByClient(this.#twoByteChunks)) return this.#fail(new HubError('aborted', 'The data connection was cut'));
        this.#hasEnded = true;
        resolve();
      };
      stream.once('end', ended);
      stream.once('error', this.#fail);
      stream.once('close', () => this.#fail(undefined));
      // A client with nothing to send may have ended while its handshake was looked at.
      if (stream.readableEnded) ended();
      else if (stream.destroyed) this.#fail(undefined);
      else this.channel.read(chunk => this.#take(chunk));
    });
    const held = this.#ascii?.end();
    if (held?.length) this.#add(held);
    void this.#write();
    return this.position;
  }

  #take(chunk: Buffer): void {
    if (this.#hasEnded) return;
    if (chunk.length === 2) this.#twoByteChunks++;
    this.#add(this.#ascii ? this.#ascii.convert(chunk) : chunk);
    if (this.#writing.length === 0 && this.#isFull(GATHERED_BUFFERS)) void this.#write();
    if (!this.#isPaused && this.#buffers.length + this.#writing.length > MAX_UNWRITTEN_BUFFERS) {
      this.#isPaused = true;
      this.channel.pause();
    }
  }

  /** Copies `chunk`, which is for the call only; where the storage waits for nothing, it is written at once. */
  #add(chunk: Buffer): void {
    if (chunk.length >= LARGE_BYTES && this.#isEmpty && this.#writesNow) {
      this.#writeNow(chunk);
      return;
    }
    for (let done = 0; done < chunk.length; ) {
      if (this.#buffers.length === 0 || this.#lastBytes === BUFFER_BYTES) {
        this.#buffers.push(this.pool.take());
        this.#lastBytes = 0;
      }
      const copied = chunk.copy(this.#buffers.at(-1)!, this.#lastBytes, done);
      done += copied;
      this.#lastBytes += copied;
      if (this.#isFull(1) && this.#writesNow) this.#writeNow(this.#buffers[0]!);
    }
  }

  get #isEmpty(): boolean {
    return this.#buffers.length === 0 || (this.#buffers.length === 1 && this.#lastBytes === 0);
  }

  #isFull(count: number): boolean {
    return this.#buffers.length > count || (this.#buffers.length === count && this.#lastBytes === BUFFER_BYTES);
  }

  get #writesNow(): boolean {
    return this.#writing.length === 0 && this.transfer.writesNow;
  }

  #writeNow(data: Buffer): void {
    this.#lastBytes = 0;
    const { position } = this;
    this.position += data.length;
    try {
      this.transfer.writeNow([data], position);
    } catch (error) {
      this.#fail(toHubError(error));
    }
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const buffers = this.#buffers;
    if (this.#isEmpty) return;
    const pieces = [...buffers.slice(0, -1), buffers.at(-1)!.subarray(0, this.#lastBytes)];
    const { position } = this;
    this.position += (buffers.length - 1) * BUFFER_BYTES + this.#lastBytes;
    this.#buffers = [];
    this.#lastBytes = 0;
    this.#writing = buffers;
    try {
      await this.transfer.writev(pieces, position);
    } catch (error) {
      this.#fail(toHubError(error));
      return;
    }
    for (const buffer of buffers) this.pool.give(buffer);
    this.#writing = [];
    if (this.#hasEnded) return;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.channel.resume();
    }
    if (this.#isFull(GATHERED_BUFFERS)) void this.#write();
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
    this.pool.give(Buffer.from(chunk.buffer, 0, BUFFER_BYTES));
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
