/** Which part of a file in the making has been written. */
export class Extent {
  #end: number;
  #prefix: number;

  /** `begun` are the bytes that it holds already. */
  constructor(begun: number) {
    this.#end = begun;
    this.#prefix = begun;
  }

  /** Where the file ends. */
  get end(): number {
    return this.#end;
  }

  /** What is there from the beginning without a gap; less where pieces came out of order. */
  get prefix(): number {
    return this.#prefix;
  }

  /** Notes that `length` bytes were written at `position`. */
  add(position: number, length: number): void {
    if (length === 0) return;
    this.#end = Math.max(this.#end, position + length);
    if (position <= this.#prefix) this.#prefix = Math.max(this.#prefix, position + length);
  }

  /** Notes that the file was cut or extended to `size`. */
  cut(size: number): void {
    this.#end = size;
    this.#prefix = Math.min(this.#prefix, size);
  }
}
