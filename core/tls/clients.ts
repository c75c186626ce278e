import { createSecureContext, type TLSSocket } from 'node:tls';
import { HubError } from '../errors.js';
import { parseCertificates, readText } from './pair.js';

/** Whose certificates clients may show. Both in PEM. */
export interface ClientAuthorities {
  readonly authorities: string | undefined;
  /** Revocation lists. Where there is one, there has to be one of each authority. */
  readonly revoked: string | undefined;
}

/** Reads the authorities and their revocation lists. Throws 'invalid-request' that names the file. */
export async function readAuthorities(authorityFile: string | undefined, revocationFile: string | undefined): Promise<ClientAuthorities> {
  const [authorities, revoked] = await Promise.all(
    [authorityFile, revocationFile].map(file => (file === undefined ? file : readText(file))),
  );
  if (authorityFile !== undefined) parseCertificates(authorities!, authorityFile);
  if (revocationFile !== undefined) checkRevocations(revoked!, revocationFile);
  return { authorities, revoked };
}

/** The verified certificate of a client, with a name in it. */
export function verifiedClient(socket: TLSSocket): { readonly commonName: string; readonly fingerprint: string } | undefined {
  const { subject, fingerprint256 } = socket.getPeerCertificate() ?? {};
  const commonName: unknown = subject?.CN;
  if (typeof commonName !== 'string' || commonName === '' || !fingerprint256) return undefined;
  return socket.authorized || isVerified(socket) ? { commonName, fingerprint: fingerprint256 } : undefined;
}

/** `authorized` is set for the sockets of a tls.Server only; for a TLSSocket of one's own, its handle knows. */
function isVerified(socket: TLSSocket): boolean {
  const handle = (socket as { readonly ssl?: { verifyError?: () => unknown } | null }).ssl;
  if (typeof handle?.verifyError !== 'function') return false;
  return (handle.verifyError() ?? null) === null;
}

function checkRevocations(text: string, file: string): void {
  try {
    if (!text.includes('-----BEGIN X509 CRL-----')) throw new Error('it holds none in PEM');
    createSecureContext({ crl: text });
  } catch (cause) {
    throw new HubError('invalid-request', `The revocation list ${file} cannot be used: ${(cause as Error).message}`, { cause });
  }
}
