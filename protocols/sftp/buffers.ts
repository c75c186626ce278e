import { DATA_HEADER_BYTES, MAX_DATA_BYTES } from './packets.js';

const KEPT_BUFFERS = 16;

/** Buffers for file contents, shared by all connections of a server, so that an idle connection holds none. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** One that holds a DATA reply of the largest size. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(DATA_HEADER_BYTES + MAX_DATA_BYTES);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < KEPT_BUFFERS) this.#free.push(buffer);
  }
}
