import type { FileInfo } from '#core/api.js';
import { type Attributes, describe, hasType, readAttributes } from './attributes.js';
import { nameText, PACKET, type ReplyReader, stringField } from './packets.js';
import { nameOf, pathOf } from './paths.js';
import type { Lease } from './pool.js';
import { unlessEnd } from './status.js';

/** Requests for entries that are under way at a time. */
const AT_ONCE = 3;

/** A directory that is open on the server. */
export interface Directory {
  readonly lease: Lease;
  readonly handle: Buffer;
  /** Its path within the storage. */
  readonly path: string;
}

/**
 * Yields the entries of a directory in the server's batches, and closes it. Names that are not valid UTF-8, and those that are
 * no names, are left out, as are devices, sockets and pipes; `look` is asked about a path whose type the server does not tell.
 */
export async function* entries(
  { lease, handle, path }: Directory,
  look: (path: string) => Promise<FileInfo | undefined>,
): AsyncGenerator<readonly FileInfo[]> {
  const { connection } = lease;
  const next = async () => unlessEnd(await connection.request(PACKET.READDIR, [stringField(handle)]), PACKET.NAME);
  const ahead: Promise<ReplyReader | undefined>[] = [];
  try {
    for (;;) {
      while (ahead.length < AT_ONCE) ahead.push(quiet(next()));
      const reader = await ahead.shift();
      if (!reader) return;
      const batch = await Promise.all(readEntries(reader, path).map(([entry, attributes]) => described(entry, attributes, look)));
      const known = batch.filter(info => info !== undefined);
      if (known.length > 0) yield known;
    }
  } finally {
    await Promise.allSettled(ahead);
    await connection.request(PACKET.CLOSE, [stringField(handle)]).catch(() => undefined);
    lease.release();
  }
}

/** What is asked for ahead may fail before anybody waits for it. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function readEntries(reader: ReplyReader, directory: string): readonly (readonly [path: string, attributes: Attributes])[] {
  const found: (readonly [string, Attributes])[] = [];
  for (let count = reader.uint32(); count > 0; count--) {
    const name = nameText(reader.string());
    reader.string();
    const attributes = readAttributes(reader);
    const path = name === undefined || /^\.{0,2}$|\//.test(name) ? undefined : pathOf(directory, name);
    if (path !== undefined) found.push([path, attributes]);
  }
  return found;
}

async function described(
  path: string,
  attributes: Attributes,
  look: (path: string) => Promise<FileInfo | undefined>,
): Promise<FileInfo | undefined> {
  return hasType(attributes) ? describe(nameOf(path), attributes) : look(path).catch(() => undefined);
}
