import { constants } from 'node:fs';
import { chmod, mkdir, readdir, unlink } from 'node:fs/promises';
import { type Confinement, parentOf } from './confine.js';
import { closeDescriptor, errnoOf, openDescriptor, readAt, statDescriptor, statEntry, syncDescriptor, writeAt } from './io.js';

const FOLDER = '.entrepot';
const MAX_REMEMBERED = 10_000;

/** Where the staging folder of the root's own file system is. */
export const MAIN_STAGING = `/${FOLDER}`;

/** The file in it that names the staging folders of other file systems; not listed, so that no sweep takes it away. */
export const FOLDERS_FILE = 'folders';

/**
 * Where unfinished uploads are kept: in '/.entrepot', and for what lies on another file system mounted below the root
 * in '.entrepot' of that one's topmost directory, because only a rename within one file system is atomic. Where each
 * directory's uploads go is remembered, so that the next one costs nothing.
 */
export class StagingFolders {
  readonly #byDirectory = new Map<string, string>();
  readonly #used = new Set<string>();
  #others: Promise<Set<string>> | undefined;

  constructor(private readonly confinement: Confinement) {}

  /** The staging folder for `path`, made when missing. */
  async folderFor(path: string): Promise<string> {
    const directory = parentOf(path);
    const remembered = this.#byDirectory.get(directory);
    if (remembered !== undefined) return remembered;
    const { above, volumes } = await this.confinement.volumes(directory);
    let depth = above.length;
    while (depth > 0 && volumes[depth - 1] === volumes[above.length]) depth--;
    const folder = `/${[...above.slice(0, depth), FOLDER].join('/')}`;
    await this.make(folder);
    if (folder !== MAIN_STAGING) await this.#remember(folder);
    if (this.#byDirectory.size >= MAX_REMEMBERED) this.#byDirectory.clear();
    this.#byDirectory.set(directory, folder);
    return folder;
  }

  /** Every folder that folderFor() may have given, also before this process. */
  async all(): Promise<readonly string[]> {
    return [MAIN_STAGING, ...(await this.#otherFolders())];
  }

  /** Whether `path` is a staging folder that this process has used. */
  isFolder(path: string): boolean {
    return this.#used.has(path);
  }

  /** Makes a staging folder that is private to the hub, or takes the one that is there. */
  async make(folder: string): Promise<void> {
    this.confinement.forget(folder);
    const at = await this.confinement.enter(folder);
    try {
      await mkdir(at.path, { mode: 0o700 }).catch((error: unknown) => {
        if (errnoOf(error) !== 'EEXIST') throw error;
      });
      const held = await this.confinement.pin(at);
      // A link here is refused below; where the folder is another user's, its mode is his affair.
      if (held.fd >= 0) await chmod(held.path, 0o700).catch(() => undefined);
      held.release();
    } finally {
      at.release();
    }
    // Only the main one is kept held: on another file system that would forbid to unmount it.
    if (folder === MAIN_STAGING) await this.confinement.keep(folder);
    else (await this.confinement.hold(folder)).release();
    this.#used.add(folder);
  }

  /**
   * Finishes what a crash cut off in moveWithoutReplacing(): an upload that has a second name was published under that
   * one. So a temporary that is still there was not, which is what recovery goes by.
   */
  async finishMoves(): Promise<void> {
    for (const folder of await this.all()) {
      const held = await this.confinement.hold(folder).catch(() => undefined);
      if (!held) continue;
      try {
        for (const name of await readdir(`${held.path}/.`)) {
          const stats = await statEntry(`${held.path}/${name}`);
          if (stats.isFile() && stats.nlink > 1n) await unlink(`${held.path}/${name}`);
        }
      } finally {
        held.release();
      }
    }
  }

  /** Drops what is known of mounts, after a rename has shown that it is wrong. */
  relearn(): void {
    this.#byDirectory.clear();
  }

  async #remember(folder: string): Promise<void> {
    const others = await this.#otherFolders();
    if (others.has(folder)) return;
    if (!this.#used.has(MAIN_STAGING)) await this.make(MAIN_STAGING);
    const line = Buffer.from(`${JSON.stringify(folder)}\n`);
    await this.#withFile(constants.O_RDWR | constants.O_CREAT, async fd => {
      await writeAt(fd, line, Number((await statDescriptor(fd)).size));
      await syncDescriptor(fd);
    });
    others.add(folder);
  }

  #otherFolders(): Promise<Set<string>> {
    this.#others ??= this.#readFolders().catch((error: unknown) => {
      this.#others = undefined;
      throw error;
    });
    return this.#others;
  }

  async #readFolders(): Promise<Set<string>> {
    try {
      return await this.#withFile(constants.O_RDONLY, async fd => {
        const content = Buffer.alloc(Number((await statDescriptor(fd)).size));
        const text = content.toString('utf8', 0, await readAt(fd, content, 0));
        return new Set(text.split('\n').flatMap(parsed));
      });
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || (error as { code?: unknown }).code === 'not-found') return new Set();
      throw error;
    }
  }

  async #withFile<T>(flags: number, use: (fd: number) => Promise<T>): Promise<T> {
    const at = await this.confinement.enter(`${MAIN_STAGING}/${FOLDERS_FILE}`);
    try {
      const fd = await openDescriptor(at.path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
      return await use(fd).finally(() => closeDescriptor(fd));
    } finally {
      at.release();
    }
  }
}

/** The folder that a line names; none for a line that a crash cut short. */
function parsed(line: string): string[] {
  try {
    const folder: unknown = JSON.parse(line);
    return typeof folder === 'string' ? [folder] : [];
  } catch {
    return [];
  }
}
