import { opendir } from 'node:fs/promises';
import type { FileInfo } from '#core/api.js';
import type { Held } from './held.js';
import { describe } from './info.js';
import type { Calls } from './io.js';

const BATCH = 100;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The entries of a directory that is held, a hundred at a time. Left out: `hidden`, names that are not valid UTF-8
 * (no client could name them), what is neither file nor directory nor link, and what vanishes meanwhile.
 */
export async function* listDirectory(held: Held, calls: Calls, hidden: string | undefined): AsyncGenerator<readonly FileInfo[]> {
  let names: string[] = [];
  for await (const entry of await opendir(`${held.path}/.`, { encoding: 'buffer' as BufferEncoding, bufferSize: BATCH })) {
    const name = decoded(entry.name as unknown as Uint8Array);
    if (name !== undefined && name !== hidden) names.push(name);
    if (names.length < BATCH) continue;
    yield await describeAll(held, calls, names);
    names = [];
  }
  if (names.length > 0) yield await describeAll(held, calls, names);
}

function decoded(name: Uint8Array): string | undefined {
  try {
    return utf8.decode(name);
  } catch {
    return undefined;
  }
}

async function describeAll(held: Held, calls: Calls, names: readonly string[]): Promise<readonly FileInfo[]> {
  const infos = await Promise.all(
    names.map(async name => {
      const stats = await calls.look(`${held.path}/${name}`);
      return stats && describe(name, stats);
    }),
  );
  return infos.filter(info => info !== undefined);
}
