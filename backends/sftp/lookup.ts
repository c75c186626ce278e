import { type FileInfo, HubError } from '#core/api.js';
import { describe, readAttributes } from './attributes.js';
import type { Connection } from './connection.js';
import { PACKET, stringField } from './packets.js';
import { directoriesAbove, nameOf, remotePath } from './paths.js';
import { expected, Refusal, STATUS } from './status.js';

/** How long a directory that was seen to be one is taken for one. */
const TRUSTED_MS = 2_000;
const MAX_TRUSTED = 1_000;
/** Directories of a path that are looked at in one trip. */
const AT_ONCE = 16;

export const notFound = () => new HubError('not-found', 'No such file or directory');

/**
 * Looks at entries without following links: every directory on the way has to be one itself. The server is asked by path, so
 * whoever can put a link in the place of a directory between the look and the use of a path can still lead it elsewhere.
 */
export class Lookup {
  readonly #trusted = new Map<string, number>();

  constructor(private readonly root: string) {}

  /** What is at `path`, a link as itself; undefined when nothing is. Throws 'not-found' or 'not-a-directory' when the way to it is not there; devices, sockets and pipes are not there. */
  async find(connection: Connection, path: string): Promise<FileInfo | undefined> {
    const above = directoriesAbove(path).filter(directory => !this.#isTrusted(directory));
    const last = above.length <= AT_ONCE ? this.#ask(connection, path) : undefined;
    last?.catch(() => undefined);
    for (let start = 0; start < above.length; start += AT_ONCE) {
      const piece = above.slice(start, start + AT_ONCE);
      const found = await Promise.all(piece.map(directory => this.#ask(connection, directory)));
      for (const [index, info] of found.entries()) this.#mustLeadOn(piece[index]!, info);
    }
    return last ?? this.#ask(connection, path);
  }

  /** Like find(), of what has to be there and be no link. Throws 'not-found'. */
  async mustFind(connection: Connection, path: string): Promise<FileInfo> {
    const info = await this.find(connection, path);
    if (!info || info.type === 'symlink') throw notFound();
    return info;
  }

  /** To be called when a directory was moved or removed. */
  forget(): void {
    this.#trusted.clear();
  }

  async #ask(connection: Connection, path: string): Promise<FileInfo | undefined> {
    try {
      const reply = await connection.request(PACKET.LSTAT, [stringField(remotePath(this.root, path))]);
      const info = describe(nameOf(path), readAttributes(expected(reply, PACKET.ATTRS)));
      if (!info) throw notFound();
      return info;
    } catch (error) {
      if (error instanceof Refusal && error.status === STATUS.NO_SUCH_FILE) return undefined;
      throw error;
    }
  }

  #mustLeadOn(directory: string, info: FileInfo | undefined): void {
    if (info?.type === 'file') throw new HubError('not-a-directory', 'Not a directory');
    if (info?.type !== 'directory') throw notFound();
    if (this.#trusted.size >= MAX_TRUSTED) this.#trusted.clear();
    this.#trusted.set(directory, performance.now() + TRUSTED_MS);
  }

  #isTrusted(directory: string): boolean {
    return (this.#trusted.get(directory) ?? 0) > performance.now();
  }
}
