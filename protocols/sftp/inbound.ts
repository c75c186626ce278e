import { Socket } from 'node:net';
import type { ServerChannel, Connection as SshConnection } from 'ssh2';
import { isKnownSsh2 } from './transport.js';

/** As much as is read at once: a read that takes all that arrived saves calls, turns, and packets cut in two. */
const READ_BYTES = 256 * 1024;
const CHANNEL_DATA = 94;

/** What Node reads a socket by. */
interface Handle {
  reading?: boolean;
  readStart?(): void;
  readStop(): void;
}

type OnPayload = (payload: Buffer) => unknown;

/** What ssh2 decrypts packets with, where they lie. */
interface Decipher {
  _onPayload: OnPayload;
  [field: string]: unknown;
}

interface Protocol {
  _decipher: Decipher;
  _onPayload: OnPayload;
}

/**
 * The fast lane in: the sockets of a server read into one buffer, which stays in the processor's cache, instead of a new one
 * for each read. ssh2 decrypts packets where they lie and keeps parts of some for later, so it is given a copy of what
 * arrived, but for what a DirectInput knows to be taken at once.
 */
export class SharedReads {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #inputs = new WeakMap<Socket, DirectInput>();

  /**
   * The socket to be used in place of `accepted`, which was accepted paused and is not to be used any more; what it has read already is
   * read from the new one first. Where Node does not show its handle, `accepted` itself.
   */
  take(accepted: Socket): Socket {
    const { _handle: handle } = accepted as unknown as { _handle?: Handle };
    if (typeof handle?.readStart !== 'function') return accepted.resume();
    const early: Buffer | null = accepted.read();
    // One that was read from goes on reading by itself.
    if (handle.reading === true) {
      handle.reading = false;
      handle.readStop();
    }
    const onread = { buffer: this.#buffer, callback: (count: number) => this.#deliver(socket, count) };
    const socket = new Socket({ handle, manualStart: true, onread } as ConstructorParameters<typeof Socket>[0]);
    Object.assign(accepted, { _handle: null });
    if (early) socket.unshift(early);
    return socket;
  }

  /** Of the one who reads `socket`, once it is known. */
  inputOf(socket: Socket, connection: SshConnection): DirectInput | undefined {
    const known = this.#inputs.get(socket);
    if (known) return known;
    const { _protocol: protocol } = connection as unknown as { _protocol?: Partial<Protocol> };
    const asExpected = isKnownSsh2() && typeof protocol?._onPayload === 'function' && typeof protocol._decipher?._onPayload === 'function';
    if (!asExpected) return undefined;
    const input = new DirectInput(protocol as Protocol);
    this.#inputs.set(socket, input);
    return input;
  }

  #deliver(socket: Socket, count: number): boolean {
    const bytes = this.#buffer.subarray(0, count);
    const input = this.#inputs.get(socket);
    if (input) input.deliver(bytes, chunk => socket.emit('data', chunk));
    else socket.emit('data', Buffer.from(bytes));
    return true;
  }
}

/** Sorts what ssh2 decrypted: data of a channel that takes it at once stays where it lies, all else is copied. */
export class DirectInput {
  readonly #channels = new Map<number, ServerChannel>();
  readonly #handOn: OnPayload;
  readonly #after: (() => void)[] = [];
  #isTaking = false;

  constructor(private readonly protocol: Protocol) {
    const original = protocol._onPayload;
    this.#handOn = payload => this.#sort(original, payload);
    // Those that come with a new key take theirs from here.
    protocol._onPayload = this.#handOn;
    if (protocol._decipher._onPayload === original) protocol._decipher._onPayload = this.#handOn;
  }

  /** From now on `channel` takes its data within the call that brings it, while it flows. */
  add(channel: ServerChannel): void {
    const { incoming } = channel as unknown as { incoming?: { id?: unknown } };
    const id = incoming?.id;
    if (typeof id !== 'number') return;
    this.#channels.set(id, channel);
    channel.once('close', () => this.#channels.delete(id));
  }

  /** Calls `then` when all that was read at once is taken; false, with nothing done, when nothing is being taken. */
  afterRead(then: () => void): boolean {
    if (this.#isTaking) this.#after.push(then);
    return this.#isTaking;
  }

  /** Has `take` read what arrived, in place where that is safe. */
  deliver(bytes: Buffer, take: (chunk: Buffer) => void): void {
    // During a key exchange ssh2 keeps what it reads.
    if (this.protocol._decipher._onPayload !== this.#handOn) {
      take(Buffer.from(bytes));
      return;
    }
    this.#isTaking = true;
    try {
      take(bytes);
    } finally {
      this.#isTaking = false;
      for (const then of this.#after.splice(0)) then();
      this.#rescue(bytes.buffer);
    }
  }

  #sort(original: OnPayload, payload: Buffer): unknown {
    const decipher = this.protocol._decipher;
    const result = original(this.#takesAtOnce(payload) ? payload : Buffer.from(payload));
    const now = decipher._onPayload;
    // A key exchange has begun: what follows in this read goes to it, and is kept.
    if (now !== this.#handOn) decipher._onPayload = later => now(Buffer.from(later));
    return result;
  }

  #takesAtOnce(payload: Buffer): boolean {
    if (payload[0] !== CHANNEL_DATA || payload.length < 9) return false;
    const channel = this.#channels.get(payload.readUInt32BE(1));
    return channel !== undefined && channel.readableFlowing === true && channel.readableLength === 0;
  }

  /** A packet whose end is still to come may lie in the buffer that is read into next. */
  #rescue(buffer: ArrayBufferLike): void {
    const decipher = this.protocol._decipher;
    for (const [name, value] of Object.entries(decipher)) {
      if (ArrayBuffer.isView(value) && value.buffer === buffer)
        decipher[name] = Buffer.from(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    }
  }
}
