import * as fs from 'node:fs';
import { copyFile, opendir, statfs } from 'node:fs/promises';
import { HubError, toHubError } from '#core/api.js';

// Raw descriptors and callbacks, because a FileHandle costs more at each call than a small file can afford.

export const openDescriptor = (path: string, flags: number, mode = 0): Promise<number> =>
  new Promise((resolve, reject) => fs.open(path, flags, mode, (error, fd) => (error ? reject(error) : resolve(fd))));

export const closeDescriptor = (fd: number): Promise<void> => new Promise((resolve, reject) => fs.close(fd, settle(resolve, reject)));

export const statDescriptor = (fd: number): Promise<fs.BigIntStats> =>
  new Promise((resolve, reject) => fs.fstat(fd, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats))));

export const statEntry = (path: string): Promise<fs.BigIntStats> =>
  new Promise((resolve, reject) => fs.lstat(path, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats))));

/** The same, through links. */
const statEntryFollowing = (path: string): Promise<fs.BigIntStats> =>
  new Promise((resolve, reject) => fs.stat(path, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats))));

export const renameEntry = (from: string, to: string): Promise<void> =>
  new Promise((resolve, reject) => fs.rename(from, to, settle(resolve, reject)));

export const syncDescriptor = (fd: number): Promise<void> => new Promise((resolve, reject) => fs.fsync(fd, settle(resolve, reject)));

export const syncData = (fd: number): Promise<void> => new Promise((resolve, reject) => fs.fdatasync(fd, settle(resolve, reject)));

export const readAt = (fd: number, target: Uint8Array, position: number): Promise<number> =>
  new Promise((resolve, reject) =>
    fs.read(fd, target, 0, target.length, position, (error, count) => (error ? reject(error) : resolve(count))),
  );

/** The calls that a small file is made of, which are worth doing at once where they wait for nothing. */
export interface Calls {
  open(path: string, flags: number, mode?: number): Promise<number>;
  /** What is at `path` itself; undefined when nothing is. */
  look(path: string): Promise<fs.BigIntStats | undefined>;
  /** What is at `path`, through links; undefined when nothing is. */
  lookThrough(path: string): Promise<fs.BigIntStats | undefined>;
  /** The same as look() for each of `paths`. */
  lookAll(paths: readonly string[]): Promise<readonly (fs.BigIntStats | undefined)[]>;
  /** The names in the directory at `path`, as bytes, up to `count` at a time. */
  names(path: string, count: number): AsyncIterable<readonly Uint8Array[]>;
  rename(from: string, to: string): Promise<void>;
  describe(fd: number): Promise<fs.BigIntStats>;
  /** Of what is at `path`, through links; in seconds. */
  setTimes(path: string, atime: number, mtime: number): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  read(fd: number, target: Uint8Array, position: number): Promise<number>;
  /** Writes all of `pieces` one after the other. */
  write(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void>;
}

/** By the disk threads, so that a disk or network that is slow stops nobody else. */
export const THREADED: Calls = {
  open: openDescriptor,
  look: path => statEntry(path).catch(absent),
  lookThrough: path => statEntryFollowing(path).catch(absent),
  lookAll: paths => Promise.all(paths.map(path => statEntry(path).catch(absent))),
  names: namesThreaded,
  rename: renameEntry,
  describe: statDescriptor,
  setTimes: (path, atime, mtime) => new Promise((resolve, reject) => fs.utimes(path, atime, mtime, settle(resolve, reject))),
  setMode: (path, mode) => new Promise((resolve, reject) => fs.chmod(path, mode, settle(resolve, reject))),
  read: readAt,
  write: (fd, pieces, position) => (pieces.length === 1 ? writeAt(fd, pieces[0]!, position) : writeAllAt(fd, pieces, position)),
};

/** What is read and written at once; more is better copied by another thread, even in memory. */
export const SMALL_BYTES = 32 * 1024;
const STATS = { bigint: true, throwIfNoEntry: false } as const;

/** On this thread, for what is kept in memory: a trip to another thread takes several times as long as the call. */
export const IMMEDIATE: Calls = {
  open: async (path, flags, mode = 0) => fs.openSync(path, flags, mode),
  look: async path => fs.lstatSync(path, STATS),
  lookThrough: async path => fs.statSync(path, STATS),
  lookAll: async paths => paths.map(path => fs.lstatSync(path, STATS)),
  names: namesImmediate,
  rename: async (from, to) => fs.renameSync(from, to),
  describe: async fd => fs.fstatSync(fd, { bigint: true }),
  setTimes: async (path, atime, mtime) => fs.utimesSync(path, atime, mtime),
  setMode: async (path, mode) => fs.chmodSync(path, mode),
  read: async (fd, target, position) =>
    target.length > SMALL_BYTES ? readAt(fd, target, position) : fs.readSync(fd, target, 0, target.length, position),
  write: async (fd, pieces, position) => {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (bytes > SMALL_BYTES || fs.writevSync(fd, pieces, position) < bytes) return THREADED.write(fd, pieces, position);
  },
};

const NAMES = { encoding: 'buffer' as BufferEncoding };

async function* namesThreaded(path: string, count: number): AsyncGenerator<readonly Uint8Array[]> {
  let names: Uint8Array[] = [];
  for await (const { name } of await opendir(path, { ...NAMES, bufferSize: count })) {
    if (names.push(name as unknown as Uint8Array) < count) continue;
    yield names;
    names = [];
  }
  if (names.length > 0) yield names;
}

async function* namesImmediate(path: string, count: number): AsyncGenerator<readonly Uint8Array[]> {
  const directory = fs.opendirSync(path, { ...NAMES, bufferSize: count });
  try {
    for (;;) {
      const names: Uint8Array[] = [];
      for (let entry = directory.readSync(); entry; entry = names.length < count ? directory.readSync() : null)
        names.push(entry.name as unknown as Uint8Array);
      if (names.length === 0) return;
      yield names;
    }
  } finally {
    directory.closeSync();
  }
}

/** Writes all of `pieces` one after the other, on this thread. */
export function writeAllNow(fd: number, pieces: readonly Uint8Array[], position: number): void {
  const done = fs.writevSync(fd, pieces, position);
  let start = 0;
  for (const piece of pieces) {
    // What the system did not take at once.
    for (let at = Math.min(Math.max(done - start, 0), piece.length); at < piece.length; ) {
      at += fs.writeSync(fd, piece, at, piece.length - at, position + start + at);
    }
    start += piece.length;
  }
}

/** Writes all of `data`, however little the system takes at once. */
export async function writeAt(fd: number, data: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < data.length) done += await writeOnce(fd, data, done, position + done);
}

/** Writes all of `pieces` one after the other, however little the system takes at once. */
async function writeAllAt(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let done = await gatherOnce(fd, pieces, position);
  let start = 0;
  for (const piece of pieces) {
    const missed = Math.max(done - start, 0);
    if (missed < piece.length) {
      await writeAt(fd, piece.subarray(missed), position + start + missed);
      done = start + piece.length;
    }
    start += piece.length;
  }
}

/** Fills the empty file `target` with what is in `source`, sharing the blocks where the system can. */
export async function copyContent(source: number, target: number): Promise<void> {
  if (process.platform === 'linux') return copyFile(`/proc/self/fd/${source}`, `/proc/self/fd/${target}`, fs.constants.COPYFILE_FICLONE);
  const block = new Uint8Array(1024 * 1024);
  for (let position = 0, count = 1; count > 0; position += count) {
    count = await readAt(source, block, position);
    await writeAt(target, block.subarray(0, count), position);
  }
}

const MEMORY = 0x01021994;
/** File systems by their magic numbers (statfs(2)) that keep what is open in this machine's memory: tmpfs, ext, XFS, Btrfs, F2FS, ZFS, bcachefs. */
const LOCAL_DISKS = new Set([MEMORY, 0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e]);

/** What the file system below a directory promises. */
export interface Volume {
  readonly device: bigint;
  /** It never waits for anything to describe or close what is open and flushed. */
  readonly isLocal: boolean;
  /** It is memory: there is no disk to flush anything to. */
  readonly isMemory: boolean;
}

/** Looks at the file system at `path`, whose device is `device`. */
export async function volumeAt(path: string, device: bigint): Promise<Volume> {
  const { type } = await statfs(path);
  const known = process.platform === 'linux';
  return { device, isLocal: known && LOCAL_DISKS.has(type), isMemory: known && type === MEMORY };
}

/** Any failure of the file system as the HubError that the hub understands. */
export function failure(error: unknown): HubError {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (code === 'ENXIO' || code === 'ENODEV') return notAFile(error);
  if (code === 'EBADF') return new HubError('permission-denied', 'The file is not open for this', { cause: error });
  if (code === 'EBUSY' || code === 'ETXTBSY') return new HubError('locked', 'The file is in use', { cause: error });
  if (code === 'EIO' || code === 'ESTALE') return new HubError('unavailable', 'The storage fails to read or write', { cause: error });
  return toHubError(error);
}

export const notFound = (): HubError => new HubError('not-found', 'No such file or directory');

/** For what is neither a file nor a directory nor a link: devices, sockets and named pipes. */
export const notAFile = (cause?: unknown): HubError => new HubError('permission-denied', 'Not a regular file', { cause });

/** The errno name of a failure, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function writeOnce(fd: number, data: Uint8Array, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.write(fd, data, offset, data.length - offset, position, (error, count) => (error ? reject(error) : resolve(count))),
  );
}

function gatherOnce(fd: number, pieces: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => fs.writev(fd, pieces, position, (error, count) => (error ? reject(error) : resolve(count))));
}

function absent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function settle(resolve: () => void, reject: (error: Error) => void): (error: Error | null) => void {
  return error => (error ? reject(error) : resolve());
}
