import { createHash } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';
import { HubError, randomToken, toHubError } from '#core/api.js';

/** A private host key and what a client sees of it. */
export interface HostKey {
  /** The private key in OpenSSH's format, or PEM. */
  readonly text: string;
  /** The line of a '.pub' file, without a comment. */
  readonly publicKey: string;
  /** 'ED25519 SHA256:…', as OpenSSH writes it. */
  readonly fingerprint: string;
}

/** The kinds of key, in the order in which they are offered. */
export const KINDS = [
  {
    file: 'ssh_host_ed25519_key',
    label: 'ED25519',
    type: 'ssh-ed25519',
    generate: () => generated(done => ssh2.utils.generateKeyPair('ed25519', done)),
  },
  {
    file: 'ssh_host_ecdsa_key',
    label: 'ECDSA',
    type: 'ecdsa-sha2-nistp256',
    generate: () => generated(done => ssh2.utils.generateKeyPair('ecdsa', { bits: 256 }, done)),
  },
  {
    file: 'ssh_host_rsa_key',
    label: 'RSA',
    type: 'ssh-rsa',
    generate: () => generated(done => ssh2.utils.generateKeyPair('rsa', { bits: 3072 }, done)),
  },
] as const;

/** One of KINDS. */
export type Kind = (typeof KINDS)[number];

/**
 * Loads the host keys in `directory` (an absolute path), and makes those that are missing: once, readable by the owner
 * only, also when several processes start at the same time. Throws 'permission-denied' when a key can be read by others,
 * 'invalid-request' when a file holds no key, 'unavailable' when the directory cannot be written.
 */
export async function loadHostKeys(directory: string): Promise<readonly HostKey[]> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new HubError('unavailable', `Cannot make the directory of the host keys, ${directory}: ${toHubError(error).message}`, {
      cause: error,
    });
  }
  return Promise.all(KINDS.map(kind => loadHostKey(join(directory, kind.file), kind)));
}

/** The key in the file `path`, made when there is none. Throws as loadHostKeys() does. */
export async function loadHostKey(path: string, kind: Kind): Promise<HostKey> {
  return (await hostKeyFrom(path, kind, true)) as HostKey;
}

/** The key in the file `path`; undefined when there is none. Throws as loadHostKeys() does. */
export function readHostKey(path: string, kind: Kind): Promise<HostKey | undefined> {
  return hostKeyFrom(path, kind, false);
}

async function hostKeyFrom(path: string, kind: Kind, makes: boolean): Promise<HostKey | undefined> {
  try {
    const text = (await readKey(path)) ?? (makes ? await makeKey(path, kind) : undefined);
    if (text === undefined) return undefined;
    const key = ssh2.utils.parseKey(text);
    if (key instanceof Error || !key.isPrivateKey())
      throw new HubError('invalid-request', `${path} holds no private key that can be used: remove the file to have a new one made`);
    const publicKey = `${kind.type} ${key.getPublicSSH().toString('base64')}`;
    return { text, publicKey, fingerprint: `${kind.label} ${fingerprint(key)}` };
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw new HubError('unavailable', `Cannot use the host key ${path}: ${toHubError(error).message}`, { cause: error });
  }
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if (mode & 0o077) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new HubError(
        'permission-denied',
        `The host key ${path} can be read by others (mode ${octal}): run chmod 600 on it, or remove it to have a new one made`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (toHubError(error).code === 'not-found') return undefined;
    throw error;
  }
}

/** Makes a key beside `path` and gives it its name when it is whole; the key of another process that was faster wins. */
async function makeKey(path: string, kind: Kind): Promise<string> {
  let text = await kind.generate();
  // One in 256 of ssh2's ed25519 keys begins with a zero byte that it leaves out; nobody can read such a file.
  while (ssh2.utils.parseKey(text) instanceof Error) text = await kind.generate();
  const temporary = `${path}.${randomToken(8)}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await chmod(temporary, 0o600);
    await publish(temporary, path);
  } finally {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
  }
  return (await readKey(path)) ?? text;
}

async function publish(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = toHubError(error);
    if (code === 'already-exists') return;
    // File systems without hard links.
    await rename(temporary, path);
  }
}

function generated(generate: (done: (error: Error | null, pair: { readonly private: string }) => void) => void): Promise<string> {
  return new Promise((resolve, reject) => generate((error, pair) => (error ? reject(error) : resolve(pair.private))));
}

function fingerprint(key: ParsedKey): string {
  return `SHA256:${createHash('sha256').update(key.getPublicSSH()).digest('base64').replace(/=+$/, '')}`;
}
