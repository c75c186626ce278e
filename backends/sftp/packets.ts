import { isUtf8 } from 'node:buffer';
import { HubError } from '#core/api.js';

/** Request and reply types of draft-ietf-secsh-filexfer-02, section 3. */
export const PACKET = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** Flags of OPEN, section 6.3. */
export const OPEN = { READ: 0x1, WRITE: 0x2, CREATE: 0x8, TRUNCATE: 0x10, EXCLUSIVE: 0x20 } as const;

/** The largest packet that is taken from a server, without its length field; OpenSSH sends 256 KiB at most. */
const MAX_PACKET_BYTES = 1024 * 1024;

/** Reads the fields of one reply, in order. Throws 'unavailable' where something is missing: such a server is broken. */
export class ReplyReader {
  #position = 0;

  constructor(private readonly bytes: Buffer) {}

  get rest(): number {
    return this.bytes.length - this.#position;
  }

  uint32(): number {
    const at = this.#take(4);
    return this.bytes.readUInt32BE(at);
  }

  /** A 64-bit number; one above 2^53 is given as near as a number can be. */
  uint64(): number {
    const at = this.#take(8);
    return this.bytes.readUInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4);
  }

  string(): Buffer {
    const length = this.uint32();
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  #take(count: number): number {
    const at = this.#position;
    if (count > this.rest) throw new HubError('unavailable', 'The SFTP server sent an answer that is cut off');
    this.#position = at + count;
    return at;
  }
}

/** Text of the bytes of a name; undefined for what is no name here: broken UTF-8, which nothing could turn back into the same bytes, NUL. */
export function nameText(bytes: Buffer): string | undefined {
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString('utf8') : undefined;
}

/** A whole packet of `type` around `parts`, length field included. */
export function packet(type: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 1;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length, 0);
  bytes[4] = type;
  let at = 5;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A string field: its length and its bytes. */
export function stringField(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32Fields(bytes.length), bytes]);
}

/** Fields of 32 bits, one after the other. */
export function uint32Fields(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * index);
  return bytes;
}

/** A field of 64 bits. */
export function uint64Field(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** Cuts a stream of bytes into packets. */
export class PacketStream {
  #header = Buffer.allocUnsafe(4);
  #body: Buffer | undefined;
  #filled = 0;

  /** `take` is given each packet, without its length field; the bytes are its own. */
  constructor(private readonly take: (packet: Buffer) => void) {}

  /** Throws 'unavailable' for a packet that no server sends. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const filling: Buffer = this.#body ?? this.#header;
      const count = chunk.copy(filling, this.#filled, at);
      at += count;
      this.#filled += count;
      if (this.#filled < filling.length) return;
      this.#filled = 0;
      if (this.#body) {
        this.#body = undefined;
        this.take(filling);
      } else {
        this.#body = Buffer.allocUnsafe(checkedLength(filling.readUInt32BE(0)));
      }
    }
  }
}

function checkedLength(length: number): number {
  if (length > 0 && length <= MAX_PACKET_BYTES) return length;
  throw new HubError('unavailable', 'The SFTP server sends something else than SFTP');
}
