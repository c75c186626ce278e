import { closeSync, fchmod, fchown, fstatSync, ftruncate, futimes, readvSync } from 'node:fs';
import { promisify } from 'node:util';
import { type AtOnce, type FileAttributes, type FileInfo, HubError, type StorageHandle } from '#core/api.js';
import { describe } from './info.js';
import { type Calls, closeDescriptor, failure, IMMEDIATE, notAFile, SMALL_BYTES, statDescriptor, syncData, writeAllNow } from './io.js';

/** Like fchmod(2). */
export const changeMode = promisify(fchmod);
const changeOwner = promisify(fchown);
const changeTimes = promisify(futimes);
const changeSize = promisify(ftruncate);

/** Permission bits that a client may set: none that change the user of a program, none that let everyone write. */
export const SETTABLE_MODE = 0o775;

/** A regular file that is open on the local disk. */
export class LocalHandle implements StorageHandle {
  readonly opened?: FileInfo;
  readonly atOnce: AtOnce | undefined;
  readonly #calls: Calls;
  readonly #quick: boolean;
  #open = true;

  /** With `quick` it was opened for reading where closing waits for nothing. */
  constructor(
    private readonly name: string,
    private readonly fd: number,
    { calls, opened, quick = false }: { readonly calls: Calls; readonly opened?: FileInfo | undefined; readonly quick?: boolean },
  ) {
    if (opened) this.opened = opened;
    this.#calls = calls;
    this.atOnce = calls === IMMEDIATE ? this.#atOnce() : undefined;
    this.#quick = quick;
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#use(async fd => {
      // Clients read on until they are told of the end, which costs no trip to the disk threads unless the file has grown.
      const leftBytes = (this.opened?.size ?? Infinity) - position;
      if (this.#quick && leftBytes <= 0 && position >= fstatSync(fd).size) return 0;
      if (leftBytes > SMALL_BYTES) return this.#calls.read(fd, target, position);
      const count = await this.#calls.read(fd, target.subarray(0, SMALL_BYTES), position);
      // It has grown since it was opened.
      if (count === SMALL_BYTES && target.length > count)
        return count + (await this.#calls.read(fd, target.subarray(count), position + count));
      return count;
    });
  }

  write(data: Uint8Array, position: number): Promise<void> {
    return this.#use(fd => this.#calls.write(fd, [data], position));
  }

  writev(pieces: readonly Uint8Array[], position: number): Promise<void> {
    return this.#use(fd => this.#calls.write(fd, pieces, position));
  }

  stat(): Promise<FileInfo> {
    return this.#use(async fd => {
      const info = describe(this.name, await statDescriptor(fd));
      if (!info) throw notAFile();
      return info;
    });
  }

  setAttributes({ size, mtime, atime, mode, uid, gid }: FileAttributes): Promise<void> {
    return this.#use(async fd => {
      if (size !== undefined) await changeSize(fd, size);
      if (mode !== undefined) await changeMode(fd, mode & SETTABLE_MODE);
      const wants = { mtime, atime, uid, gid };
      if (needsCurrent(wants)) {
        const changes = completed(wants, await statDescriptor(fd));
        if (changes.owner) await changeOwner(fd, ...changes.owner);
        if (changes.times) await changeTimes(fd, ...changes.times);
      }
    });
  }

  truncate(size: number): Promise<void> {
    return this.#use(fd => changeSize(fd, size));
  }

  /** Flushes the content and the size: what is needed to read the file again. */
  sync(): Promise<void> {
    return this.#use(syncData);
  }

  close(): Promise<void> {
    return this.#use(async fd => {
      if (this.#quick) return this.closeFlushed();
      this.#open = false;
      return closeDescriptor(fd);
    });
  }

  /** The same at once, for what was flushed: closing it waits for no disk, and what it says changes nothing. */
  protected closeFlushed(): void {
    this.#open = false;
    try {
      closeSync(this.fd);
    } catch {
      // Closed it is, and on the disk it was.
    }
  }

  async abort(): Promise<void> {
    await this.close().catch(() => undefined);
  }

  #atOnce(): AtOnce {
    return {
      read: (pieces, position) => this.#useNow(fd => readvSync(fd, pieces, position)),
      write: (pieces, position) => this.#useNow(fd => writeAllNow(fd, pieces, position)),
    };
  }

  #useNow<T>(action: (fd: number) => T): T {
    if (!this.#open) throw new HubError('aborted', 'The file is closed');
    try {
      return action(this.fd);
    } catch (error) {
      throw failure(error);
    }
  }

  /** A number that was closed may stand for another file by now, so it is never used again. */
  async #use<T>(action: (fd: number) => Promise<T>): Promise<T> {
    if (!this.#open) throw new HubError('aborted', 'The file is closed');
    try {
      return await action(this.fd);
    } catch (error) {
      throw failure(error);
    }
  }
}

interface Wanted {
  readonly mtime: number | undefined;
  readonly atime: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/** Whether an owner or a time is wanted, which the system takes in pairs only. */
export function needsCurrent({ mtime, atime, uid, gid }: Wanted): boolean {
  return mtime !== undefined || atime !== undefined || uid !== undefined || gid !== undefined;
}

/** The pairs to set, what is not wanted filled up with what is. Times in seconds. */
export function completed(
  { mtime, atime, uid, gid }: Wanted,
  current: { readonly atimeMs: bigint; readonly mtimeMs: bigint; readonly uid: bigint; readonly gid: bigint },
): { readonly owner?: [uid: number, gid: number]; readonly times?: [atime: number, mtime: number] } {
  return {
    ...(uid === undefined && gid === undefined ? {} : { owner: [uid ?? Number(current.uid), gid ?? Number(current.gid)] }),
    ...(mtime === undefined && atime === undefined
      ? {}
      : { times: [(atime ?? Number(current.atimeMs)) / 1000, (mtime ?? Number(current.mtimeMs)) / 1000] }),
  };
}
