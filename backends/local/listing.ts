import type { FileInfo } from '#core/api.js';
import type { Held } from './held.js';
import { describe } from './info.js';
import type { Calls } from './io.js';

/** What fills a reply of most clients, and is described in about a millisecond. */
const BATCH = 250;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The entries of a directory that is held, a few hundred at a time. Left out: `hidden`, names that are not valid UTF-8
 * (no client could name them), what is neither file nor directory nor link, and what vanishes meanwhile.
 */
export async function* listDirectory(held: Held, calls: Calls, hidden: string | undefined): AsyncGenerator<readonly FileInfo[]> {
  for await (const names of calls.names(`${held.path}/.`, BATCH)) {
    const shown = names.map(decoded).filter(name => name !== undefined && name !== hidden) as string[];
    const stats = await calls.lookAll(shown.map(name => `${held.path}/${name}`));
    const infos: FileInfo[] = [];
    for (const [index, found] of stats.entries()) {
      const info = found && describe(shown[index]!, found);
      if (info) infos.push(info);
    }
    if (infos.length > 0) yield infos;
  }
}

function decoded(name: Uint8Array): string | undefined {
  try {
    return utf8.decode(name);
  } catch {
    return undefined;
  }
}
