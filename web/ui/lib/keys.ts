/** A pair that was made in this browser: the private half never leaves it but into the reader's hands. */
export interface KeyPair {
  /** A line as in authorized_keys. */
  readonly publicKey: string;
  /** An OpenSSH private key file without a passphrase. */
  readonly privateKey: string;
}

const encoder = new TextEncoder();

/** Makes an Ed25519 pair for OpenSSH. Throws when the browser cannot: then the reader makes one with ssh-keygen. */
export async function generateKeyPair(comment: string): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const open = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  // The seed ends a PKCS #8 key of RFC 8410.
  const seed = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).slice(-32);
  const blob = joined(text('ssh-ed25519'), string(open));
  return { publicKey: `ssh-ed25519 ${base64(blob)} ${comment}`, privateKey: privateFile(open, seed, blob, comment) };
}

/** The format of OpenSSH's PROTOCOL.key, without a cipher. */
function privateFile(open: Uint8Array, seed: Uint8Array, blob: Uint8Array, comment: string): string {
  const check = crypto.getRandomValues(new Uint8Array(4));
  const secret = joined(check, check, text('ssh-ed25519'), string(open), string(joined(seed, open)), text(comment));
  const padding = Uint8Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1);
  const file = joined(
    encoder.encode('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    number(1),
    string(blob),
    string(joined(secret, padding)),
  );
  const lines = base64(file)
    .match(/.{1,70}/g)!
    .join('\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function text(value: string): Uint8Array {
  return string(encoder.encode(value));
}

function string(bytes: Uint8Array): Uint8Array {
  return joined(number(bytes.length), bytes);
}

function number(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
