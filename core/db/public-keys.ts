import { createHash, createPublicKey } from 'node:crypto';
import { HubError } from '../errors.js';

/** A key with which a user may log in. */
export interface PublicKey {
  /** OpenSSH's form: 'SHA256:…'. */
  readonly fingerprint: string;
  readonly algorithm: string;
  /** The key blob in base64, as in authorized_keys. */
  readonly data: string;
  readonly comment: string;
}

const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 16_384;

/** What each algorithm's blob holds after its name (RFC 4253 section 6.6, RFC 5656, RFC 8709, OpenSSH's PROTOCOL.u2f). Throws what is wrong. */
const ALGORITHMS: Readonly<Record<string, (fields: readonly Buffer[]) => void>> = {
  'ssh-ed25519': ([key, ...rest]) => check(key?.length === 32 && rest.length === 0),
  'ssh-rsa': ([exponent, modulus, ...rest]) => {
    check(exponent && modulus && rest.length === 0);
    const bits = bitLength(modulus);
    if (bits < MIN_RSA_BITS) throw new HubError('invalid-request', `RSA keys need at least ${MIN_RSA_BITS} bits; this one has ${bits}`);
    check(bits <= MAX_RSA_BITS);
  },
  'ecdsa-sha2-nistp256': fields => checkPoint(fields, 'nistp256', 'P-256', 32),
  'ecdsa-sha2-nistp384': fields => checkPoint(fields, 'nistp384', 'P-384', 48),
  'ecdsa-sha2-nistp521': fields => checkPoint(fields, 'nistp521', 'P-521', 66),
  'sk-ssh-ed25519@openssh.com': ([key, application, ...rest]) => check(key?.length === 32 && application?.length && rest.length === 0),
  'sk-ecdsa-sha2-nistp256@openssh.com': ([curve, point, application, ...rest]) => {
    check(curve && point && application?.length && rest.length === 0);
    checkPoint([curve, point], 'nistp256', 'P-256', 32);
  },
};

/**
 * Reads one line of an authorized_keys file: algorithm, key, comment. Throws 'invalid-request' with what is wrong: options before
 * the key, an algorithm that is weak or not known, RSA under 2,048 bits, or a key that is damaged.
 */
export function parsePublicKey(line: string): PublicKey {
  const [algorithm = '', encoded = '', ...comment] = line.trim().split(/[ \t]+/);
  if (algorithm.startsWith('-----'))
    throw new HubError('invalid-request', "This is not a public key in OpenSSH's form: give the line of the '.pub' file");
  if (algorithm === 'ssh-dss')
    throw new HubError('invalid-request', 'DSA keys are not accepted, because they are too weak; Ed25519 is a good choice');
  const verify = ALGORITHMS[algorithm];
  if (!verify && /\s(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA/.test(line))
    throw new HubError('invalid-request', 'Options before the key are not accepted');
  if (!verify)
    throw new HubError(
      'invalid-request',
      `Keys of the kind '${algorithm.slice(0, 64)}' are not supported; known are ${Object.keys(ALGORITHMS).join(', ')}`,
    );
  const blob = Buffer.from(encoded, 'base64');
  const data = blob.toString('base64');
  check(data.replace(/=+$/, '') === encoded.replace(/=+$/, '') && /^[^\p{Cc}]*$/u.test(line.trim().replaceAll('\t', ' ')));
  const [name, ...fields] = readStrings(blob);
  check(name?.toString('latin1') === algorithm);
  verify(fields);
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  return { fingerprint, algorithm, data, comment: comment.join(' ') };
}

function check(good: unknown): asserts good {
  if (!good) throw new HubError('invalid-request', 'The public key is damaged');
}

/** The length-prefixed strings that `blob` consists of (RFC 4251 section 5). */
function readStrings(blob: Buffer): readonly Buffer[] {
  const strings: Buffer[] = [];
  for (let offset = 0; offset < blob.length; ) {
    check(offset + 4 <= blob.length);
    const end = offset + 4 + blob.readUInt32BE(offset);
    check(end <= blob.length);
    strings.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return strings;
}

function bitLength(number: Buffer): number {
  const first = number.findIndex(byte => byte !== 0);
  return first < 0 ? 0 : (number.length - first) * 8 - (Math.clz32(number[first]!) - 24);
}

function checkPoint([curve, point, ...rest]: readonly Buffer[], name: string, crv: string, sizeBytes: number): void {
  check(curve?.toString('latin1') === name && point?.length === 1 + 2 * sizeBytes && point[0] === 4 && rest.length === 0);
  const [x, y] = [point.subarray(1, 1 + sizeBytes), point.subarray(1 + sizeBytes)];
  try {
    createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') } });
  } catch {
    throw new HubError('invalid-request', 'The public key is damaged');
  }
}
