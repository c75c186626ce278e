const CR = 0x0d;
const LF = 0x0a;

/** Turns the line ends of a text on its way out into CRLF, and leaves those that are CRLF already. */
export class ToNetwork {
  #last = 0;

  convert(chunk: Buffer): Buffer {
    if (!chunk.includes(LF)) {
      this.#last = chunk.at(-1) ?? this.#last;
      return chunk;
    }
    const result = Buffer.allocUnsafe(chunk.length * 2);
    let length = 0;
    for (const byte of chunk) {
      if (byte === LF && this.#last !== CR) result[length++] = CR;
      result[length++] = byte;
      this.#last = byte;
    }
    return result.subarray(0, length);
  }
}

/** Turns CRLF on its way in into LF; a CR by itself stays. */
export class FromNetwork {
  #heldCr = false;

  convert(chunk: Buffer): Buffer {
    if (!this.#heldCr && !chunk.includes(CR)) return chunk;
    const result = Buffer.allocUnsafe(chunk.length + 1);
    let length = 0;
    for (const byte of chunk) {
      if (this.#heldCr && byte !== LF) result[length++] = CR;
      this.#heldCr = byte === CR;
      if (!this.#heldCr) result[length++] = byte;
    }
    return result.subarray(0, length);
  }

  /** What was held back, at the end. */
  end(): Buffer {
    return this.#heldCr ? Buffer.of(CR) : Buffer.alloc(0);
  }
}
