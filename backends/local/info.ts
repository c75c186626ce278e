import { type BigIntStats, constants } from 'node:fs';
import type { FileInfo } from '#core/api.js';

/** What the hub is told of an entry; undefined for devices, sockets and named pipes, which are no files here. */
export function describe(name: string, stats: BigIntStats): FileInfo | undefined {
  const type = TYPES.get(Number(stats.mode) & constants.S_IFMT);
  return type && new LocalInfo(name, type, stats);
}

const TYPES: ReadonlyMap<number, FileInfo['type']> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
]);

/** A class, because an object of its own with a getter costs a quarter of a listing. */
class LocalInfo implements FileInfo {
  readonly size: number;
  readonly mtime: number;
  readonly atime: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly #stats: BigIntStats;

  constructor(
    readonly name: string,
    readonly type: FileInfo['type'],
    stats: BigIntStats,
  ) {
    this.size = type === 'directory' ? 0 : Number(stats.size);
    this.mtime = Number(stats.mtimeMs);
    this.atime = Number(stats.atimeMs);
    this.mode = Number(stats.mode) & 0o7777;
    this.uid = Number(stats.uid);
    this.gid = Number(stats.gid);
    this.#stats = stats;
  }

  /** Made when it is asked for: a listing has thousands that nobody looks at. */
  get etag(): string {
    const { dev, ino, size, birthtimeNs, mtimeNs } = this.#stats;
    return this.type === 'directory' ? tag(dev, ino, birthtimeNs) : tag(dev, ino, size, mtimeNs);
  }
}

function tag(...parts: readonly bigint[]): string {
  return parts.map(part => part.toString(36)).join('-');
}
