import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from './errors.js';
import { randomToken } from './ids.js';

/** Where the key is: in the configuration, or in the file `secret.key` of the data directory. */
export interface SecretsOptions {
  /** 32 bytes in base64. */
  readonly key?: string | undefined;
  readonly dataDirectory: string;
}

/** What verify() needs of the settings. */
export interface CheckValueStore {
  get(key: string): Promise<unknown>;
  /** Sets the key unless it is there. */
  add(key: string, value: unknown): Promise<boolean>;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Says how the rest is to be read, so that another cipher or a second key can come beside it. */
const PREFIX = 'v1.';
const CHECK_KEY = 'secrets.check';
const CHECK_TEXT = 'entrepot';

/** Seals secrets for the database (AES-256-GCM), each bound to the record that holds it. */
export class Secrets {
  readonly #key: Buffer;

  /** `key` has 32 bytes. */
  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES)
      throw new HubError('invalid-request', `The key of the secrets needs ${KEY_BYTES} bytes, written in base64`);
    this.#key = key;
  }

  /**
   * Takes the key from the options, or from the file, which is made when it is missing. Throws 'invalid-request' when the key is no
   * key, 'permission-denied' when others may read the file, and 'unavailable' when it can be neither read nor made.
   */
  static async load({ key, dataDirectory }: SecretsOptions): Promise<Secrets> {
    if (key !== undefined) return new Secrets(Buffer.from(key, 'base64'));
    const file = join(dataDirectory, 'secret.key');
    try {
      return new Secrets(decodeKey(file, (await readKey(file)) ?? (await createKey(file))));
    } catch (error) {
      if (error instanceof HubError) throw error;
      throw new HubError('unavailable', `The key file ${file} can be neither read nor made: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }

  /** Text that only open() with the same key and `recordId` turns back into `plaintext`. Sealing twice gives two texts. */
  seal(plaintext: string, recordId: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(recordId));
    const sealed = Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return PREFIX + sealed.toString('base64url');
  }

  /** What was sealed for `recordId`. Throws 'internal' for anything else: another key, another record, a text that was changed. */
  open(sealed: string, recordId: string): string {
    const bytes = Buffer.from(sealed.slice(PREFIX.length), 'base64url');
    if (!sealed.startsWith(PREFIX) || bytes.length < NONCE_BYTES + TAG_BYTES)
      throw new HubError('internal', 'A secret in the database is damaged');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(recordId)).setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      throw new HubError('internal', 'A secret in the database cannot be opened with this key', { cause });
    }
  }

  /** What tells whether a text is the one that was seen before for `recordId`, and nothing else to who does not hold the key, however short it is. */
  fingerprint(text: string, recordId: string): string {
    return createHmac('sha256', this.#key).update(`fingerprint\0${recordId}\0${text}`).digest('hex');
  }

  /** Keeps a check value at the first use of a database. Throws 'invalid-request' when the database was sealed with another key. */
  async verify(settings: CheckValueStore): Promise<void> {
    await settings.add(CHECK_KEY, this.seal(CHECK_TEXT, CHECK_KEY));
    try {
      if (this.open(String(await settings.get(CHECK_KEY)), CHECK_KEY) === CHECK_TEXT) return;
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== 'internal') throw error;
    }
    throw new HubError(
      'invalid-request',
      "The database was sealed with another secret key: put back the 'secret.key', or the option `secrets.key`, that it was used with.",
    );
  }
}

async function readKey(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { mode } = await handle.stat();
    if (mode & 0o077) throw new HubError('permission-denied', `The key file ${file} may be read by other users: run 'chmod 600 ${file}'.`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Appears whole or not at all. Another process may make it at the same time: then the one that was first holds. */
async function createKey(file: string): Promise<string> {
  const unfinished = `${file}.${randomToken()}`;
  const handle = await open(unfinished, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`);
    await handle.sync();
    await link(unfinished, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await handle.close();
    await unlink(unfinished);
  }
  return (await readKey(file)) ?? '';
}

function decodeKey(file: string, text: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length === KEY_BYTES) return key;
  throw new HubError(
    'invalid-request',
    `The key file ${file} does not hold ${KEY_BYTES} bytes in base64: put back the one that this database was used with.`,
  );
}
