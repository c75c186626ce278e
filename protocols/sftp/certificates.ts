import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { addressWithin, type Credential, HubError, toHubError } from '#core/api.js';
import { PacketReader, stringField } from './packets.js';
import { isSignedBy } from './signatures.js';

/** Strings of the plain key of each kind of certificate, after the algorithm's name. */
const KEY_FIELDS: Readonly<Record<string, number>> = {
  'ssh-ed25519': 1,
  'ssh-rsa': 2,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'sk-ssh-ed25519@openssh.com': 2,
  'sk-ecdsa-sha2-nistp256@openssh.com': 3,
};
const SUFFIX = '-cert-v01@openssh.com';
const USER_CERTIFICATE = 1;
const KEY_LINE = /^(sk-)?(ssh|ecdsa)-\S+ +AAAA/;

/** An OpenSSH certificate (PROTOCOL.certkeys), as it reads; nothing of it is checked yet. */
export interface Certificate {
  /** The blob of the plain key that it is about. */
  readonly key: Buffer;
  readonly serial: bigint;
  readonly type: number;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** In seconds since 1970, the first one in and the last one out. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: ReadonlyMap<string, string>;
  /** The blob of the key that signed it. */
  readonly authority: Buffer;
  readonly signature: Buffer;
  /** What is signed. */
  readonly body: Buffer;
}

/** Whether the algorithm that a client names is one of certificates. */
export function isCertificateAlgorithm(algorithm: string): boolean {
  return algorithm.endsWith(SUFFIX);
}

/** Throws 'invalid-request' for what is no certificate, or one of a kind that is not supported. */
export function parseCertificate(blob: Buffer): Certificate {
  const reader = new PacketReader(blob);
  const algorithm = plainAlgorithm(reader.text());
  const count = KEY_FIELDS[algorithm];
  if (count === undefined) throw new HubError('invalid-request', 'Certificate not supported');
  reader.string();
  const key = Buffer.concat([stringField(algorithm), ...Array.from({ length: count }, () => stringField(reader.string()))]);
  const [serial, type, keyId] = [wide(reader), reader.uint32(), reader.text()];
  const principals = strings(reader.string()).map(name => name.toString());
  const [validAfter, validBefore] = [wide(reader), wide(reader)];
  const criticalOptions = options(reader.string());
  // Extensions grant what this server does not have; the field after them is reserved.
  reader.string();
  reader.string();
  const [authority, signature] = [reader.string(), reader.string()];
  if (reader.left > 0) throw new HubError('invalid-request', 'The certificate is damaged');
  const body = blob.subarray(0, blob.length - 4 - signature.length);
  return { key, serial, type, keyId, principals, validAfter, validBefore, criticalOptions, authority, signature, body };
}

/** Certificates of users: which authorities are trusted, and what they signed that no longer counts. */
export class UserCertificates {
  #revoked: Revocations | undefined;
  #revokedVersion = '';

  private constructor(
    private readonly authorities: ReadonlySet<string>,
    private readonly revocationFile: string | undefined,
  ) {}

  /**
   * Reads the authorities: lines as in a '.pub' file, or files of such lines, relative to `directory`. Throws 'invalid-request' for one
   * that holds no key, 'not-found' and the like when a file cannot be read.
   */
  static async load(
    {
      trustedUserCaKeys,
      revokedCertificates,
    }: { readonly trustedUserCaKeys: readonly string[]; readonly revokedCertificates?: string | undefined },
    directory: string,
  ): Promise<UserCertificates> {
    const lines: string[] = [];
    for (const entry of trustedUserCaKeys) lines.push(...(KEY_LINE.test(entry) ? [entry] : await linesOf(resolve(directory, entry))));
    const file = revokedCertificates === undefined ? undefined : resolve(directory, revokedCertificates);
    const loaded = new UserCertificates(new Set(lines.map(authorityOf)), file);
    await loaded.#revocations();
    return loaded;
  }

  /**
   * What a certificate proves, once its holder has signed. Throws 'authentication-failed' with the reason: an authority that is not
   * trusted, a wrong signature, the time, a critical option that does not hold or is not known, or a revocation.
   */
  async check(certificate: Certificate, remoteAddress: string): Promise<Extract<Credential, { kind: 'ssh-certificate' }>> {
    const { authority, keyId, serial, principals } = certificate;
    const reason =
      this.#unfit(certificate) ??
      critical(certificate, remoteAddress) ??
      ((await this.#revocations()).holds(certificate) ? 'The certificate is revoked' : undefined);
    if (reason !== undefined) throw new HubError('authentication-failed', reason);
    return { kind: 'ssh-certificate', keyId, serial: String(serial), authority: fingerprint(authority), principals };
  }

  #unfit(certificate: Certificate): string | undefined {
    const { type, authority, signature, body, principals, validAfter, validBefore } = certificate;
    if (!this.authorities.has(authority.toString('base64'))) return 'The authority of the certificate is not trusted';
    if (!isSignedBy(authority, signature, body)) return 'The signature of the certificate is wrong';
    if (type !== USER_CERTIFICATE) return 'The certificate is not for users';
    if (principals.length === 0) return 'The certificate names no principals';
    const now = BigInt(Math.floor(Date.now() / 1000));
    if (now < validAfter) return 'The certificate is not valid yet';
    if (now >= validBefore) return 'The certificate has expired';
    return undefined;
  }

  /** The list as it is on the disk now. One that cannot be read revokes everything: it throws. */
  async #revocations(): Promise<Revocations> {
    if (this.revocationFile === undefined) return new Revocations([]);
    const { mtimeMs, size } = await stat(this.revocationFile).catch((error: unknown) =>
      Promise.reject(unreadable(this.revocationFile!, error)),
    );
    const version = `${mtimeMs} ${size}`;
    if (this.#revoked && version === this.#revokedVersion) return this.#revoked;
    this.#revoked = new Revocations(await linesOf(this.revocationFile));
    this.#revokedVersion = version;
    return this.#revoked;
  }
}

/** Lines 'serial: 5', 'serial: 5-9', 'id: NAME' and 'SHA256:…', the fingerprint of a key or an authority. */
class Revocations {
  readonly #serials: { readonly first: bigint; readonly last: bigint }[] = [];
  readonly #ids = new Set<string>();
  readonly #keys = new Set<string>();

  constructor(lines: readonly string[]) {
    for (const line of lines) {
      const serial = /^serial: *(\d+)(?: *- *(\d+))?$/.exec(line);
      const id = /^id: *(.+)$/.exec(line);
      if (serial) this.#serials.push({ first: BigInt(serial[1]!), last: BigInt(serial[2] ?? serial[1]!) });
      else if (id) this.#ids.add(id[1]!);
      else if (/^SHA256:[\w+/]{43}$/.test(line)) this.#keys.add(line);
      else
        throw new HubError(
          'invalid-request',
          `The list of revoked certificates holds '${line.slice(0, 80)}': expected 'serial: 5', 'serial: 5-9', 'id: NAME' or 'SHA256:…'`,
        );
    }
  }

  holds({ serial, keyId, key, authority }: Certificate): boolean {
    if (this.#ids.has(keyId) || this.#keys.has(fingerprint(key)) || this.#keys.has(fingerprint(authority))) return true;
    return this.#serials.some(({ first, last }) => first <= serial && serial <= last);
  }
}

/** Why a critical option refuses the client. Those that are not known refuse, as they must. */
function critical({ criticalOptions }: Certificate, remoteAddress: string): string | undefined {
  for (const [name, value] of criticalOptions) {
    if (name !== 'source-address') return `The certificate asks for '${name.slice(0, 64)}', which is not supported`;
    try {
      if (!addressWithin(remoteAddress, value.split(','))) return 'The certificate may not be used from this address';
    } catch {
      return 'The addresses of the certificate cannot be read';
    }
  }
  return undefined;
}

/** OpenSSH's form of a key's fingerprint. */
function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

function authorityOf(line: string): string {
  const [algorithm = '', data = ''] = line.split(/[ \t]+/);
  const key = Buffer.from(data, 'base64');
  if (KEY_FIELDS[algorithm] === undefined || !key.subarray(4).toString('latin1').startsWith(algorithm))
    throw new HubError('invalid-request', `protocols.sftp.trustedUserCaKeys: '${line.slice(0, 80)}' is no public key that is supported`);
  return key.toString('base64');
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => Promise.reject(unreadable(file, error)));
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
}

function unreadable(file: string, error: unknown): HubError {
  const { code, message } = toHubError(error);
  return new HubError(code, `${file} cannot be read: ${message}`, { cause: error });
}

/** The algorithm of the plain key, and of the signatures that it makes. */
export function plainAlgorithm(algorithm: string): string {
  if (!algorithm.endsWith(SUFFIX)) return '';
  const plain = algorithm.slice(0, -SUFFIX.length);
  return plain.startsWith('sk-') ? `${plain}@openssh.com` : plain;
}

function options(bytes: Buffer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const fields = strings(bytes);
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1];
    if (!value) throw new HubError('invalid-request', 'The certificate is damaged');
    found.set(fields[at]!.toString(), value.length === 0 ? '' : new PacketReader(value).text());
  }
  return found;
}

function strings(bytes: Buffer): Buffer[] {
  const reader = new PacketReader(bytes);
  const found: Buffer[] = [];
  while (reader.left > 0) found.push(reader.string());
  return found;
}

function wide(reader: PacketReader): bigint {
  return (BigInt(reader.uint32()) << 32n) | BigInt(reader.uint32());
}
