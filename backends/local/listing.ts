import { opendir } from 'node:fs/promises';
import type { FileInfo } from '#core/api.js';
import type { Held } from './held.js';
import { describe } from './info.js';
import { errnoOf, statEntry } from './io.js';

const BATCH = 100;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The entries of a directory that is held, a hundred at a time. Left out: `hidden`, names that are not valid UTF-8
 * (no client could name them), what is neither file nor directory nor link, and what vanishes meanwhile.
 */
export async function* listDirectory(held: Held, hidden: string | undefined): AsyncGenerator<readonly FileInfo[]> {
  let names: string[] = [];
  for await (const entry of await opendir(`${held.path}/.`, { encoding: 'buffer' as BufferEncoding, bufferSize: BATCH })) {
    const name = decoded(entry.name as unknown as Uint8Array);
    if (name !== undefined && name !== hidden) names.push(name);
    if (names.length < BATCH) continue;
    yield await describeAll(held, names);
    names = [];
  }
  if (names.length > 0) yield await describeAll(held, names);
}

function decoded(name: Uint8Array): string | undefined {
  try {
    return utf8.decode(name);
  } catch {
    return undefined;
  }
}

async function describeAll(held: Held, names: readonly string[]): Promise<readonly FileInfo[]> {
  const infos = await Promise.all(names.map(name => describeOne(held, name)));
  return infos.filter(info => info !== undefined);
}

async function describeOne(held: Held, name: string): Promise<FileInfo | undefined> {
  try {
    return describe(name, await statEntry(`${held.path}/${name}`));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
