import ssh2, { type PublicKeyAuthContext } from 'ssh2';
import { type Credential, HubError } from '#core/api.js';
import { isCertificateAlgorithm, parseCertificate, plainAlgorithm, type UserCertificates } from './certificates.js';
import { PacketReader, stringField } from './packets.js';
import { isSecurityKey, isSignedBy } from './signatures.js';

/** Bytes after the signature proper of a security key: flags and counter. */
const SECURITY_KEY_TAIL_BYTES = 5;

/** A key that a client shows: by itself, or in a certificate. */
export type KeyCredential = Extract<Credential, { kind: 'public-key' | 'ssh-certificate' }>;

/**
 * The key in a request; for a signed request, one whose signature is right. Certificates are checked whole, but for the name that they
 * are for. Throws 'authentication-failed'.
 */
export async function offeredKey(
  request: PublicKeyAuthContext,
  certificates: UserCertificates,
  remoteAddress: string,
): Promise<KeyCredential> {
  try {
    if (isCertificateAlgorithm(request.key.algo)) return await certified(request, certificates, remoteAddress);
    if (isSecurityKey(request.key.algo)) return securityKey(request);
    return plain(request);
  } catch (error) {
    if (error instanceof HubError && error.code !== 'invalid-request') throw error;
    throw new HubError('authentication-failed', 'Key not supported', { cause: error });
  }
}

function plain({ key: { algo, data }, hashAlgo, signature, blob }: PublicKeyAuthContext): KeyCredential {
  const key = ssh2.utils.parseKey(data);
  // The algorithm that was named must be that of the key; an RSA signature without a hash name would be SHA-1.
  if (key instanceof Error || key.type !== algo || (algo === 'ssh-rsa' && !hashAlgo)) {
    throw new HubError('authentication-failed', 'Key not supported');
  }
  if (signature && !(blob && key.verify(blob, signature, hashAlgo) === true)) throw wrongSignature();
  return { kind: 'public-key', algorithm: algo, data };
}

/** ssh2 hands such a signature over without its name and its length. */
function securityKey({ key: { algo, data }, signature, blob }: PublicKeyAuthContext): KeyCredential {
  if (new PacketReader(data).text() !== algo) throw new HubError('authentication-failed', 'Key not supported');
  if (signature) {
    const end = Math.max(0, signature.length - SECURITY_KEY_TAIL_BYTES);
    const whole = Buffer.concat([stringField(algo), stringField(signature.subarray(0, end)), signature.subarray(end)]);
    if (!blob || !isSignedBy(data, whole, blob)) throw wrongSignature();
  }
  return { kind: 'public-key', algorithm: algo, data };
}

/** ssh2 does not know the algorithms of certificates, and so hands blob and signature over as they came. */
async function certified(
  { key: { algo, data }, signature, blob }: PublicKeyAuthContext,
  certificates: UserCertificates,
  remoteAddress: string,
): Promise<KeyCredential> {
  const by = plainAlgorithm(algo);
  const certificate = parseCertificate(data);
  const isRsa = new PacketReader(certificate.key).text() === 'ssh-rsa';
  if (isRsa ? !by.startsWith('rsa-sha2-') : new PacketReader(data).text() !== algo)
    throw new HubError('authentication-failed', 'Key not supported');
  const credential = await certificates.check(certificate, remoteAddress);
  if (signature) {
    if (new PacketReader(signature).text() !== by || !blob || !isSignedBy(certificate.key, signature, blob)) throw wrongSignature();
  }
  return credential;
}

function wrongSignature(): HubError {
  return new HubError('authentication-failed', 'The signature is wrong');
}
