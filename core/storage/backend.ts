import type { ZodType } from 'zod';
import type { Logger } from '../log.js';

/** One entry of a directory, or the answer to stat(). */
export interface FileInfo {
  /** Last segment of the path; empty for the root. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  /** Size in bytes; 0 for directories. */
  readonly size: number;
  /** Last modification, in milliseconds since 1970. */
  readonly mtime: number;
  /** Last access, in milliseconds since 1970, when the backend has it. */
  readonly atime?: number;
  /** POSIX permission bits, when the backend has them. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Opaque version of the content; changes whenever the content does, and when another entry takes the name. May be a getter of a class, which `{ ...info }` leaves out. */
  readonly etag?: string;
}

/** POSIX open flags by name. At least one of `read` and `write` is set. */
export interface OpenFlags {
  readonly read?: boolean;
  readonly write?: boolean;
  /** Creates the file when it is missing. */
  readonly create?: boolean;
  /** With `create`: fails with 'already-exists' when the file is there. */
  readonly exclusive?: boolean;
  /** Starts from an empty file. */
  readonly truncate?: boolean;
}

/**
 * A place where files live. Paths are absolute within the backend, '/'-separated
 * and already normalised: no '.', '..', empty segment or trailing slash.
 *
 * Only stat, list and open are required: that is a read-only backend. Each
 * optional method is a capability; having the method is declaring it. The
 * virtual filesystem falls back where it can (copy, checksum) and otherwise
 * answers 'unsupported', so a backend never implements a method just to throw.
 *
 * Failures are HubErrors. 'unavailable' marks those worth retrying.
 */
export interface StorageBackend {
  /** Facts about this backend that are not methods. */
  readonly features: StorageFeatures;

  /** Describes the entry at `path`, following symlinks where the backend follows any. Throws 'not-found'. */
  stat(path: string): Promise<FileInfo>;
  /** Yields the entries of a directory in batches, in any order. Throws 'not-found' or 'not-a-directory'. */
  list(path: string): AsyncIterable<readonly FileInfo[]>;
  /** Opens a file. Throws 'not-found', 'already-exists', 'is-a-directory', or 'unsupported' for flags it cannot honour. */
  open(path: string, flags: OpenFlags): Promise<StorageHandle>;

  /** Like stat, but describes a symlink itself. */
  lstat?(path: string): Promise<FileInfo>;
  /** Creates one directory. Throws 'already-exists', or 'not-found' when the parent is missing. */
  mkdir?(path: string): Promise<void>;
  /** Deletes a file or symlink, never a directory. Throws 'not-found'. */
  removeFile?(path: string): Promise<void>;
  /** Deletes an empty directory. Throws 'not-found' or 'directory-not-empty'. */
  removeDirectory?(path: string): Promise<void>;
  /** Moves an entry in one atomic step, or absent. `replace: false` throws 'already-exists' instead of replacing a file at `to`. */
  rename?(from: string, to: string, options: { readonly replace: boolean }): Promise<void>;
  /**
   * Finishes a rename() with `replace: false` that a crash has cut off between its steps, where it has several. Resolves to whether it
   * was begun: the file is then at `to` only. Absent where a rename is one step.
   */
  finishRename?(from: string, to: string): Promise<boolean>;
  /** A second name for the same file. */
  link?(from: string, to: string): Promise<void>;
  /** Copies a file without moving its bytes through the hub, replacing a file at `to`. */
  copy?(from: string, to: string): Promise<void>;
  /** Changes what is given; ignores what it has no place for. */
  setAttributes?(path: string, attributes: FileAttributes): Promise<void>;
  /** `path` with every symlink followed. Present where links are followed; permissions are then checked at both ends. */
  realPath?(path: string): Promise<string>;
  symlink?(target: string, path: string): Promise<void>;
  readlink?(path: string): Promise<string>;
  /** Digest in lower-case hex when it is stored, undefined when it would have to be computed. */
  checksum?(path: string, algorithm: HashAlgorithm): Promise<string | undefined>;
  /** Total and free bytes of the underlying store. */
  space?(): Promise<{ readonly total: number; readonly free: number }>;
  /**
   * Begins the file that will be at `path` once it is published; until then nobody sees it. `prefix` begins the name of its
   * temporary, which lies in one of stagingFolders(). Where a file is there already, the new one gets its mode. Throws
   * 'not-found' when the directory of `path` is missing. Absent: the hub does the same by open() and rename().
   */
  stage?(path: string, prefix: string): Promise<StagedFile>;
  /**
   * Takes the file for `path` up again that stage() began at `temporary` and close() left there, with what it holds. Throws
   * 'not-found' when it is gone, or the directory of `path` is; it then stays as it is. Absent: the hub does the same by open() and
   * rename(), where writes may arrive at any offset.
   */
  restage?(path: string, temporary: string): Promise<StagedFile>;
  /**
   * The folder in which an unfinished upload of `path` is kept, made when missing, from which rename() to `path` is
   * one atomic step. Absent: '/.entrepot', which the hub makes itself.
   */
  stagingFolder?(path: string): Promise<string>;
  /** Every folder that stagingFolder() may have given, for the sweep after a crash. Absent: '/.entrepot'. */
  stagingFolders?(): Promise<readonly string[]>;
  /** The path on this machine's disk where a program can read the file, for hooks. Only for backends on the local disk. */
  localPath?(path: string): string;
  /** Makes what was last renamed, created or removed in the directory `path` survive a power cut. */
  syncDirectory?(path: string): Promise<void>;
  /** Releases connections. Called once, after the last handle is closed. */
  close?(): Promise<void>;
}

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** What setAttributes may change; `size` truncates or extends, times in ms, `follow: false` means the link itself. */
export interface FileAttributes {
  readonly size?: number;
  readonly mtime?: number;
  readonly atime?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly follow?: boolean;
}

export interface StorageFeatures {
  /** True when writes may arrive at any offset; otherwise the hub puts them in order first. */
  readonly randomWrites: boolean;
  /** True when a written file appears only at close(); otherwise the hub writes to a temporary name and renames. */
  readonly atomicWrites: boolean;
}

/** An open file. Reads and writes may overlap; close() and abort() are called last, exactly one of them, once. */
export interface StorageHandle {
  /** What the file was when it was opened, where the backend knows that at no cost. */
  readonly opened?: FileInfo | undefined;
  /** Fills `target` from `position`; resolves to the bytes read, 0 at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all of `data` at `position`. `data` may be reused once the promise settles. */
  write(data: Uint8Array, position: number): Promise<void>;
  /** Writes the pieces one after the other from `position`, like write() of their concatenation. Absent: write() is called for each. */
  writev?(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** Where reading and writing never wait. */
  readonly atOnce?: AtOnce | undefined;
  /** Describes the file as it is now. */
  stat(): Promise<FileInfo>;
  /** Like StorageBackend.setAttributes, on the open file. */
  setAttributes?(attributes: FileAttributes): Promise<void>;
  truncate?(size: number): Promise<void>;
  /** Flushes to stable storage. */
  sync?(): Promise<void>;
  /** Makes what was written permanent. The upload has happened when this resolves. */
  close(): Promise<void>;
  /** Gives up; leaves no new file behind where `atomicWrites` is true. Never throws. */
  abort(): Promise<void>;
}

/** Reading and writing of what is in memory: it waits for no disk and no network, so that a call costs less than the trip to another thread. */
export interface AtOnce {
  /** Fills `pieces` one after the other from `position`; gives the bytes read, fewer only at the end of the file. */
  read(pieces: readonly Uint8Array[], position: number): number;
  /** Writes all of `pieces` one after the other from `position`; they may be reused when it returns. */
  write(pieces: readonly Uint8Array[], position: number): void;
}

/** A file in the making: written like any other, then published or aborted, exactly one of them, once; close() instead leaves the temporary where it is. */
export interface StagedFile extends StorageHandle {
  /** Its path within the storage until it is published: after a crash, one that is still there was not. */
  readonly temporary: string;
  /** What was at the path when it was begun, a link as itself; undefined when nothing was. */
  readonly existing: FileInfo | undefined;
  /**
   * Puts the file in its place in one atomic step; `replace: false` throws 'already-exists' when something is there. When it
   * throws, nothing has changed, and abort() follows. Where the file was sync()ed before, its directory is flushed too; that
   * this failed cannot undo the step, so it is what the promise then resolves to.
   */
  publish(options: { readonly replace: boolean }): Promise<unknown>;
}

/** A kind of backend, as an extension registers it. */
export interface BackendType<Options = unknown> {
  /** Name used in the definition of a storage: 'local', 's3'. */
  readonly name: string;
  /** Checks a storage's options; its descriptions become the form in the admin UI. */
  readonly options: ZodType<Options>;
  /** The folders of this machine that a storage with these options reaches; a kind without it reaches none. None of the hub's own may be among them. */
  folders?(options: Options): readonly string[];
  /** Connects. Instances are shared between sessions whose options are equal. */
  open(options: Options, context: { readonly log: Logger }): Promise<StorageBackend>;
}
