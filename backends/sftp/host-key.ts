import { createHash } from 'node:crypto';

const KEY_TYPE = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;

const ALGORITHMS_OF = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const;

type KeyType = keyof typeof ALGORITHMS_OF;
/** The algorithms by which a server may prove that it has its key: none that signs with SHA-1. */
export type HostKeyAlgorithm = (typeof ALGORITHMS_OF)[KeyType][number];

/** A host key that is expected: its fingerprint, and its type where that is known. */
interface Pin {
  readonly fingerprint: string;
  readonly type?: KeyType;
}

/** The fingerprint of a host key as OpenSSH writes it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Reads 'SHA256:…', or a public key as in a .pub file or as ssh-keyscan prints it; undefined for anything else. */
export function readPin(text: string): Pin | undefined {
  const trimmed = text.trim();
  if (FINGERPRINT.test(trimmed)) return { fingerprint: trimmed.replace(/=$/, '') };
  const words = trimmed.split(/\s+/);
  const at = words.findIndex(word => KEY_TYPE.test(word));
  const key = Buffer.from(words[at + 1] ?? '', 'base64');
  const type = words[at];
  if (at < 0 || type === undefined || !key.subarray(4, 4 + type.length).equals(Buffer.from(type))) return undefined;
  return { fingerprint: fingerprintOf(key), type: type as KeyType };
}

/** The host keys that a storage takes: any at all, or the pinned ones. */
export class HostKeys {
  readonly #pins: readonly Pin[] | undefined;

  /** `texts` are what readPin() reads, or 'any'. */
  constructor(texts: readonly string[]) {
    this.#pins = texts.includes('any') ? undefined : texts.map(text => readPin(text)).filter(pin => pin !== undefined);
  }

  /** What to ask the server for, best first: of a pinned key whose type is known, that one, since a server may have others too. */
  get algorithms(): HostKeyAlgorithm[] {
    const types = Object.keys(ALGORITHMS_OF) as KeyType[];
    const known = this.#pins?.every(pin => pin.type !== undefined)
      ? types.filter(type => this.#pins?.some(pin => pin.type === type))
      : types;
    return known.flatMap(type => [...ALGORITHMS_OF[type]]);
  }

  /** Why `key` is not taken, with both fingerprints; undefined when it is. */
  objection(key: Buffer): string | undefined {
    const shown = fingerprintOf(key);
    if (!this.#pins || this.#pins.some(pin => pin.fingerprint === shown)) return undefined;
    return `The SFTP server shows the host key ${shown}, but ${this.#pins.map(pin => pin.fingerprint).join(' or ')} is expected`;
  }
}
