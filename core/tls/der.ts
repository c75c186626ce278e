/** Values in DER (ITU-T X.690), as far as a certificate needs them. */

const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;
/** The first year that a UTCTime, which has two digits for it, may not name (RFC 5280, section 4.1.2.5). */
const LONG_YEARS_FROM = 2_050;

/** A value with this tag. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

export function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(SEQUENCE, ...parts);
}

export function setOf(...parts: readonly Buffer[]): Buffer {
  return tagged(SET, ...parts);
}

/** `[number] EXPLICIT`. */
export function explicit(number: number, content: Buffer): Buffer {
  return tagged(CONTEXT | CONSTRUCTED | number, content);
}

/** `[number] IMPLICIT` of a value without parts. */
export function implicit(number: number, content: Buffer): Buffer {
  return tagged(CONTEXT | number, content);
}

/** A number that is not negative, from its bytes. */
export function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex(byte => byte !== 0);
  const plain = first < 0 ? Buffer.from([0]) : bytes.subarray(first);
  return tagged(INTEGER, plain[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), plain]) : plain);
}

export function truth(): Buffer {
  return tagged(BOOLEAN, Buffer.from([0xff]));
}

/** Bits, of which the last `unused` do not count. */
export function bitString(bytes: Buffer, unused = 0): Buffer {
  return tagged(BIT_STRING, Buffer.from([unused]), bytes);
}

export function octetString(bytes: Buffer): Buffer {
  return tagged(OCTET_STRING, bytes);
}

export function utf8String(text: string): Buffer {
  return tagged(UTF8_STRING, Buffer.from(text));
}

/** An object identifier, written '1.2.840.10045.2.1'. */
export function objectIdentifier(text: string): Buffer {
  const [first, second, ...rest] = text.split('.').map(Number);
  return tagged(OBJECT_IDENTIFIER, Buffer.from([first! * 40 + second!, ...rest.flatMap(base128)]));
}

/** A time, in whole seconds, as certificates write it. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().slice(0, 19).replace(/\D/g, '')}Z`;
  return date.getUTCFullYear() < LONG_YEARS_FROM
    ? tagged(UTC_TIME, Buffer.from(digits.slice(2)))
    : tagged(GENERALIZED_TIME, Buffer.from(digits));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

function lengthOf(content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.from([content.length]);
  const bytes: number[] = [];
  for (let rest = content.length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}
