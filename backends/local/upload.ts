import { closeSync, constants, unlink } from 'node:fs';
import type { FileInfo, StagedFile } from '#core/api.js';
import type { Confinement, Place } from './confine.js';
import { changeMode, LocalHandle, SETTABLE_MODE } from './handle.js';
import type { Held } from './held.js';
import { describe } from './info.js';
import { closeDescriptor, errnoOf, failure, openDescriptor, syncDescriptor, THREADED } from './io.js';
import { moveWithoutReplacing } from './links.js';

const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OLD_FILE = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

const LARGE_BYTES = 1024 * 1024;

/** Mode of a file that a client makes. */
export const FILE_MODE = 0o640;

interface Begun {
  readonly fd: number;
  /** Where the file is made. */
  readonly staging: Place;
  /** Where it will be. Its directory stays held from now on: a file that is open stays in the directory that it was opened in. */
  readonly target: Place;
  readonly temporary: string;
  readonly existing: FileInfo | undefined;
  /** There is no disk to flush it to. */
  readonly isMemory: boolean;
}

/** Begins an upload of `path` at `temporary`. Throws an errno, 'not-found' or 'not-a-directory'. */
export async function beginUpload(confinement: Confinement, path: string, temporary: string): Promise<LocalUpload> {
  const staging = await confinement.enter(temporary);
  try {
    const early = confinement.early(path);
    const begun = early && (await begin(staging, early.at, temporary, confinement.isMemory(early.at), early.confirmed));
    return new LocalUpload(begun ?? (await begin(staging, await confinement.enter(path), temporary, false))!);
  } catch (error) {
    staging.release();
    throw error;
  }
}

/** Takes the upload of `path` up again that lies at `temporary`. Throws an errno, 'not-found' or 'not-a-directory'; the file then stays. */
export async function resumeUpload(confinement: Confinement, path: string, temporary: string): Promise<LocalUpload> {
  const staging = await confinement.enter(temporary);
  const target = await confinement.enter(path).catch((error: unknown) => {
    staging.release();
    throw error;
  });
  try {
    const existing = await lookAt(target);
    const fd = await target.calls.open(staging.path, OLD_FILE);
    return new LocalUpload({ fd, staging, target, temporary, existing, isMemory: confinement.isMemory(target) });
  } catch (error) {
    staging.release();
    target.release();
    throw error;
  }
}

/** Makes the file and looks at its place at the same time. Undefined, with nothing left behind, when the place is not `confirmed`. */
async function begin(
  staging: Place,
  target: Place,
  temporary: string,
  isMemory: boolean,
  confirmed: Promise<boolean> = Promise.resolve(true),
): Promise<Begun | undefined> {
  const [made, seen, right] = await Promise.allSettled([target.calls.open(staging.path, NEW_FILE, FILE_MODE), lookAt(target), confirmed]);
  if (made.status === 'fulfilled' && seen.status === 'fulfilled' && right.status === 'fulfilled' && right.value) {
    const existing = seen.value;
    if (existing?.type === 'file' && existing.mode !== undefined && existing.mode !== FILE_MODE)
      await changeMode(made.value, existing.mode & SETTABLE_MODE).catch(() => undefined);
    return { fd: made.value, staging, target, temporary, existing, isMemory };
  }
  if (made.status === 'fulfilled') await discard(made.value, staging);
  target.release();
  if (right.status === 'fulfilled' && !right.value) return undefined;
  throw made.status === 'rejected' ? made.reason : (seen as PromiseRejectedResult).reason;
}

async function lookAt(target: Place): Promise<FileInfo | undefined> {
  const stats = await target.calls.look(target.path);
  return stats && describe(target.name, stats);
}

async function discard(fd: number, staging: Place): Promise<void> {
  await closeDescriptor(fd).catch(() => undefined);
  await new Promise<void>(resolve => unlink(staging.path, () => resolve()));
}

/** A file that is written under a temporary name, and renamed to its own in one step. */
export class LocalUpload extends LocalHandle implements StagedFile {
  readonly temporary: string;
  readonly existing: FileInfo | undefined;
  #flushed = false;
  #released = false;

  constructor(private readonly begun: Begun) {
    super(begun.target.name, begun.fd, { calls: begun.target.calls });
    this.temporary = begun.temporary;
    this.existing = begun.existing;
  }

  override async sync(): Promise<void> {
    if (!this.begun.isMemory) await super.sync();
    this.#flushed = true;
  }

  async publish({ replace }: { readonly replace: boolean }): Promise<unknown> {
    const { staging, target } = this.begun;
    // A late failure to write must be heard before the file is seen.
    if (this.#flushed) this.closeFlushed();
    else await super.close();
    try {
      // What goes away with a large file takes its time, in memory too.
      const { rename } = (this.existing?.size ?? 0) > LARGE_BYTES ? THREADED : target.calls;
      if (replace) await rename(staging.path, target.path);
      else await moveWithoutReplacing(staging.path, target.path, 'file');
    } catch (error) {
      throw failure(error);
    }
    const unflushed = this.#flushed && !this.begun.isMemory ? await flushDirectory(target.parent).catch(failure) : undefined;
    this.#release();
    return unflushed;
  }

  override async close(): Promise<void> {
    await super.close().finally(() => this.#release());
  }

  override async abort(): Promise<void> {
    await super.close().catch(() => undefined);
    await new Promise<void>(resolve => unlink(this.begun.staging.path, () => resolve()));
    this.#release();
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.begun.staging.release();
    this.begun.target.release();
  }
}

/** Makes what was renamed in a directory survive a power cut. */
async function flushDirectory({ path, fd }: Held): Promise<void> {
  try {
    if (fd >= 0) return await syncDescriptor(fd);
  } catch (error) {
    // Held without being readable.
    if (errnoOf(error) !== 'EBADF') throw error;
  }
  const own = await openDescriptor(`${path}/.`, DIRECTORY);
  await syncDescriptor(own).finally(() => closeSync(own));
}
