import { type FileAttributes, type FileInfo, HubError, type OpenFlags, type StorageBackend, type StorageHandle } from '#core/api.js';
import { attributesField, changesAnything, NO_ATTRIBUTES, needsPresent } from './attributes.js';
import { type Connection, ConnectionLost } from './connection.js';
import { type RemoteFile, SftpHandle } from './handle.js';
import { entries } from './listing.js';
import { Lookup, notFound } from './lookup.js';
import { nameText, OPEN, PACKET, stringField, uint32Fields } from './packets.js';
import { nameOf, remotePath, targetToShow, targetToWrite } from './paths.js';
import type { ConnectionPool } from './pool.js';
import { expected, Refusal, type Reply, STATUS, succeeded } from './status.js';

/**
 * A directory of another SFTP server. Links can be made, listed, read and removed, and are never followed: to every other method
 * they are not there. What needs an extension is there when the server offered it at the first connection.
 */
export class SftpStorage implements StorageBackend {
  readonly features = { randomWrites: true, atomicWrites: false };
  readonly link?: (from: string, to: string) => Promise<void>;
  readonly space?: () => Promise<{ readonly total: number; readonly free: number }>;
  readonly #lookup: Lookup;

  /** `root` is an absolute path of the server. */
  constructor(
    private readonly pool: ConnectionPool,
    private readonly root: string,
    private readonly extensions: ReadonlyMap<string, string>,
  ) {
    this.#lookup = new Lookup(root);
    if (extensions.has('hardlink@openssh.com')) this.link = (from, to) => this.#link(from, to);
    if (extensions.has('statvfs@openssh.com')) this.space = () => this.#space();
  }

  stat(path: string): Promise<FileInfo> {
    return this.pool.use(connection => this.#lookup.mustFind(connection, path), true);
  }

  async lstat(path: string): Promise<FileInfo> {
    const info = await this.pool.use(connection => this.#lookup.find(connection, path), true);
    if (!info) throw notFound();
    return info;
  }

  async *list(path: string): AsyncGenerator<readonly FileInfo[]> {
    const directory = await this.#take(async connection => {
      if ((await this.#lookup.mustFind(connection, path)).type !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
      return handleIn(await connection.request(PACKET.OPENDIR, [this.#field(path)]));
    });
    yield* entries({ ...directory, path }, entry => this.#lookup.find(directory.lease.connection, entry));
  }

  async open(path: string, flags: OpenFlags): Promise<StorageHandle> {
    let opened: FileInfo | undefined;
    const remote = await this.#take(async connection => {
      opened = await this.#lookup.find(connection, path);
      checkOpening(opened, flags);
      return this.#openHandle(connection, path, flags, opened);
    });
    return new SftpHandle(nameOf(path), flags, remote, opened, () => this.#openAgain(path));
  }

  async mkdir(path: string): Promise<void> {
    await this.#change(path, async (connection, existing) => {
      if (existing) throw alreadyExists();
      await this.#make(connection, path, connection.request(PACKET.MKDIR, [this.#field(path), NO_ATTRIBUTES]));
    });
  }

  async removeFile(path: string): Promise<void> {
    await this.#change(path, async (connection, existing) => {
      if (!existing) throw notFound();
      if (existing.type === 'directory') throw isDirectory();
      succeeded(await carriedOut(connection.request(PACKET.REMOVE, [this.#field(path)])));
    });
  }

  async removeDirectory(path: string): Promise<void> {
    if (path === '/') throw new HubError('permission-denied', 'The root stays');
    await this.#change(path, async (connection, existing) => {
      if (!existing || existing.type === 'symlink') throw notFound();
      if (existing.type === 'file') throw new HubError('not-a-directory', 'Not a directory');
      this.#lookup.forget();
      // The protocol has one status for whatever has no status of its own; here that is nearly always this.
      succeeded(await carriedOut(connection.request(PACKET.RMDIR, [this.#field(path)])), notEmpty);
    });
  }

  async rename(from: string, to: string, { replace }: { readonly replace: boolean }): Promise<void> {
    await this.#change(to, async (connection, target) => {
      const source = await this.#lookup.mustFind(connection, from);
      if (from === to) return;
      if (from === '/' || to.startsWith(`${from}/`)) throw new HubError('invalid-request', 'A directory cannot be moved into itself');
      if (target && !replace) throw alreadyExists();
      if (target) this.#mayReplace(source, target);
      if (source.type === 'directory') this.#lookup.forget();
      const names = [this.#field(from), this.#field(to)];
      const asked =
        replace && this.extensions.has('posix-rename@openssh.com')
          ? connection.extended('posix-rename@openssh.com', ...names)
          : connection.request(PACKET.RENAME, names);
      if (target?.type === 'directory') succeeded(await carriedOut(asked), notEmpty);
      else await this.#make(connection, to, asked);
    });
  }

  async setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const asLink = attributes.follow === false;
    await this.pool.use(async connection => {
      const info = await this.#lookup.find(connection, path);
      if (!info || (info.type === 'symlink' && !asLink)) throw notFound();
      if (attributes.size !== undefined && info.type === 'directory') throw isDirectory();
      if (!changesAnything(attributes)) return;
      const fields = [this.#field(path), attributesField(attributes, needsPresent(attributes) ? info : {})];
      // Setting the same twice is setting it once.
      if (info.type !== 'symlink') return succeeded(await connection.request(PACKET.SETSTAT, fields));
      if (!this.extensions.has('lsetstat@openssh.com')) throw new HubError('unsupported', 'The SFTP server cannot change a link itself');
      succeeded(await connection.extended('lsetstat@openssh.com', ...fields));
    }, true);
  }

  async symlink(target: string, path: string): Promise<void> {
    const written = targetToWrite(target, path);
    await this.#change(path, async (connection, existing) => {
      if (existing) throw alreadyExists();
      // OpenSSH has target and link the other way round than the draft says, and everybody follows OpenSSH.
      await this.#make(connection, path, connection.request(PACKET.SYMLINK, [stringField(written), this.#field(path)]));
    });
  }

  readlink(path: string): Promise<string> {
    return this.pool.use(async connection => {
      const info = await this.#lookup.find(connection, path);
      if (!info) throw notFound();
      if (info.type !== 'symlink') throw new HubError('invalid-request', 'Not a link');
      const target = nameText(nameIn(await connection.request(PACKET.READLINK, [this.#field(path)])));
      if (target === undefined) throw notFound();
      return targetToShow(target, path, this.root);
    }, true);
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  async #link(from: string, to: string): Promise<void> {
    await this.#change(to, async (connection, existing) => {
      if ((await this.#lookup.mustFind(connection, from)).type !== 'file') throw isDirectory();
      if (existing) throw alreadyExists();
      await this.#make(connection, to, connection.extended('hardlink@openssh.com', this.#field(from), this.#field(to)));
    });
  }

  #space(): Promise<{ readonly total: number; readonly free: number }> {
    return this.pool.use(async connection => {
      const reply = await connection.extended('statvfs@openssh.com', this.#field('/'));
      const reader = expected(reply, PACKET.EXTENDED_REPLY);
      const [, blockBytes, blocks, , available] = Array.from({ length: 5 }, () => reader.uint64());
      return { total: blocks! * blockBytes!, free: available! * blockBytes! };
    }, true);
  }

  #field(path: string): Buffer {
    return stringField(remotePath(this.root, path));
  }

  /** Looks at `path`, and lets `work` change something there. It is tried on another connection only when the look failed. */
  #change(path: string, work: (connection: Connection, existing: FileInfo | undefined) => Promise<void>): Promise<void> {
    return this.pool.use(async connection => work(connection, await this.#lookup.find(connection, path)), true);
  }

  /** Hears the answer to a request that puts something at `path`. Where the server only says that it failed, what is there now tells why. */
  async #make(connection: Connection, path: string, asked: Promise<Reply>): Promise<void> {
    try {
      succeeded(await carriedOut(asked));
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== STATUS.FAILURE) throw error;
      throw (await this.#lookup.find(connection, path).catch(() => undefined)) ? alreadyExists() : error;
    }
  }

  /** As on a disk: a file takes the place of a file or a link, a directory that of an empty directory. */
  #mayReplace(source: FileInfo, target: FileInfo): void {
    if (target.type === 'directory' && source.type !== 'directory') throw isDirectory();
    if (target.type !== 'directory' && source.type === 'directory') throw new HubError('not-a-directory', 'Not a directory');
    if (!this.extensions.has('posix-rename@openssh.com'))
      throw new HubError('unsupported', 'The SFTP server cannot replace a file in one step');
  }

  /** Takes a connection for something that stays open on it; tried on another one when the first is gone. */
  async #take(openOn: (connection: Connection) => Promise<Buffer>): Promise<RemoteFile> {
    for (let mayRepeat = true; ; mayRepeat = false) {
      const lease = await this.pool.take();
      try {
        return { lease, handle: await openOn(lease.connection) };
      } catch (error) {
        lease.release();
        if (!mayRepeat || !(error instanceof ConnectionLost) || error.timedOut) throw error;
      }
    }
  }

  async #openHandle(connection: Connection, path: string, flags: OpenFlags, existing: FileInfo | undefined): Promise<Buffer> {
    // What was not there is made exclusively, so that no link that came meanwhile is followed.
    const bits =
      (flags.read ? OPEN.READ : 0) |
      (flags.write ? OPEN.WRITE : 0) |
      (existing ? (flags.truncate ? OPEN.TRUNCATE | OPEN.CREATE : 0) : OPEN.CREATE | OPEN.EXCLUSIVE);
    const asked = connection.request(PACKET.OPEN, [this.#field(path), uint32Fields(bits), NO_ATTRIBUTES]);
    try {
      return handleIn(await (flags.write ? carriedOut(asked) : asked));
    } catch (error) {
      if (existing || !(error instanceof Refusal) || error.status !== STATUS.FAILURE) throw error;
      const now = await this.#lookup.find(connection, path);
      if (!now) throw error;
      checkOpening(now, flags);
      return this.#openHandle(connection, path, flags, now);
    }
  }

  #openAgain(path: string): Promise<RemoteFile> {
    return this.#take(async connection => {
      const info = await this.#lookup.mustFind(connection, path);
      return this.#openHandle(connection, path, { read: true }, info);
    });
  }
}

function checkOpening(existing: FileInfo | undefined, { create, exclusive }: OpenFlags): void {
  if (!existing && !create) throw notFound();
  if (existing && create && exclusive) throw alreadyExists();
  if (existing?.type === 'directory') throw isDirectory();
  if (existing?.type === 'symlink') throw notFound();
}

/** A request that changes something: when its connection is lost it may have been done, so nobody is to do it again. */
async function carriedOut(asked: Promise<Reply>): Promise<Reply> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    throw new HubError('unavailable', `${error.message}; whether it was done is not known`, { cause: error });
  }
}

function handleIn(reply: Reply): Buffer {
  return Buffer.from(expected(reply, PACKET.HANDLE).string());
}

/** The one name in a reply to READLINK or REALPATH. */
export function nameIn(reply: Reply): Buffer {
  const reader = expected(reply, PACKET.NAME);
  if (reader.uint32() === 0) throw notFound();
  return reader.string();
}

const alreadyExists = () => new HubError('already-exists', 'Already exists');
const isDirectory = () => new HubError('is-a-directory', 'Is a directory');
const notEmpty = () => new HubError('directory-not-empty', 'Directory not empty');
