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

/** Bytes of the largest packet, without its length field: what OpenSSH takes and sends. */
export const MAX_PACKET_BYTES = 256 * 1024;
/** Bytes that one READ gives or one WRITE takes: 255 KiB, so that the packet around them stays under MAX_PACKET_BYTES. */
export const MAX_DATA_BYTES = 261_120;
/** Bytes before the file's bytes in a DATA reply: length, type, id, length of the data. */
export const DATA_HEADER_BYTES = 13;

/** Reads the fields of one request, in order. Whatever is missing or broken throws 'invalid-request'. */
export class PacketReader {
  #position = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Bytes after the fields that were read. */
  get left(): number {
    return this.bytes.length - this.#position;
  }

  uint32(): number {
    const at = this.#take(4);
    return this.bytes.readUInt32BE(at);
  }

  /** A 64-bit number. Throws when it is above 2^53 - 1, which is no offset or size of any file. */
  uint64(): number {
    const at = this.#take(8);
    const value = this.bytes.readUInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new HubError('invalid-request', 'Offset or size out of range');
    return value;
  }

  /** The bytes of a string. */
  string(): Buffer {
    const length = this.uint32();
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A string that names something: UTF-8 without NUL. Nothing is repaired, so two names never become one. */
  text(): string {
    return decodeName(this.string());
  }

  #take(count: number): number {
    const at = this.#position;
    if (count > this.bytes.length - at) throw new HubError('invalid-request', 'The request is cut off');
    this.#position = at + count;
    return at;
  }
}

/** Text of `bytes`. Throws 'invalid-request' for broken UTF-8 and for NUL. */
export function decodeName(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new HubError('invalid-request', 'The name is not valid UTF-8');
  if (bytes.includes(0)) throw new HubError('invalid-request', 'The name contains a NUL byte');
  return bytes.toString('utf8');
}

/** A whole packet of `type` for request `id` around `parts`, length field included. */
export function packet(type: number, id: number, ...parts: readonly Buffer[]): Buffer {
  let length = 5;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(id, 5);
  let at = 9;
  for (const part of parts) at += part.copy(bytes, at);
  return bytes;
}

/** A string field: its length and its bytes. */
export function stringField(value: string | Buffer): Buffer {
  const length = Buffer.byteLength(value);
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length, 0);
  if (typeof value === 'string') bytes.write(value, 4);
  else value.copy(bytes, 4);
  return bytes;
}

/** A 32-bit field. */
export function uint32Field(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** Fields of 64 bits, one after the other. */
export function uint64Fields(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * values.length);
  for (const [index, value] of values.entries()) bytes.writeBigUInt64BE(BigInt(value), 8 * index);
  return bytes;
}

/** Lays the header of a DATA reply out before the `count` bytes of the file that already lie in `bytes`. */
export function layOutData(bytes: Buffer, id: number, count: number): Buffer {
  layOutDataHeader(bytes, id, count);
  return bytes.subarray(0, DATA_HEADER_BYTES + count);
}

/** Writes the header of a DATA reply of `count` bytes. */
export function layOutDataHeader(target: Buffer, id: number, count: number): void {
  target.writeUInt32BE(count + 9, 0);
  target[4] = PACKET.DATA;
  target.writeUInt32BE(id, 5);
  target.writeUInt32BE(count, 9);
}

/** Bytes before the entries of a NAME reply: length, type, id, number of entries. */
export const NAMES_HEADER_BYTES = 13;

/** Writes the header of a NAME reply that ends at `end` of `target` and has `count` entries. Its id is still to be written. */
export function layOutNamesHeader(target: Buffer, end: number, count: number): void {
  target.writeUInt32BE(end - 4, 0);
  target[4] = PACKET.NAME;
  target.writeUInt32BE(0, 5);
  target.writeUInt32BE(count, 9);
}

/** Makes the NAME reply in `target` the one for request `id`. */
export function layOutNamesId(target: Buffer, id: number): Buffer {
  target.writeUInt32BE(id, 5);
  return target;
}
