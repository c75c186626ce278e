import { isIPv6 } from 'node:net';

/** One end of a connection, as tests name it. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** Something that a header of version 2 says beside the addresses. */
export interface Field {
  readonly type: number;
  readonly value: Buffer;
}

/** How a header of version 2 differs from that of a TCP connection that is passed on. */
export interface BinaryHeader {
  readonly command?: number;
  readonly version?: number;
  readonly family?: number;
  readonly fields?: readonly Field[];
  /** Adds the field of the checksum, right or wrong. */
  readonly checksum?: 'right' | 'wrong';
}

/** A header of the PROXY protocol, version 1. */
export function textHeader(from: End, to: End): Buffer {
  const family = isIPv6(from.address) ? 'TCP6' : 'TCP4';
  return Buffer.from(`PROXY ${family} ${from.address} ${to.address} ${from.port} ${to.port}\r\n`);
}

/** A header of the PROXY protocol, version 2. */
export function binaryHeader(from: End, to: End, how: BinaryHeader = {}): Buffer {
  const isSix = isIPv6(from.address);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(from.port, 0);
  ports.writeUInt16BE(to.port, 2);
  const checksum: Field[] = how.checksum ? [{ type: 3, value: Buffer.alloc(4) }] : [];
  const fields = [...checksum, ...(how.fields ?? [])].map(({ type, value }) =>
    Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]),
  );
  const body = Buffer.concat([addressBytes(from.address), addressBytes(to.address), ports, ...fields]);
  const header = rawHeader(((how.version ?? 2) << 4) | (how.command ?? 1), how.family ?? (isSix ? 0x21 : 0x11), body);
  if (how.checksum) {
    const at = 16 + (isSix ? 36 : 12) + 3;
    header.writeUInt32BE((crc32c(header) ^ (how.checksum === 'wrong' ? 1 : 0)) >>> 0, at);
  }
  return header;
}

/** The signature, and three fields as they are given; `length` unless it is that of `body`. */
export function rawHeader(command: number, family: number, body: Buffer, length = body.length): Buffer {
  const fixed = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, command, family, 0, 0]);
  fixed.writeUInt16BE(length, 14);
  return Buffer.concat([fixed, body]);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0x82f63b78 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32C: that of '123456789' is e3069283. */
export function crc32c(bytes: Buffer): number {
  return (bytes.reduce((crc, byte) => TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [before, after] = address.split('::');
  const words = (text: string | undefined) => (text ? text.split(':') : []);
  const zeros = after === undefined ? 0 : 8 - words(before).length - words(after).length;
  const all = [...words(before), ...Array.from({ length: zeros }, () => '0'), ...words(after)];
  return Buffer.from(all.map(word => word.padStart(4, '0')).join(''), 'hex');
}
