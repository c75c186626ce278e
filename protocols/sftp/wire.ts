import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { MAX_PACKET_BYTES, PACKET } from './packets.js';
import type { FastLane, LaneObserver, ReadOutcome, ReadReply } from './transport.js';

/** Longest handle that is looked at: ours have 8 bytes, the protocol allows 256. */
const MAX_HANDLE_BYTES = 256;
/** Bytes of a WRITE before its handle, and between the handle and the data: offset and length. */
const WRITE_HEAD_BYTES = 13;
const WRITE_TAIL_BYTES = 12;
/** What ssh2 may have buffered of a channel that is not read: its window and its high-water mark, 2 MiB each, and a packet. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024 + 64 * 1024;

/** What the codec hands on. Calls come one at a time, in the order of the bytes. */
export interface WireObserver {
  /** A whole request other than a WRITE; `body` is what follows the type, and stays as it is. */
  request(type: number, body: Buffer): void;
  /** The head of a WRITE whose `length` bytes follow through writePiece(). `offset` may be beyond what a number holds exactly. `handle` is to be read at once. */
  writeBegin(id: number, handle: Buffer, offset: number, length: number): void;
  /** `piece` is to be copied at once: what it lies in is read into again. */
  writePiece(piece: Buffer): void;
  writeEnd(): void;
  /** A WRITE whose lengths contradict each other; its bytes were passed over. */
  writeMalformed(id: number): void;
  /** All that arrived in one turn was handed on. */
  turnEnd(): void;
  /** Whether another request may be taken; when false, proceed() has to be called later. */
  mayTake(): boolean;
  /** The client broke the framing, or ignores flow control. Nothing after it can be understood. */
  violated(reason: string): void;
  /** The client sends nothing more. */
  ended(): void;
  /** The client's window took something. */
  relieved(): void;
  /** Bytes written did not reach the socket: a key exchange is under way. */
  stalled(): void;
}

interface Skip {
  remaining: number;
  readonly id: number | undefined;
}

/**
 * The SFTP codec on a raw channel of ssh2: cuts requests out of the stream, passes a WRITE's data on in pieces without
 * gathering it, and gathers the small answers of one turn. It trusts no length, and holds at most one packet, which
 * has at most MAX_PACKET_BYTES.
 */
export class Wire {
  /** The beginning of a head that is not complete: under 300 bytes. */
  #carry: Buffer | undefined;
  #partial: { readonly packet: Buffer; filled: number } | undefined;
  #writeRemaining = 0;
  /** Bytes that follow a WRITE's data in its packet. */
  #trailing = 0;
  /** Bytes to pass over, and the malformed WRITE to report after them, if that is why. */
  #skip: Skip | undefined;
  /** What arrived and must not be looked at yet. */
  #held: Buffer | undefined;
  #paused = false;
  #ended = false;
  #closed = false;
  #muted = false;
  #out: Buffer[] = [];
  #outBytes = 0;
  #flushing = false;
  #stalledBytes = 0;
  readonly #lane: FastLane | undefined;

  constructor(
    private readonly channel: ServerChannel,
    private readonly socket: Socket,
    private readonly observer: WireObserver,
    openLane: (observer: LaneObserver) => FastLane | undefined,
  ) {
    this.#lane = openLane(observer);
    channel.on('data', (chunk: Buffer) => this.#take(chunk));
    channel.on('end', () => {
      this.#ended = true;
      if (!this.#held) observer.ended();
    });
  }

  /** Sends nothing more, and goes on taking what arrived. */
  mute(): void {
    this.#muted = true;
    this.#out = [];
    this.#outBytes = 0;
  }

  /** Bytes written that the client's window or the network did not take yet. */
  get unsentBytes(): number {
    if (this.#closed || this.#muted) return 0;
    return this.#outBytes + this.channel.writableLength + (this.#lane?.pendingBytes ?? 0) + this.socket.writableLength + this.#stalledBytes;
  }

  /** Sends a small answer together with the others of this turn. */
  send(bytes: Buffer): void {
    if (this.#closed || this.#muted) return;
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** Sends a large answer at once, after those gathered; `done` is called when `bytes` may be used again, if ever. */
  write(bytes: Buffer, done?: () => void): void {
    if (this.#closed || this.#muted) {
      done?.();
      return;
    }
    this.#writeGathered();
    this.#write(bytes, done);
  }

  /** Sends large answers that are read to where they are sent from, after those gathered; as FastLane.sendReads(). */
  writeReads(headBytes: number, replies: readonly ReadReply[]): ReadOutcome {
    if (this.#closed || this.#muted || !this.#lane) return 'other';
    this.#writeGathered();
    return this.#lane.sendReads(headBytes, replies);
  }

  /** Goes on with what arrived, after mayTake() said no. */
  proceed(): void {
    if (!this.#paused || !this.observer.mayTake()) return;
    const held = this.#held;
    this.#held = undefined;
    this.#paused = false;
    if (held) this.#take(held);
    if (this.#paused || this.#closed) return;
    this.socket.off('data', this.#watch);
    if (this.#ended) this.observer.ended();
    else this.channel.resume();
  }

  /** The key exchange is over: what waited for it is on the socket. */
  rekeyed(): void {
    this.#stalledBytes = 0;
    this.#lane?.rekeyed();
  }

  /** Ends the channel with exit status `status`, after what was sent. */
  end(status: number): void {
    if (this.#closed) return;
    this.#writeGathered();
    this.close();
    if (this.#muted) return;
    const finish = () => {
      this.channel.exit(status);
      this.channel.end();
    };
    if (this.#lane) this.#lane.whenEmpty(finish);
    else finish();
  }

  /** Takes and sends nothing more; what still arrives is dropped. */
  close(): void {
    this.#closed = true;
    this.#out = [];
    this.#outBytes = 0;
    this.#held = undefined;
    this.#partial = undefined;
    this.socket.off('data', this.#watch);
    this.channel.resume();
  }

  #take(chunk: Buffer): void {
    if (this.#closed) return;
    if (this.#held) {
      this.#held = Buffer.concat([this.#held, chunk]);
      return;
    }
    const bytes = this.#carry ? Buffer.concat([this.#carry, chunk]) : chunk;
    this.#carry = undefined;
    let at = 0;
    while (at < bytes.length && !this.#closed) {
      if (!this.#midPacket && !this.observer.mayTake()) {
        this.#hold(Buffer.from(bytes.subarray(at)));
        break;
      }
      const next = this.#step(bytes, at);
      if (next === at) {
        this.#carry = Buffer.from(bytes.subarray(at));
        break;
      }
      at = next;
    }
    this.observer.turnEnd();
    if (!this.#paused && !this.#closed && !this.observer.mayTake()) this.#hold(undefined);
  }

  get #midPacket(): boolean {
    return this.#writeRemaining > 0 || this.#partial !== undefined || this.#skip !== undefined;
  }

  /** Takes one bite of `bytes` from `at`; gives where the next one begins, or `at` when more bytes are needed. */
  #step(bytes: Buffer, at: number): number {
    if (this.#writeRemaining > 0) return this.#stepWrite(bytes, at);
    if (this.#partial) return this.#stepPartial(this.#partial, bytes, at);
    if (this.#skip) return this.#stepSkip(this.#skip, bytes, at);
    if (bytes.length - at < 4) return at;
    const length = bytes.readUInt32BE(at);
    if (length === 0 || length > MAX_PACKET_BYTES) {
      this.observer.violated(`packet of ${length} bytes`);
      return bytes.length;
    }
    if (bytes.length - at < 5) return at;
    if (bytes[at + 4] === PACKET.WRITE) return this.#stepWriteHead(bytes, at, length);
    const end = at + 4 + length;
    if (end <= bytes.length) {
      this.observer.request(bytes[at + 4]!, Buffer.from(bytes.subarray(at + 5, end)));
      return end;
    }
    const packet = Buffer.allocUnsafe(length);
    const filled = bytes.copy(packet, 0, at + 4);
    this.#partial = { packet, filled };
    return bytes.length;
  }

  #stepPartial(partial: { readonly packet: Buffer; filled: number }, bytes: Buffer, at: number): number {
    const count = bytes.copy(partial.packet, partial.filled, at);
    partial.filled += count;
    if (partial.filled === partial.packet.length) {
      this.#partial = undefined;
      this.observer.request(partial.packet[0]!, partial.packet.subarray(1));
    }
    return at + count;
  }

  #stepWriteHead(bytes: Buffer, at: number, length: number): number {
    const available = bytes.length - at;
    if (length < WRITE_HEAD_BYTES - 4) {
      this.observer.violated(`WRITE of ${length} bytes`);
      return bytes.length;
    }
    if (available < WRITE_HEAD_BYTES) return at;
    const id = bytes.readUInt32BE(at + 5);
    const handleBytes = bytes.readUInt32BE(at + 9);
    const headBytes = WRITE_HEAD_BYTES + handleBytes + WRITE_TAIL_BYTES;
    if (handleBytes > MAX_HANDLE_BYTES || headBytes > length + 4)
      return this.#skipWrite(at + WRITE_HEAD_BYTES, id, length + 4 - WRITE_HEAD_BYTES);
    if (available < headBytes) return at;
    const tail = at + WRITE_HEAD_BYTES + handleBytes;
    const dataBytes = bytes.readUInt32BE(tail + 8);
    const trailing = length + 4 - headBytes - dataBytes;
    if (trailing < 0) return this.#skipWrite(at + headBytes, id, length + 4 - headBytes);
    const offset = bytes.readUInt32BE(tail) * 0x1_0000_0000 + bytes.readUInt32BE(tail + 4);
    this.observer.writeBegin(id, bytes.subarray(at + WRITE_HEAD_BYTES, tail), offset, dataBytes);
    this.#writeRemaining = dataBytes;
    // rclone's last WRITE of a file carries a whole buffer, of which the length names the part that counts.
    this.#trailing = trailing;
    if (dataBytes === 0) this.#endWrite();
    return tail + WRITE_TAIL_BYTES;
  }

  #stepWrite(bytes: Buffer, at: number): number {
    const count = Math.min(this.#writeRemaining, bytes.length - at);
    this.observer.writePiece(bytes.subarray(at, at + count));
    this.#writeRemaining -= count;
    if (this.#writeRemaining === 0) this.#endWrite();
    return at + count;
  }

  #endWrite(): void {
    this.observer.writeEnd();
    if (this.#trailing > 0) this.#skip = { remaining: this.#trailing, id: undefined };
  }

  #skipWrite(at: number, id: number, remaining: number): number {
    if (remaining === 0) this.observer.writeMalformed(id);
    else this.#skip = { remaining, id };
    return at;
  }

  #stepSkip(skip: Skip, bytes: Buffer, at: number): number {
    const count = Math.min(skip.remaining, bytes.length - at);
    skip.remaining -= count;
    if (skip.remaining === 0) {
      this.#skip = undefined;
      if (skip.id !== undefined) this.observer.writeMalformed(skip.id);
    }
    return at + count;
  }

  #hold(rest: Buffer | undefined): void {
    this.#held = rest;
    if (this.#paused) return;
    this.#paused = true;
    this.channel.pause();
    this.socket.on('data', this.#watch);
  }

  /** A client that goes on sending beyond its window would fill memory: ssh2 takes all that comes. */
  readonly #watch = (): void => {
    if (this.channel.readableLength > MAX_UNREAD_BYTES) this.observer.violated('ignores flow control');
  };

  #flush(): void {
    this.#flushing = false;
    this.#writeGathered();
  }

  #writeGathered(): void {
    const [first] = this.#out;
    if (!first) return;
    const bytes = this.#out.length === 1 ? first : Buffer.concat(this.#out, this.#outBytes);
    this.#out = [];
    this.#outBytes = 0;
    this.#write(bytes);
  }

  /** By the fast lane where there is one; otherwise corked, so that the packets of one answer leave in one system call. */
  #write(bytes: Buffer, done?: () => void): void {
    const { socket, channel } = this;
    if (this.#lane?.send(bytes, () => done?.())) return;
    socket.cork();
    const before = socket.writableLength;
    channel.write(bytes, () => {
      done?.();
      this.observer.relieved();
    });
    const missing = bytes.length - (socket.writableLength - before);
    socket.uncork();
    if (channel.writableLength > 0 || missing <= 0) return;
    this.#stalledBytes += bytes.length;
    this.observer.stalled();
  }
}
