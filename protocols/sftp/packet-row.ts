import { randomFillSync } from 'node:crypto';

const CHANNEL_DATA = 94;
/** Packet length, padding length, message number, recipient, data length. */
export const HEAD_BYTES = 14;
const MIN_PADDING_BYTES = 4;
const RANDOM_BYTES = 16 * 1024;

/** How a cipher lays out an SSH packet (RFC 4253, section 6): the block that is padded to, the bytes that it does not count, what follows the packet. */
export interface Layout {
  readonly block: number;
  readonly uncounted: number;
  readonly trailer: number;
}

const random = Buffer.allocUnsafeSlow(RANDOM_BYTES);
let randomAt = RANDOM_BYTES;

function paddingBytes(count: number, { block, uncounted }: Layout): number {
  const padding = block - ((HEAD_BYTES + count - uncounted) & (block - 1));
  return padding < MIN_PADDING_BYTES ? padding + block : padding;
}

/** Bytes of a packet with `count` bytes of data. */
export function packetBytes(count: number, layout: Layout): number {
  return HEAD_BYTES + count + paddingBytes(count, layout) + layout.trailer;
}

/** Puts a packet's head and padding around the `count` bytes of data that are in place. */
export function frame(slab: Buffer, at: number, recipient: number, count: number, layout: Layout): void {
  const padding = paddingBytes(count, layout);
  slab.writeUInt32BE(HEAD_BYTES - 4 + count + padding, at);
  slab[at + 4] = padding;
  slab[at + 5] = CHANNEL_DATA;
  slab.writeUInt32BE(recipient, at + 6);
  slab.writeUInt32BE(count, at + 10);
  fillRandom(slab, at + HEAD_BYTES + count, padding);
}

/** A row of packets in `slab`, of which all but the last are full: bytes that go out one after the other lie in it in pieces. */
export class PacketRow {
  readonly #stride: number;

  constructor(
    private readonly slab: Buffer,
    private readonly packetSize: number,
    private readonly layout: Layout,
  ) {
    this.#stride = packetBytes(packetSize, layout);
  }

  /** Whether packets with `bytes` of data fit. */
  holds(bytes: number): boolean {
    const rest = bytes % this.packetSize;
    const full = (bytes - rest) / this.packetSize;
    return full * this.#stride + (rest > 0 ? packetBytes(rest, this.layout) : 0) <= this.slab.length;
  }

  /** Where the `length` bytes from `start` of the data lie. */
  pieces(start: number, length: number): Buffer[] {
    const pieces: Buffer[] = [];
    for (let from = start; from < start + length; ) {
      const skipped = from % this.packetSize;
      const at = ((from - skipped) / this.packetSize) * this.#stride + HEAD_BYTES + skipped;
      const count = Math.min(this.packetSize - skipped, start + length - from);
      pieces.push(this.slab.subarray(at, at + count));
      from += count;
    }
    return pieces;
  }

  /** Makes packets to channel `recipient` of the first `bytes` of data, has each encrypted, and gives where they end. */
  frame(bytes: number, recipient: number, encrypt: (packet: Buffer) => void): number {
    let end = 0;
    for (let [sent, at] = [0, 0]; sent < bytes; sent += this.packetSize, at += this.#stride) {
      const count = Math.min(this.packetSize, bytes - sent);
      end = at + packetBytes(count, this.layout);
      frame(this.slab, at, recipient, count, this.layout);
      encrypt(this.slab.subarray(at, end));
    }
    return end;
  }
}

/** Padding is random (RFC 4253, section 6), fetched for many packets at a time and used once. */
function fillRandom(target: Buffer, at: number, count: number): void {
  if (randomAt + count > RANDOM_BYTES) {
    randomFillSync(random);
    randomAt = 0;
  }
  random.copy(target, at, randomAt, randomAt + count);
  randomAt += count;
}
