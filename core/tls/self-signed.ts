import { createHash, generateKeyPair, randomBytes, sign } from 'node:crypto';
import { link, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import { bitString, explicit, implicit, integer, objectIdentifier, octetString, sequence, setOf, time, truth, utf8String } from './der.js';

/** What a certificate is to say. */
export interface SelfSignedOptions {
  /** DNS names and addresses, wildcards included. The first one is the subject. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const SUBJECT_KEY_IDENTIFIER = '2.5.29.14';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const DIGITAL_SIGNATURE = 0x80;
const SERIAL_BYTES = 16;
/** RFC 5280, appendix A: ub-common-name. */
const MAX_COMMON_NAME = 64;
const DNS_NAME = 2;
const IP_ADDRESS = 7;
const DAY_MS = 86_400_000;
const VALID_DAYS = 3_650;

/** Where a hub keeps the certificate that it made itself. */
export function selfSignedFile(dataDirectory: string): string {
  return join(dataDirectory, 'tls', 'self-signed.pem');
}

/** The names by which this machine may be reached. */
export function ownNames(): readonly string[] {
  return [...new Set([hostname().toLowerCase(), 'localhost', '127.0.0.1', '::1'])].filter(isName);
}

/** Whether `text` may stand in a certificate: an address, or a DNS name of letters, digits and hyphens, with or without '*.' before it. */
export function isName(text: string): boolean {
  return (
    isIP(text) !== 0 ||
    (text.length <= 253 && /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(text))
  );
}

/** A key (ECDSA P-256) and a certificate signed by it, both in PEM, in one text. Throws 'invalid-request' for what is no name. */
export async function makeSelfSigned({ names, notBefore, notAfter }: SelfSignedOptions): Promise<string> {
  const wrong = names.length === 0 ? '' : names.find(name => !isName(name));
  if (wrong !== undefined)
    throw new HubError('invalid-request', `'${wrong}' is no DNS name and no address that a certificate could be for`);
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = sequence(objectIdentifier(ECDSA_WITH_SHA256));
  const subject = sequence(setOf(sequence(objectIdentifier(COMMON_NAME), utf8String(names[0]!.slice(0, MAX_COMMON_NAME)))));
  const content = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(randomBytes(SERIAL_BYTES)),
    algorithm,
    subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    spki,
    explicit(3, extensions(names, spki)),
  );
  const certificate = sequence(content, algorithm, bitString(sign('sha256', content, privateKey)));
  return `${pem('CERTIFICATE', certificate)}${privateKey.export({ type: 'pkcs8', format: 'pem' })}`;
}

/** Makes the file of a hub's own certificate, readable by its owner only, in place of the one before. Throws as makeSelfSigned() does, or 'unavailable'. */
export async function writeSelfSigned(file: string, names: readonly string[]): Promise<void> {
  const text = await makeSelfSigned({
    names,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + VALID_DAYS * DAY_MS),
  });
  await written(file, text, rename);
}

/** Makes that file unless it is there; when several processes do so at the same time, the first one's stays. Throws 'unavailable'. */
export async function ensureSelfSigned(file: string): Promise<void> {
  if (await isThere(file)) return;
  const text = await makeSelfSigned({
    names: ownNames(),
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + VALID_DAYS * DAY_MS),
  });
  await written(file, text, keepFirst);
}

/** Whether the file exists, readable or not. */
export function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function written(file: string, text: string, publish: (from: string, to: string) => Promise<void>): Promise<void> {
  const unfinished = `${file}.${randomToken()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publish(unfinished, file);
  } catch (cause) {
    throw new HubError('unavailable', `The certificate ${file} cannot be made: ${(cause as Error).message}`, { cause });
  } finally {
    await unlink(unfinished).catch(() => undefined);
  }
}

async function keepFirst(from: string, to: string): Promise<void> {
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

function extensions(names: readonly string[], spki: Buffer): Buffer {
  const extension = (identifier: string, value: Buffer, isCritical = false) =>
    sequence(objectIdentifier(identifier), ...(isCritical ? [truth()] : []), octetString(value));
  return sequence(
    extension(BASIC_CONSTRAINTS, sequence(), true),
    extension(KEY_USAGE, bitString(Buffer.from([DIGITAL_SIGNATURE]), 7), true),
    extension(EXTENDED_KEY_USAGE, sequence(objectIdentifier(SERVER_AUTHENTICATION))),
    extension(SUBJECT_ALTERNATIVE_NAME, sequence(...names.map(alternativeName))),
    extension(SUBJECT_KEY_IDENTIFIER, octetString(createHash('sha256').update(spki).digest().subarray(0, 20))),
  );
}

function alternativeName(name: string): Buffer {
  switch (isIP(name)) {
    case 4:
      return implicit(IP_ADDRESS, Buffer.from(name.split('.').map(Number)));
    case 6:
      return implicit(IP_ADDRESS, addressBytes(name));
    default:
      return implicit(DNS_NAME, Buffer.from(name.toLowerCase()));
  }
}

/** The 16 bytes of an IPv6 address, which URL writes in hexadecimal groups. */
function addressBytes(address: string): Buffer {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  return Buffer.from(all.map(group => group.padStart(4, '0')).join(''), 'hex');
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
