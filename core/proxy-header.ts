import ipaddr from 'ipaddr.js';
import { HubError } from './errors.js';
import { canonicalAddress, isAddress } from './net.js';

/** One end of a connection. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What a proxy says of the connection that it passes on. Both ends are absent where it speaks for itself, or does not know. */
export interface ProxyHeader {
  /** Its length: what follows is the client's. */
  readonly bytes: number;
  readonly source?: Endpoint;
  /** Where the client connected to. */
  readonly destination?: Endpoint;
}

const V1_START = Buffer.from('PROXY ');
const V1_MAX_BYTES = 107;
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
/** Addresses and what else a proxy tells: far more than any is known to send. */
const V2_MAX_BYTES = 4_096;
const CRC32C = 0x03;

/** Versions of the address block by the byte that names family and transport: bytes of an address, 0 where they are of no use here. */
const FAMILIES: ReadonlyMap<number, { readonly blockBytes: number; readonly addressBytes: number }> = new Map([
  [0x00, { blockBytes: 0, addressBytes: 0 }],
  [0x11, { blockBytes: 12, addressBytes: 4 }],
  [0x21, { blockBytes: 36, addressBytes: 16 }],
  [0x31, { blockBytes: 216, addressBytes: 0 }],
]);

/**
 * The header of the PROXY protocol, version 1 or 2, at the start of `bytes`; undefined while it is not all there. Throws
 * 'invalid-request' as soon as it can be none, or is longer than it may be.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, V2_START)) return parseBinary(bytes);
  if (startsLike(bytes, V1_START)) return parseText(bytes);
  throw invalid('it starts with something else');
}

function parseText(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length >= V1_MAX_BYTES) throw invalid(`its line is longer than ${V1_MAX_BYTES} bytes`);
    return undefined;
  }
  const length = end + 2;
  const fields = bytes.toString('latin1', 0, end).split(' ');
  if (fields[1] === 'UNKNOWN') return { bytes: length };
  const [, family, from, to, fromPort, toPort] = fields;
  if (fields.length !== 6 || (family !== 'TCP4' && family !== 'TCP6')) throw invalid('its line is not as it should be');
  const isSix = family === 'TCP6';
  return { bytes: length, source: endpoint(from!, fromPort!, isSix), destination: endpoint(to!, toPort!, isSix) };
}

function endpoint(address: string, port: string, isSix: boolean): Endpoint {
  if (address.includes(':') !== isSix || !isAddress(address)) throw invalid('an address is none');
  if (!/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65_535) throw invalid('a port is none');
  return { address: canonicalAddress(address), port: Number(port) };
}

function parseBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length > 12) requireCommand(bytes[12]!);
  if (bytes.length > 13 && !FAMILIES.has(bytes[13]!)) throw invalid('it is of an unknown family');
  if (bytes.length < V2_FIXED_BYTES) return undefined;
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > V2_MAX_BYTES) throw invalid(`it is longer than ${V2_MAX_BYTES} bytes`);
  const isLocal = (bytes[12]! & 0x0f) === 0;
  const { blockBytes, addressBytes } = FAMILIES.get(bytes[13]!)!;
  if (!isLocal && length < V2_FIXED_BYTES + blockBytes) throw invalid('its addresses are cut off');
  if (bytes.length < length) return undefined;
  // What else stands in the header of a proxy that speaks for itself, or does not know, is skipped.
  if (isLocal || bytes[13] === 0) return { bytes: length };
  const header = bytes.subarray(0, length);
  requireSoundFields(header, V2_FIXED_BYTES + blockBytes);
  if (addressBytes === 0) return { bytes: length };
  const ports = V2_FIXED_BYTES + 2 * addressBytes;
  return {
    bytes: length,
    source: { address: addressAt(header, V2_FIXED_BYTES, addressBytes), port: header.readUInt16BE(ports) },
    destination: { address: addressAt(header, V2_FIXED_BYTES + addressBytes, addressBytes), port: header.readUInt16BE(ports + 2) },
  };
}

function requireCommand(byte: number): void {
  if (byte >> 4 !== 2) throw invalid('its version is not 2');
  if ((byte & 0x0f) > 1) throw invalid('its command is neither LOCAL nor PROXY');
}

function addressAt(header: Buffer, start: number, length: number): string {
  return canonicalAddress(ipaddr.fromByteArray([...header.subarray(start, start + length)]).toString());
}

/** Each field after the addresses lies within the header, and the checksum is right where there is one. */
function requireSoundFields(header: Buffer, start: number): void {
  let at = start;
  while (at < header.length) {
    const valueAt = at + 3;
    const end = valueAt <= header.length ? valueAt + header.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY;
    if (end > header.length) throw invalid('one of its fields is cut off');
    if (header[at] === CRC32C && (end - valueAt !== 4 || header.readUInt32BE(valueAt) !== checksum(header, valueAt)))
      throw invalid('its checksum is wrong');
    at = end;
  }
}

/** CRC-32C of the header, with the four bytes of the checksum itself as zero. */
function checksum(header: Buffer, checksumAt: number): number {
  let crc = 0xffffffff;
  header.forEach((byte, index) => {
    crc ^= index >= checksumAt && index < checksumAt + 4 ? 0 : byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  });
  return (crc ^ 0xffffffff) >>> 0;
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const common = Math.min(bytes.length, start.length);
  return bytes.subarray(0, common).equals(start.subarray(0, common));
}

function invalid(reason: string): HubError {
  return new HubError('invalid-request', `No header of the PROXY protocol: ${reason}`);
}
