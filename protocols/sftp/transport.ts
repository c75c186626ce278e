import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { ServerChannel, Connection as SshConnection } from 'ssh2';
import { frame, HEAD_BYTES, type Layout, PacketRow, packetBytes } from './packet-row.js';

/**
 * The fast lane out: the one file that knows ssh2's inner life. An answer is laid out as finished SSH packets (RFC 4253,
 * section 6) in one buffer, encrypted where it lies by ssh2's own cipher, and given to the socket in one call, where
 * ssh2's public way makes a buffer, a call for random padding and a write of each 32 KiB. It is taken only with the
 * version of ssh2 that it was written for and a cipher whose packets it knows; everything else goes by the channel.
 */
export interface FastLane {
  /**
   * Sends `bytes`, or keeps what the client's window does not hold until it opens; `done` is called when `bytes` may be used
   * again. False, with nothing done, when they have to go by the channel.
   */
  send(bytes: Buffer, done: () => void): boolean;
  /**
   * Sends replies in a row, each of a head of `headBytes` and of what its `fill` reads to where it is sent from; as many of `replies`
   * as the client's window and one call hold. It ends before one that is empty or fails; what the first throws is thrown.
   */
  sendReads(headBytes: number, replies: readonly ReadReply[]): ReadOutcome;
  /** Bytes that were taken and are not on the socket yet. */
  readonly pendingBytes: number;
  /** The key exchange is over. */
  rekeyed(): void;
  /** Calls `then` when nothing is pending. */
  whenEmpty(then: () => void): void;
}

/** A reply that is still to be read. */
export interface ReadReply {
  /** Bytes that it has at most, without its head. */
  readonly length: number;
  /** Reads into `pieces` one after the other, gives the bytes read, and writes the head of a reply with that many. */
  fill(pieces: readonly Buffer[], layHead: Buffer): number;
}

/** How many replies were sent; 'wait' when the client's window is to open first, which relieved() tells; 'other' when the first has to go another way. */
export type ReadOutcome = number | 'wait' | 'other';

/** Who is told how the lane fares. */
export interface LaneObserver {
  /** Something that waited was sent. */
  relieved(): void;
  /** A key exchange keeps bytes back. */
  stalled(): void;
}

const KNOWN_VERSION = '1.17.0';
const SLAB_BYTES = 272 * 1024;
const KEPT_SLABS = 16;
/** Under this an answer gets a buffer of its own: it costs less than keeping track of a slab. */
const SMALL_BYTES = 8 * 1024;
/** Of the window that a client opens, the part that it may be waited for: all renew it before that much is left. */
const WAITED_PART = 1 / 4;
/** A client that does not renew it in this time gets what its window holds. */
const WINDOW_WAIT_MS = 250;
/** Every implementation takes packets with this much data (RFC 4253, section 6.1). */
const MAX_PACKET_DATA_BYTES = 32 * 1024;
/** A client with smaller ones would need more room than a slab has. */
const MIN_PACKET_DATA_BYTES = 16 * 1024;

interface Cipher {
  encrypt(packet: Buffer): void;
  _onWrite: (packet: Buffer) => void;
  readonly _encBlockLen?: number;
  readonly _aadLen?: number;
  readonly _macLen?: number;
  readonly _macActualLen?: number;
}

interface Internals {
  readonly protocol: { readonly _cipher: Cipher; readonly _kexinit: unknown; readonly _packetRW: { readonly write: object } };
  readonly outgoing: { readonly id: number; readonly packetSize: number; readonly state: string; window: number };
  /** What ssh2 calls when the client's window opens: `_chunkcb`, if `_waitWindow` is set and there is no `_chunk`. */
  readonly waiting: { _waitWindow: boolean; _chunk: unknown; _chunkcb: (() => void) | undefined };
}

interface Pending {
  bytes: Buffer;
  readonly done: () => void;
}

const LAYOUTS: Readonly<Record<string, (cipher: Cipher) => Layout | undefined>> = {
  AESGCMCipherBinding: () => ({ block: 16, uncounted: 4, trailer: 16 }),
  ChaChaPolyCipherBinding: () => ({ block: 8, uncounted: 4, trailer: 16 }),
  // A MAC that is cut short changes the packet's length after the encryption.
  GenericCipherBinding: ({ _encBlockLen: block, _aadLen: uncounted, _macLen: trailer, _macActualLen: sent }) =>
    block !== undefined && uncounted !== undefined && trailer !== undefined && sent === trailer ? { block, uncounted, trailer } : undefined,
};

/** Opens the fast lane of a channel. Undefined where ssh2 is not as it was when this was written. */
export function openFastLane(
  connection: SshConnection,
  channel: ServerChannel,
  socket: Socket,
  observer: LaneObserver,
): FastLane | undefined {
  const internals = internalsOf(connection, channel);
  return internals && new SlabLane(internals, channel, socket, observer);
}

let isKnownVersion: boolean | undefined;

/** Whether ssh2 is of the version whose private parts are known. */
export function isKnownSsh2(): boolean {
  isKnownVersion ??= (createRequire(import.meta.url)('ssh2/package.json') as { version: string }).version === KNOWN_VERSION;
  return isKnownVersion;
}

function internalsOf(connection: unknown, channel: unknown): Internals | undefined {
  if (!isKnownSsh2()) return undefined;
  const { _protocol: protocol } = connection as { _protocol?: Partial<Internals['protocol']> };
  const { outgoing } = channel as { outgoing?: Partial<Internals['outgoing']> };
  const asExpected =
    typeof protocol?._cipher?.encrypt === 'function' &&
    typeof protocol._cipher._onWrite === 'function' &&
    '_kexinit' in protocol &&
    // Compression has its own writer.
    protocol._packetRW?.write.constructor.name === 'PacketWriter' &&
    [outgoing?.id, outgoing?.packetSize, outgoing?.window].every(value => typeof value === 'number') &&
    typeof outgoing?.state === 'string' &&
    ['_waitWindow', '_chunk', '_chunkcb'].every(name => name in (channel as object));
  return asExpected ? ({ protocol, outgoing, waiting: channel } as Internals) : undefined;
}

const slabs: Buffer[] = [];

class SlabLane implements FastLane {
  #cipher: Cipher | undefined;
  #layout: Layout | undefined;
  readonly #pending: Pending[] = [];
  #emptied: (() => void)[] = [];
  pendingBytes = 0;
  #largestWindow = 0;
  #waitTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly internals: Internals,
    private readonly channel: ServerChannel,
    private readonly socket: Socket,
    private readonly observer: LaneObserver,
  ) {}

  send(bytes: Buffer, done: () => void): boolean {
    if (this.#pending.length === 0) {
      // What waits in the channel comes first.
      if (this.channel.writableLength > 0 || !this.#isOpen || !this.#layoutOf(this.internals.protocol._cipher)) return false;
      const taken = this.#emit(bytes);
      if (taken === bytes.length) {
        done();
        return true;
      }
      this.#keep(bytes.subarray(taken), done);
      this.#wait();
    } else {
      this.#keep(bytes, done);
    }
    return true;
  }

  sendReads(headBytes: number, replies: readonly ReadReply[]): ReadOutcome {
    const { protocol, outgoing } = this.internals;
    const layout =
      this.#pending.length === 0 && this.channel.writableLength === 0 && this.#isOpen ? this.#layoutOf(protocol._cipher) : undefined;
    const packetSize = Math.min(outgoing.packetSize, MAX_PACKET_DATA_BYTES);
    const firstBytes = headBytes + (replies[0]?.length ?? 0);
    if (!layout || protocol._kexinit !== undefined || packetSize < MIN_PACKET_DATA_BYTES) return 'other';
    this.#largestWindow = Math.max(this.#largestWindow, outgoing.window);
    if (outgoing.window < firstBytes) return this.#awaitWindow(firstBytes) ? 'wait' : 'other';
    this.#stopWaiting();
    const slab = slabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    const give = () => void (slabs.length < KEPT_SLABS && slabs.push(slab));
    const row = new PacketRow(slab, packetSize, layout);
    let [sent, total] = [0, 0];
    try {
      for (; sent < replies.length; sent++) {
        const { length } = replies[sent]!;
        const most = total + headBytes + length;
        if (most > outgoing.window || !row.holds(most)) break;
        const count = fillIn(row, total, headBytes, replies[sent]!);
        if (count === 0) break;
        total += headBytes + count;
      }
    } catch (error) {
      // One that comes after others is asked for again when it is the first.
      if (sent === 0) {
        give();
        throw error;
      }
    }
    if (sent === 0) {
      give();
      return 0;
    }
    let end = 0;
    this.#quietly(protocol._cipher, cipher => {
      end = row.frame(total, outgoing.id, packet => cipher.encrypt(packet));
    });
    outgoing.window -= total;
    this.socket.write(slab.subarray(0, end), give);
    return sent;
  }

  rekeyed(): void {
    this.#resume();
  }

  /** Whether it is worth to wait until the window holds `bytes`. */
  #awaitWindow(bytes: number): boolean {
    if (bytes > this.#largestWindow * WAITED_PART) return false;
    if (!this.#waitTimer) {
      // Waited in vain: never again.
      this.#waitTimer = setTimeout(() => {
        this.#largestWindow = Number.NEGATIVE_INFINITY;
        this.observer.relieved();
      }, WINDOW_WAIT_MS).unref();
    }
    this.#wait();
    return true;
  }

  #stopWaiting(): void {
    clearTimeout(this.#waitTimer);
    this.#waitTimer = undefined;
  }

  whenEmpty(then: () => void): void {
    if (this.#pending.length === 0) then();
    else this.#emptied.push(then);
  }

  get #isOpen(): boolean {
    return this.internals.outgoing.state === 'open' && this.socket.writable;
  }

  #keep(bytes: Buffer, done: () => void): void {
    this.#pending.push({ bytes, done });
    this.pendingBytes += bytes.length;
  }

  /** Has ssh2 call when the window opens; the end of a key exchange comes by rekeyed(). */
  #wait(): void {
    const { protocol, waiting } = this.internals;
    if (protocol._kexinit !== undefined) {
      this.observer.stalled();
      return;
    }
    waiting._chunk = undefined;
    waiting._chunkcb = () => this.#resume();
    waiting._waitWindow = true;
  }

  #resume(): void {
    const isKnown = this.#layoutOf(this.internals.protocol._cipher) !== undefined;
    for (let first = this.#pending[0]; first; first = this.#pending[0]) {
      const taken = !this.#isOpen || !isKnown ? first.bytes.length : this.#emit(first.bytes);
      // A cipher that came with a new key and is not known: by the channel, from here on.
      if (this.#isOpen && !isKnown) this.channel.write(Buffer.from(first.bytes));
      this.pendingBytes -= taken;
      first.bytes = first.bytes.subarray(taken);
      if (first.bytes.length > 0) {
        this.#wait();
        break;
      }
      this.#pending.shift();
      first.done();
    }
    this.observer.relieved();
    if (this.#pending.length > 0) return;
    for (const then of this.#emptied.splice(0)) then();
  }

  /** Sends as much of the beginning of `bytes` as it may now, and gives how much that was. */
  #emit(bytes: Buffer): number {
    const { protocol, outgoing } = this.internals;
    const length = Math.min(bytes.length, outgoing.window);
    if (protocol._kexinit !== undefined || length === 0) return 0;
    let taken = 0;
    while (taken < length) {
      taken += this.#send(bytes.subarray(taken, length), Math.min(outgoing.packetSize, MAX_PACKET_DATA_BYTES), this.#layout!);
    }
    return taken;
  }

  #send(bytes: Buffer, packetSize: number, layout: Layout): number {
    const { protocol, outgoing } = this.internals;
    const isSmall = bytes.length <= SMALL_BYTES;
    const slab = isSmall
      ? Buffer.allocUnsafe(HEAD_BYTES + bytes.length + 2 * layout.block + layout.trailer)
      : (slabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
    let at = 0;
    let taken = 0;
    this.#quietly(protocol._cipher, cipher => {
      while (taken < bytes.length) {
        const count = Math.min(bytes.length - taken, packetSize);
        const end = at + packetBytes(count, layout);
        if (end > slab.length) break;
        slab.set(bytes.subarray(taken, taken + count), at + HEAD_BYTES);
        frame(slab, at, outgoing.id, count, layout);
        cipher.encrypt(slab.subarray(at, end));
        at = end;
        taken += count;
      }
    });
    outgoing.window -= taken;
    this.socket.write(slab.subarray(0, at), isSmall ? undefined : () => void (slabs.length < KEPT_SLABS && slabs.push(slab)));
    return taken;
  }

  /** The cipher encrypts in place; what it then hands on is already where it belongs. */
  #quietly(cipher: Cipher, encrypt: (cipher: Cipher) => void): void {
    const write = cipher._onWrite;
    cipher._onWrite = ignore;
    try {
      encrypt(cipher);
    } finally {
      cipher._onWrite = write;
    }
  }

  #layoutOf(cipher: Cipher): Layout | undefined {
    if (cipher !== this.#cipher) {
      this.#cipher = cipher;
      this.#layout = LAYOUTS[cipher.constructor.name]?.(cipher);
    }
    return this.#layout;
  }
}

function ignore(): void {}

/** Has a reply read to `start` of the row; gives the bytes read. */
function fillIn(row: PacketRow, start: number, headBytes: number, { length, fill }: ReadReply): number {
  const heads = row.pieces(start, headBytes);
  const head = heads.length === 1 ? heads[0]! : Buffer.allocUnsafe(headBytes);
  const count = fill(row.pieces(start + headBytes, length), head);
  for (let [at, index] = [0, 0]; heads.length > 1 && index < heads.length; index++) at += head.copy(heads[index]!, 0, at);
  return count;
}
