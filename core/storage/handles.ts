import { HubError } from '../errors.js';
import type { FileInfo, StorageHandle } from './backend.js';

const CHUNK_BYTES = 1024 * 1024;
const CHUNKS_KEPT = 4;
const WINDOW_BYTES = 8 * 1024 * 1024;

/**
 * A read-only handle on a file of which any range can be fetched. `readRange(start, end)` gives the bytes from `start`
 * up to, not including, `end`, or fewer, but at least one. Ranges of 1 MiB are asked for, the next one ahead of a
 * reader that goes through the file in order, and the last four are kept, so that many small reads become few requests.
 * Reads throw what `readRange` throws, and 'conflict' when it gives nothing where the file should go on.
 */
export function rangeHandle(info: FileInfo, readRange: (start: number, end: number) => Promise<Uint8Array>): StorageHandle {
  return new RangeHandle(info, readRange);
}

class RangeHandle implements StorageHandle {
  readonly #chunks = new Map<number, Promise<Uint8Array>>();

  constructor(
    private readonly info: FileInfo,
    private readonly readRange: (start: number, end: number) => Promise<Uint8Array>,
  ) {}

  async read(target: Uint8Array, position: number): Promise<number> {
    const end = Math.min(position + target.length, this.info.size);
    let done = 0;
    while (position + done < end) {
      const index = Math.floor((position + done) / CHUNK_BYTES);
      const inOrder = index === 0 || this.#chunks.has(index - 1);
      const fetching = this.#chunk(index);
      if (inOrder) this.#readAhead(index + 1);
      const chunk = await fetching;
      const piece = chunk.subarray(position + done - index * CHUNK_BYTES, end - index * CHUNK_BYTES);
      target.set(piece, done);
      done += piece.length;
    }
    return done;
  }

  async write(): Promise<void> {
    throw new HubError('unsupported', 'The file is open for reading only');
  }

  async stat(): Promise<FileInfo> {
    return this.info;
  }

  async close(): Promise<void> {
    this.#chunks.clear();
  }

  async abort(): Promise<void> {
    this.#chunks.clear();
  }

  #chunk(index: number): Promise<Uint8Array> {
    const known = this.#chunks.get(index);
    // Taken out and put in again, the chunk is the youngest: the oldest are dropped first.
    this.#chunks.delete(index);
    const chunk = known ?? this.#fetch(index);
    this.#chunks.set(index, chunk);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= CHUNKS_KEPT) break;
      this.#chunks.delete(oldest);
    }
    return chunk;
  }

  #readAhead(index: number): void {
    if (index * CHUNK_BYTES >= this.info.size || this.#chunks.has(index)) return;
    // A failure is met by the read that needs the chunk, which asks again.
    this.#chunk(index).catch(() => undefined);
  }

  #fetch(index: number): Promise<Uint8Array> {
    const fetching = this.#fetchAll(index * CHUNK_BYTES, Math.min((index + 1) * CHUNK_BYTES, this.info.size));
    fetching.catch(() => {
      if (this.#chunks.get(index) === fetching) this.#chunks.delete(index);
    });
    return fetching;
  }

  async #fetchAll(start: number, end: number): Promise<Uint8Array> {
    const first = await this.readRange(start, end);
    if (first.length >= end - start) return first.subarray(0, end - start);
    const whole = new Uint8Array(end - start);
    let piece = first;
    for (let done = 0; ; piece = await this.readRange(start + done, end)) {
      if (piece.length === 0) throw new HubError('conflict', 'The file has changed while it was read');
      whole.set(piece.subarray(0, end - start - done), done);
      done += piece.length;
      if (done >= end - start) return whole;
    }
  }
}

/**
 * `handle`, whose store takes bytes in order only, with writes accepted in any order within a window: what comes early
 * is copied and waits for the gap to close, and its write() resolves at once. Throws 'unsupported' when more than
 * `windowBytes` (8 MiB) would wait, when a byte is written twice, and at close() when a gap is left; a write that
 * failed after it was accepted fails every later call.
 */
export function orderedHandle(handle: StorageHandle, windowBytes = WINDOW_BYTES): StorageHandle {
  return new OrderedHandle(handle, windowBytes);
}

class OrderedHandle implements StorageHandle {
  readonly sync?: () => Promise<void>;
  readonly #early = new Map<number, Uint8Array>();
  #earlyBytes = 0;
  /** Where the next byte goes that the store has not been given. */
  #next = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly handle: StorageHandle,
    private readonly windowBytes: number,
  ) {
    if (handle.sync) this.sync = () => this.#writing.then(() => handle.sync?.());
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.handle.read(target, position);
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    if (data.length === 0) return this.#writing;
    if (position < this.#next || this.#early.has(position)) throw new HubError('unsupported', 'The storage takes each byte of a file once');
    if (position === this.#next) return this.#forward(data);
    if (this.#earlyBytes + data.length > this.windowBytes) {
      throw new HubError('unsupported', 'The storage takes the bytes of a file in order only');
    }
    this.#early.set(position, Uint8Array.from(data));
    this.#earlyBytes += data.length;
  }

  async stat(): Promise<FileInfo> {
    const info = await this.handle.stat();
    return { ...info, size: Math.max(info.size, this.#next) };
  }

  async close(): Promise<void> {
    await this.#writing;
    if (this.#early.size > 0) throw new HubError('unsupported', 'The file has a gap, which the storage cannot keep');
    await this.handle.close();
  }

  async abort(): Promise<void> {
    this.#early.clear();
    await this.#writing.catch(() => undefined);
    await this.handle.abort();
  }

  /** Gives `data` to the store, and what waited for it. Resolves when `data` itself is written. */
  #forward(data: Uint8Array): Promise<void> {
    const written = this.#append(data);
    for (let early = this.#early.get(this.#next); early; early = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      const { length } = early;
      this.#append(early)
        .then(() => {
          this.#earlyBytes -= length;
        })
        .catch(() => undefined);
    }
    return written;
  }

  #append(data: Uint8Array): Promise<void> {
    const position = this.#next;
    this.#next += data.length;
    this.#writing = this.#writing.then(() => this.handle.write(data, position));
    this.#writing.catch(() => undefined);
    return this.#writing;
  }
}
