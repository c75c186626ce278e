import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { HubError } from '../errors.js';

/** Where a certificate and its key are; both may be in one file. */
export interface PairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate with its chain and its key, checked: they belong together. */
export interface CertificatePair {
  readonly files: PairFiles;
  /** PEM: the certificate, then those that lead to its authority. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** DNS names in small letters, wildcards as '*.example.com'. */
  readonly names: readonly string[];
  /** 'ec', 'rsa', 'ed25519', …: a connection is offered one certificate of each. */
  readonly keyType: string;
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256 of the certificate: 'AB:CD:…'. */
  readonly fingerprint: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/;

/**
 * Reads a certificate and its key. Throws 'invalid-request' with the file and what is wrong with it: it cannot be read, holds no
 * certificate or key, or the two do not belong together. Says nothing of the time: invalidity() does.
 */
export async function readPair(files: PairFiles): Promise<CertificatePair> {
  const [certificates, keys] = await Promise.all([readText(files.certificate), readText(files.key)]);
  const chain = parseCertificates(certificates, files.certificate);
  const [first] = chain as [X509Certificate];
  checkSignatures(chain, files.certificate);
  const { key, text } = parseKey(keys, files.key);
  if (!first.checkPrivateKey(key)) throw broken(`The key in ${files.key} is not the one of the certificate in ${files.certificate}`);
  const pair = {
    files,
    chain: chain.map(certificate => certificate.toString()).join(''),
    key: text,
    names: namesOf(first),
    keyType: key.asymmetricKeyType ?? 'unknown',
    subject: brief(first.subject),
    issuer: brief(first.issuer),
    fingerprint: first.fingerprint256,
    notBefore: new Date(first.validFrom),
    notAfter: new Date(first.validTo),
  };
  try {
    createSecureContext({ cert: pair.chain, key: pair.key });
  } catch (cause) {
    throw broken(`The certificate in ${files.certificate} cannot be used: ${(cause as Error).message}`, cause);
  }
  return pair;
}

/** Why the certificate does not count at `now`; undefined when it does. */
export function invalidity({ files, notBefore, notAfter }: CertificatePair, now: number): string | undefined {
  if (notAfter.getTime() < now) return `The certificate in ${files.certificate} expired on ${day(notAfter)}`;
  if (notBefore.getTime() > now) return `The certificate in ${files.certificate} is valid only from ${day(notBefore)} on`;
  return undefined;
}

/** The certificates in a PEM text, which came from `file`. Throws 'invalid-request' when there is none, or a broken one. */
export function parseCertificates(text: string, file: string): readonly X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw broken(`${file} holds no certificate in PEM`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw broken(`Certificate ${index + 1} of ${blocks.length} in ${file} is damaged`, cause);
    }
  });
}

/** The text of a file. Throws 'invalid-request' that names it. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this account may not read it' : message;
    throw broken(`${file} cannot be read: ${why}`, cause);
  }
}

/** A date for people: '2027-01-31'. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Looks at the signatures by those in the chain itself, where the names say that there are some. */
function checkSignatures(chain: readonly X509Certificate[], file: string): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = [certificate, chain[index + 1]].find(other => other?.subject === certificate.issuer);
    if (issuer && !certificate.verify(issuer.publicKey))
      throw broken(`Certificate ${index + 1} of ${chain.length} in ${file} is damaged, or signed by another key than the one after it`);
  }
}

function parseKey(text: string, file: string): { readonly key: KeyObject; readonly text: string } {
  const block = PRIVATE_KEY.exec(text)?.[0];
  if (block === undefined) throw broken(`${file} holds no private key in PEM`);
  if (/ENCRYPTED/.test(block))
    throw broken(`The key in ${file} is protected by a password: store it without one, readable by the hub only`);
  try {
    return { key: createPrivateKey(block), text: block };
  } catch (cause) {
    throw broken(`The key in ${file} is damaged`, cause);
  }
}

/** The names that a client may ask for: the alternative ones, or else the common name (RFC 6125, section 6.4.4). */
function namesOf({ subject, subjectAltName }: X509Certificate): readonly string[] {
  const alternative = [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:"?([^,"\s]+)/g)].map(([, name]) => name!);
  const names = subjectAltName ? alternative : [...subject.matchAll(/^CN=(.+)$/gm)].map(([, name]) => name!);
  return names.map(name => name.toLowerCase());
}

function brief(name: string): string {
  return name.split('\n').join(', ');
}

function broken(message: string, cause?: unknown): HubError {
  return new HubError('invalid-request', message, { cause });
}
