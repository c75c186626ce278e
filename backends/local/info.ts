import { type BigIntStats, constants } from 'node:fs';
import type { FileInfo } from '#core/api.js';

/** What the hub is told of an entry; undefined for devices, sockets and named pipes, which are no files here. */
export function describe(name: string, stats: BigIntStats): FileInfo | undefined {
  const type = TYPES.get(Number(stats.mode) & constants.S_IFMT);
  return (
    type && {
      name,
      type,
      size: type === 'directory' ? 0 : Number(stats.size),
      mtime: Number(stats.mtimeMs),
      atime: Number(stats.atimeMs),
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      // Made when it is asked for: a listing has thousands that nobody looks at.
      get etag() {
        return type === 'directory' ? tag(stats.dev, stats.ino, stats.birthtimeNs) : tag(stats.dev, stats.ino, stats.size, stats.mtimeNs);
      },
    }
  );
}

const TYPES: ReadonlyMap<number, FileInfo['type']> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
]);

function tag(...parts: readonly bigint[]): string {
  return parts.map(part => part.toString(36)).join('-');
}
