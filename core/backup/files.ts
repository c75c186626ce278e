import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HubError } from '../errors.js';
import { randomToken } from '../ids.js';
import type { Secrets } from '../secrets.js';
import { selfSignedFile } from '../tls/self-signed.js';
import type { BackupFile } from './format.js';

/** Where the small files are that belong to a hub and are in no database. */
export interface KeyFiles {
  readonly dataDirectory: string;
  /** Undefined where no server has host keys. */
  readonly hostKeyDirectory: string | undefined;
}

const HOST_KEYS = 'host-keys/';
const TLS = 'tls/';
const NAME = /^[\w-][\w.-]{0,99}$/;

/** The host keys and the certificate that the hub made itself, sealed. */
export async function* sealKeyFiles(places: KeyFiles, secrets: Secrets): AsyncGenerator<BackupFile> {
  const { hostKeyDirectory, dataDirectory } = places;
  const names = hostKeyDirectory === undefined ? [] : await readdir(hostKeyDirectory).catch(absent);
  const keys = (names ?? []).filter(name => NAME.test(name) && name.startsWith('ssh_host_'));
  for (const name of keys.sort()) yield* sealed(`${HOST_KEYS}${name}`, join(hostKeyDirectory!, name), secrets);
  const certificate = selfSignedFile(dataDirectory);
  yield* sealed(`${TLS}${basename(certificate)}`, certificate, secrets);
}

/** What a backup holds of a file. Throws 'invalid-request' for a name that is none of a backup, 'internal' when it was sealed with another key. */
export function openKeyFile({ file, sealed: text }: BackupFile, secrets: Secrets): string {
  const name = file.startsWith(HOST_KEYS) ? file.slice(HOST_KEYS.length) : file.startsWith(TLS) ? file.slice(TLS.length) : '';
  if (!NAME.test(name)) throw new HubError('invalid-request', `The backup holds a file of a name that none has: ${file}`);
  return secrets.open(text, recordOf(file));
}

/** Puts a file back; one that is there and differs is kept beside it. Says whether it did. */
export async function putKeyFile(file: string, content: string, places: KeyFiles, suffix: string): Promise<boolean> {
  const path = file.startsWith(HOST_KEYS)
    ? places.hostKeyDirectory && join(places.hostKeyDirectory, file.slice(HOST_KEYS.length))
    : join(dirname(selfSignedFile(places.dataDirectory)), file.slice(TLS.length));
  if (path === undefined) return false;
  const there = await readFile(path, 'utf8').catch(absent);
  if (there === content) return false;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${randomToken(6)}`;
  await writeFile(unfinished, content, { mode: 0o600, flag: 'wx', flush: true });
  if (there !== undefined) {
    await rename(path, `${path}.${suffix}`);
    await chmod(`${path}.${suffix}`, 0o600);
  }
  await rename(unfinished, path);
  return true;
}

async function* sealed(file: string, path: string, secrets: Secrets): AsyncGenerator<BackupFile> {
  const content = await readFile(path, 'utf8').catch(absent);
  if (content !== undefined) yield { file, sealed: secrets.seal(content, recordOf(file)) };
}

function recordOf(file: string): string {
  return `backup:${file}`;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
