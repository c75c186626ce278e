import { compileGlob, type FileInfo, toHubError, type VirtualFileSystem } from '#core/api.js';
import { fitsLine } from './facts.js';

/** What one list command asks for. */
export interface ListRequest {
  /** As VirtualFileSystem takes it. */
  readonly path: string;
  /** Whether a path that names a file is one line rather than an error. */
  readonly file: boolean;
  /** Whether '*' and '?' in the last segment stand for names, where no entry is called so. */
  readonly glob: boolean;
}

/** Whether the entries are those of the directory that was asked for, a file itself, or what a pattern fits. */
export type Found = 'directory' | 'file' | 'pattern';

/** An open listing. */
export interface Listing {
  readonly found: Found;
  readonly batches: AsyncIterable<readonly FileInfo[]>;
}

/**
 * Opens a listing: the entries of a directory, a file itself, or those that a pattern fits, in batches. What is missing or forbidden
 * fails here, before anything is sent. Names that cannot be carried in a line are left out.
 */
export async function openListing(files: VirtualFileSystem, request: ListRequest): Promise<Listing> {
  try {
    return { found: 'directory', batches: await begun(files.list(request.path)) };
  } catch (error) {
    const { code } = toHubError(error);
    if (code === 'not-a-directory' && request.file) return { found: 'file', batches: single(await files.lstat(request.path)) };
    const [, directory = '/', pattern = ''] = /^(.*)\/([^/]*)$/s.exec(request.path) ?? [];
    if (code !== 'not-found' || !request.glob || !/[*?]/.test(pattern)) throw error;
    return { found: 'pattern', batches: matching(await begun(files.list(directory || '/')), compileGlob(pattern)) };
  }
}

/** The text of a batch, a line each. */
export function linesOf(batch: readonly FileInfo[], line: (info: FileInfo) => string): string {
  let text = '';
  for (const info of batch) if (fitsLine(info.name)) text += `${line(info)}\r\n`;
  return text;
}

/** The same listing, its first batch read. */
async function begun(batches: AsyncIterable<readonly FileInfo[]>): Promise<AsyncIterable<readonly FileInfo[]>> {
  const iterator = batches[Symbol.asyncIterator]();
  const first = await iterator.next();
  return rest(first, iterator);
}

async function* rest(
  first: IteratorResult<readonly FileInfo[]>,
  iterator: AsyncIterator<readonly FileInfo[]>,
): AsyncGenerator<readonly FileInfo[]> {
  try {
    for (let result = first; !result.done; result = await iterator.next()) yield result.value;
  } finally {
    await iterator.return?.();
  }
}

async function* single(info: FileInfo): AsyncGenerator<readonly FileInfo[]> {
  yield [info];
}

async function* matching(
  batches: AsyncIterable<readonly FileInfo[]>,
  matches: (name: string) => boolean,
): AsyncGenerator<readonly FileInfo[]> {
  for await (const batch of batches) yield batch.filter(({ name }) => matches(name));
}
