import type { BufferPool } from './buffers.js';

/** A WRITE up to this size gets a block of its own size: what many clients have open must not take much. */
const SMALL_BYTES = 32 * 1024;
const MAX_BYTES = 1024 * 1024;

interface Block {
  readonly bytes: Buffer;
  readonly isPooled: boolean;
  filled: number;
}

/** Pieces of WRITEs that touch, copied into a few blocks from where they arrived. */
export class WriteRun {
  readonly #blocks: Block[] = [];
  bytes = 0;

  /** It begins at `position` of the file. */
  constructor(
    readonly position: number,
    private readonly pool: BufferPool,
  ) {}

  /** Where the next piece belongs. */
  get end(): number {
    return this.position + this.bytes;
  }

  get isFull(): boolean {
    return this.bytes >= MAX_BYTES;
  }

  /** Copies `piece`, of a WRITE of `announcedBytes`. */
  add(piece: Buffer, announcedBytes: number): void {
    for (let at = 0; at < piece.length; ) {
      const block = this.#block(announcedBytes);
      const taken = piece.copy(block.bytes, block.filled, at);
      block.filled += taken;
      at += taken;
    }
    this.bytes += piece.length;
  }

  /** All of it. */
  pieces(): readonly Buffer[] {
    return this.#blocks.map(({ bytes, filled }) => bytes.subarray(0, filled));
  }

  /** To be called when nobody uses pieces() any more. */
  release(): void {
    for (const { bytes, isPooled } of this.#blocks.splice(0)) if (isPooled) this.pool.give(bytes);
  }

  #block(announcedBytes: number): Block {
    const last = this.#blocks.at(-1);
    if (last && last.filled < last.bytes.length) return last;
    // What follows in a row is of a large file.
    const isPooled = announcedBytes > SMALL_BYTES || this.bytes > 0;
    const block = { bytes: isPooled ? this.pool.take() : Buffer.allocUnsafe(announcedBytes), isPooled, filled: 0 };
    this.#blocks.push(block);
    return block;
  }
}
