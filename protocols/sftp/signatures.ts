import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { HubError } from '#core/api.js';
import { PacketReader } from './packets.js';

const MIN_RSA_BITS = 2_048;
const RSA_HASHES: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' };
const CURVES: Readonly<Record<string, { readonly crv: string; readonly hash: string; readonly sizeBytes: number }>> = {
  nistp256: { crv: 'P-256', hash: 'sha256', sizeBytes: 32 },
  nistp384: { crv: 'P-384', hash: 'sha384', sizeBytes: 48 },
  nistp521: { crv: 'P-521', hash: 'sha512', sizeBytes: 66 },
};
/** In the flags of a security key: somebody touched it. */
const USER_PRESENT = 1;

/** Whether a key of this algorithm lives in a security key (OpenSSH's PROTOCOL.u2f), which signs more than the data. */
export function isSecurityKey(algorithm: string): boolean {
  return algorithm === 'sk-ssh-ed25519@openssh.com' || algorithm === 'sk-ecdsa-sha2-nistp256@openssh.com';
}

/**
 * Whether `signature` (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, PROTOCOL.u2f) is by the key whose blob `key` is over `data`.
 * False as well for what is broken or too weak: DSA, SHA-1, RSA under 2,048 bits, a security key that nobody touched.
 */
export function isSignedBy(key: Buffer, signature: Buffer, data: Buffer): boolean {
  try {
    const reader = new PacketReader(key);
    const algorithm = reader.text();
    const fields = new PacketReader(signature);
    const [by, bytes] = [fields.text(), fields.string()];
    const signed = isSecurityKey(algorithm)
      ? throughSecurityKey(algorithm, key, signature.subarray(8 + by.length + bytes.length), data)
      : data;
    if (signed === data && fields.left > 0) return false;
    return signed !== undefined && verifyPlain(algorithm, by, reader, bytes, signed);
  } catch {
    return false;
  }
}

function verifyPlain(algorithm: string, by: string, reader: PacketReader, bytes: Buffer, data: Buffer): boolean {
  if (algorithm === 'ssh-rsa') {
    const [exponent, modulus] = [reader.string(), reader.string()];
    const hash = RSA_HASHES[by];
    const key = jwk({ kty: 'RSA', e: unsigned(exponent).toString('base64url'), n: unsigned(modulus).toString('base64url') });
    return hash !== undefined && bitsOf(key) >= MIN_RSA_BITS && verify(hash, data, key, bytes);
  }
  if (by !== algorithm) return false;
  if (algorithm === 'ssh-ed25519' || algorithm === 'sk-ssh-ed25519@openssh.com')
    return verify(null, data, jwk({ kty: 'OKP', crv: 'Ed25519', x: reader.string().toString('base64url') }), bytes);
  const curve = CURVES[reader.text()];
  if (!curve || !/^(sk-)?ecdsa-sha2-nistp/.test(algorithm)) return false;
  const point = reader.string();
  if (point.length !== 1 + 2 * curve.sizeBytes || point[0] !== 4) return false;
  const key = jwk({
    kty: 'EC',
    crv: curve.crv,
    x: point.subarray(1, 1 + curve.sizeBytes).toString('base64url'),
    y: point.subarray(1 + curve.sizeBytes).toString('base64url'),
  });
  const parts = new PacketReader(bytes);
  const pair = Buffer.concat([parts.string(), parts.string()].map(part => padded(unsigned(part), curve.sizeBytes)));
  return verify(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' }, pair);
}

/** What a security key signed: its application, flags and counter around the hash of the data. Undefined when nobody touched it. */
function throughSecurityKey(algorithm: string, key: Buffer, tail: Buffer, data: Buffer): Buffer | undefined {
  const reader = new PacketReader(key);
  reader.string();
  if (algorithm.includes('ecdsa')) reader.string();
  reader.string();
  const application = reader.string();
  const flags = tail[0];
  if (tail.length !== 5 || flags === undefined || !(flags & USER_PRESENT)) return undefined;
  return Buffer.concat([createHash('sha256').update(application).digest(), tail, createHash('sha256').update(data).digest()]);
}

function jwk(key: JsonWebKey): KeyObject {
  return createPublicKey({ format: 'jwk', key });
}

function bitsOf(key: KeyObject): number {
  return key.asymmetricKeyDetails?.modulusLength ?? 0;
}

function unsigned(number: Buffer): Buffer {
  const first = number.findIndex(byte => byte !== 0);
  return first < 0 ? Buffer.alloc(0) : number.subarray(first);
}

function padded(number: Buffer, sizeBytes: number): Buffer {
  if (number.length > sizeBytes) throw new HubError('invalid-request', 'The signature is damaged');
  return Buffer.concat([Buffer.alloc(sizeBytes - number.length), number]);
}
