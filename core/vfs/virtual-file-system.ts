import { HubError } from '../errors.js';
import type { FileAttributes, FileInfo, HashAlgorithm, OpenFlags } from '../storage/backend.js';
import { requireAttributeRights } from './attribute-rights.js';
import { copyContent, type DigestRequest, digestBy, digestFile } from './content.js';
import type { DigestRange } from './digest.js';
import { makeLink, makeSymlink, readLink } from './linking.js';
import { listDirectory } from './listing.js';
import { entryAt, type FoundEntry, locate, named, requireEntry } from './lookup.js';
import type { Location } from './mounts.js';
import { type Opened, openForPlan, stagedPlan } from './opening.js';
import { nameOf, parentOf, ROOT, type VirtualPath, virtualPath } from './path.js';
import type { UploadPlace } from './place-order.js';
import type { Verb } from './policy.js';
import { type Operation, recordOperation } from './recording.js';
import { renameEntry } from './renaming.js';
import { requireFileNames, requireNoMount, requireVerb } from './requirements.js';
import type { SessionScope, VfsServices } from './scope.js';
import { canStage, stageUpload } from './staging.js';
import { capability, inStorage } from './storage-calls.js';
import { Transfer } from './transfer.js';

/**
 * The files of one session, and the only way any protocol reaches them.
 *
 * Each method takes a path as the client sent it, normalises it, finds the mount,
 * checks the permission and the filters, asks the guards, calls
 * the backend, and publishes the event, in that order and nowhere else. All
 * failures are HubErrors.
 */
export class VirtualFileSystem {
  constructor(
    private readonly scope: SessionScope,
    private readonly services: VfsServices,
  ) {}

  /** How many files and directories the session may have open. */
  get openLimit(): number {
    return this.scope.openLimit;
  }

  /** The absolute normal form of a path, as this session sees it. No I/O. Throws 'invalid-request'. */
  resolve(path: string): string {
    return virtualPath(path);
  }

  /**
   * Describes the entry at `path`, following links where the storage follows any; unless `unfinished` is false, also an upload of the
   * user himself that has not appeared yet, for clients that go on with it. Throws 'not-found'.
   */
  stat(path: string, { unfinished = true }: { readonly unfinished?: boolean } = {}): Promise<FileInfo> {
    return this.#describe(path, { follow: true, unfinished });
  }

  /** Like stat, but describes a link itself. */
  lstat(path: string): Promise<FileInfo> {
    return this.#describe(path, { follow: false, unfinished: true });
  }

  /** Entries of a directory, mounts included, hidden names and unfinished uploads left out. */
  async *list(path: string): AsyncIterable<readonly FileInfo[]> {
    const directory = this.#enter(path);
    this.scope.policy.require('list', directory);
    const { location, info } = await entryAt(this.scope, directory);
    this.scope.policy.require('list', location.path);
    if (info && info.type !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
    yield* listDirectory(this.scope, location);
  }

  /** Opens a file for random access. The transfer counts against limits until it is closed or aborted. */
  async open(path: string, flags: OpenFlags): Promise<Transfer> {
    const asked = this.#enter(path);
    const location = await locate(this.scope, asked);
    const { backend } = location;
    // Where no link has to be followed first, opening tells what is there: one look at the storage instead of two.
    if (!backend.realPath) {
      if (!flags.write) return this.#openToRead({ asked, location, info: undefined }, flags);
      if (flags.create && flags.truncate && canStage(backend)) return this.#openStaged(asked, location, flags);
    }
    // What must not be there yet is not looked for behind a link.
    const found = await entryAt(this.scope, asked, { follow: !(flags.create && flags.exclusive) });
    if (!flags.write) return this.#openToRead(found, flags);
    const { location: place, info: existing } = found;
    const beginning = await this.services.uploads.beginning(this.scope.userId, place, existing, flags);
    await this.#admitWriting(found, beginning.resumes ? { ...flags, create: true } : flags);
    const request = { flags, existing, mayReplace: !flags.exclusive, stagingPrefix: this.services.stagingPrefix, beginning };
    return this.#transfer(place, flags, () => openForPlan(place, request));
  }

  /** Creates one directory. Throws 'already-exists', or 'not-found' when the parent is missing. */
  async mkdir(path: string): Promise<void> {
    const found = await this.#entry(path);
    this.#require('create-directory', found);
    const { location, info } = found;
    const mkdir = capability(location.backend.mkdir, 'directories').bind(location.backend);
    if (info) throw new HubError('already-exists', 'Already exists');
    await this.#record({
      type: 'directory.created',
      location,
      proof: { at: location, before: '' },
      operate: () => mkdir(location.storagePath),
    });
  }

  /** Removes a file or link, never a directory. */
  async removeFile(path: string): Promise<void> {
    const found = await this.#entry(path);
    this.#require('remove-file', found);
    const { location, info } = requireEntry(found);
    if (info.type === 'directory') throw new HubError('is-a-directory', 'Is a directory');
    this.#requireFileNames(found);
    const remove = capability(location.backend.removeFile, 'removal').bind(location.backend);
    await this.services.guards.ask('delete', { session: this.scope.info, path: location.path });
    const proof = { at: location, before: info.etag ?? '*' };
    await this.#record({ type: 'file.deleted', location, extra: { size: info.size }, proof, operate: () => remove(location.storagePath) });
  }

  /** Removes an empty directory. Throws 'directory-not-empty'. */
  async removeDirectory(path: string): Promise<void> {
    const found = await this.#entry(path);
    this.#require('remove-directory', found);
    const { location, info } = requireEntry(found);
    if (info.type !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
    if (this.scope.mounts.isFixed(location.path)) throw new HubError('permission-denied', 'A mount point cannot be removed');
    const remove = capability(location.backend.removeDirectory, 'removal').bind(location.backend);
    await this.services.guards.ask('delete', { session: this.scope.info, path: location.path });
    await this.#record({
      type: 'directory.deleted',
      location,
      proof: { at: location, before: info.etag ?? '*' },
      operate: () => remove(location.storagePath),
    });
  }

  /**
   * Moves an entry. Throws 'already-exists' unless `overwrite` allows to replace a file, 'unsupported' between two storages, and
   * 'permission-denied' also where the user would gain rights to a file, or where other rights or names hold for a directory.
   */
  async rename(from: string, to: string, { overwrite = false }: { readonly overwrite?: boolean } = {}): Promise<void> {
    return renameEntry(this.scope, this.services, await this.#entry(from), await this.#entry(to), overwrite);
  }

  /** Copies a file on the server, also between storages. Throws 'already-exists' unless `overwrite` is set. */
  async copy(from: string, to: string, options: { readonly overwrite?: boolean } = {}): Promise<void> {
    const found = await entryAt(this.scope, this.#enter(from));
    const target = await entryAt(this.scope, this.#enter(to));
    this.#require(target.info ? 'copy-over' : 'copy', found, target);
    const source = requireEntry(found);
    if (source.info.type === 'directory' || target.info?.type === 'directory') throw new HubError('is-a-directory', 'Is a directory');
    this.#requireFileNames(source, target);
    requireNoMount(this.scope, target);
    if (source.location.path === target.location.path) throw new HubError('invalid-request', 'Source and target are the same file');
    if (target.info && !options.overwrite) throw new HubError('already-exists', 'Already exists');
    await this.services.guards.ask('download', { session: this.scope.info, path: source.location.path });
    await this.services.guards.ask('upload', { session: this.scope.info, path: target.location.path, replaces: target.info !== undefined });
    await this.#record({
      type: 'file.copied',
      location: source.location,
      target: target.location,
      extra: { target: target.location.path },
      proof: { at: target.location, before: target.info?.etag ?? (target.info ? '*' : '') },
      operate: () => copyContent(this.scope, source.location, target, this.services),
    });
  }

  /** Changes size, times, mode or owner by the user's rights; another size is a direct upload, with its guards and its event. Throws 'unsupported' where the storage keeps none. */
  async setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const wanted = this.#enter(path);
    const found = await (attributes.follow === false ? this.#entry(path) : entryAt(this.scope, wanted));
    if (!found.info) {
      const open = this.scope.uploading(found.location.path);
      if (open) return open.setAttributes(attributes);
    }
    for (const place of new Set([found.location.path, found.asked])) requireAttributeRights(this.scope, place, attributes);
    const { location, info } = requireEntry(found);
    if (info.type !== 'directory') this.#requireFileNames(found);
    const { size, ...rest } = attributes;
    if (size !== undefined) await this.#resize(found, size);
    if (Object.keys(rest).every(name => name === 'follow')) return;
    await inStorage(capability(location.backend.setAttributes, 'attributes').call(location.backend, location.storagePath, rest));
  }

  /**
   * Makes `to` a second name of the file at `from`, in the same storage. Throws 'permission-denied' also where other rights to change
   * the file hold at one of the two: what must not be changed by one name must not be by the other.
   */
  async link(from: string, to: string): Promise<void> {
    return makeLink(this.scope, this.services, await this.#entry(from), await this.#entry(to));
  }

  /** Makes a symbolic link at `path`. A target outside what its mount shows is refused with 'permission-denied'. */
  async symlink(target: string, path: string): Promise<void> {
    return makeSymlink(this.scope, this.services, target, await this.#entry(path));
  }

  /** Where the link at `path` leads, as this session sees it. Throws 'not-found' for one that leads out of what it may see. */
  async readlink(path: string): Promise<string> {
    return readLink(this.scope, await this.#entry(path));
  }

  /**
   * Digest in lower-case hex, read from the file when the backend does not keep one; of several blocks, one after the other. Digests of
   * parts tell what is in them, byte by byte to who asks often enough: they are a download, with its event. Waits while many others are
   * computed; throws 'aborted' when `signal` aborts, 'unavailable' beyond the time limit.
   */
  async checksum(path: string, algorithm: HashAlgorithm, range: DigestRange = {}, signal?: AbortSignal): Promise<string> {
    const found = await entryAt(this.scope, this.#enter(path));
    this.#requireFileNames(found);
    this.#require('read', found);
    const { location, info } = requireEntry(found);
    if (info.type !== 'file') throw new HubError('is-a-directory', 'Is a directory');
    if (range.offset || range.length || range.blockBytes) return this.#digestParts(found, { algorithm, range, signal });
    await this.services.guards.ask('download', { session: this.scope.info, path: location.path });
    const kept = await inStorage(location.backend.checksum?.(location.storagePath, algorithm));
    const request = { algorithm, range, signal };
    return kept ?? (await inStorage(digestFile(this.scope, this.services, location, request))).toString('hex');
  }

  /** The digests of an open file, as by READs of it: they count as downloaded. Waits and throws like checksum(). */
  digest(transfer: Transfer, algorithm: HashAlgorithm, range: DigestRange = {}, signal?: AbortSignal): Promise<Buffer> {
    return digestBy((target, position) => transfer.read(target, position), this.scope, this.services, { algorithm, range, signal });
  }

  /** What the storage at `path` can do beyond files and directories. Throws what opening the storage throws. */
  async capabilities(path: string): Promise<{ readonly links: boolean; readonly space: boolean }> {
    const { backend } = await locate(this.scope, this.#enter(path));
    return { links: backend.link !== undefined, space: backend.space !== undefined };
  }

  /** Total and free bytes of the storage at `path`. Throws 'unsupported' where it has no such figure. */
  async space(path: string): Promise<{ readonly total: number; readonly free: number }> {
    const location = await locate(this.scope, this.#enter(path));
    this.scope.policy.require('stat', location.path);
    return inStorage(capability(location.backend.space, 'space').call(location.backend));
  }

  async #resize(found: FoundEntry, size: number): Promise<void> {
    const flags = { write: true };
    await this.#admitWriting(found, flags);
    const request = { flags, existing: found.info, mayReplace: true, stagingPrefix: this.services.stagingPrefix };
    const transfer = await this.#transfer(found.location, flags, () => openForPlan(found.location, request));
    try {
      await transfer.truncate(size);
    } catch (error) {
      await transfer.abort(error);
      throw error;
    }
    await transfer.close();
  }

  async #digestParts(found: FoundEntry, { algorithm, range, signal }: DigestRequest): Promise<string> {
    const transfer = await this.#openToRead(found, { read: true });
    try {
      const digests = await this.digest(transfer, algorithm, range, signal);
      await transfer.close();
      return digests.toString('hex');
    } catch (error) {
      await transfer.abort(error);
      throw error;
    }
  }

  async #describe(path: string, { follow, unfinished }: { readonly follow: boolean; readonly unfinished: boolean }): Promise<FileInfo> {
    const wanted = this.#enter(path);
    this.#requireSight(wanted);
    const { location, info } = await entryAt(this.scope, wanted, { follow });
    this.#requireSight(location.path);
    const known = info ?? (unfinished ? await this.#unfinished(location) : undefined);
    const hidden = (place: VirtualPath) => this.scope.policy.hidesName(parentOf(place), nameOf(place), true);
    if (!known || (known.type !== 'directory' && (hidden(wanted) || hidden(location.path))))
      throw new HubError('not-found', 'No such file or directory');
    return named(known, nameOf(wanted));
  }

  /** An upload that is open in this session, or what is kept of one of the user himself, while he may go on with it. */
  async #unfinished(location: Location): Promise<FileInfo | undefined> {
    const open = await this.scope.uploading(location.path)?.stat();
    if (open) return open;
    if (!this.scope.policy.allows('create', location.path)) return undefined;
    return inStorage(this.services.uploads.find(this.scope.userId, location));
  }

  #requireSight(path: VirtualPath): void {
    if (path !== ROOT && !this.scope.mounts.isFixed(path) && !this.scope.policy.allows('list', path))
      this.scope.policy.require('stat', path);
  }

  /** What is at `path`, a link as itself. */
  #entry(path: string): Promise<FoundEntry> {
    return entryAt(this.scope, this.#enter(path), { follow: false });
  }

  #enter(path: string): VirtualPath {
    this.scope.touch();
    const wanted = virtualPath(path);
    if (this.scope.policy.hides(wanted)) throw new HubError('not-found', 'No such file or directory');
    return wanted;
  }

  async #openToRead(found: FoundEntry, flags: OpenFlags): Promise<Transfer> {
    const { location, info } = found;
    this.#requireFileNames(found);
    this.#require('read', found);
    if (info?.type === 'directory' || this.scope.mounts.isFixed(location.path)) throw new HubError('is-a-directory', 'Is a directory');
    await this.services.guards.ask('download', { session: this.scope.info, path: location.path });
    return this.#transfer(location, flags, async () => ({
      handle: await location.backend.open(location.storagePath, { read: true }),
      plan: undefined,
    }));
  }

  async #openStaged(asked: VirtualPath, location: Location, flags: OpenFlags): Promise<Transfer> {
    const { policy } = this.scope;
    if (!policy.allows('create', asked)) policy.require('replace', asked);
    policy.requireFileName(asked);
    if (this.scope.mounts.isFixed(asked)) throw new HubError('is-a-directory', 'Is a directory');
    return this.#transfer(location, flags, async () => {
      const staged = await stageUpload(location, this.services.stagingPrefix);
      try {
        await this.#admitWriting({ asked, location, info: staged.existing }, flags);
        await this.services.uploads.discard(this.scope.userId, location);
      } catch (error) {
        await staged.abort();
        throw error;
      }
      return stagedPlan(staged, staged.existing, !flags.exclusive);
    });
  }

  /** Throws unless what is at the place may be written, or made, as `flags` ask. */
  async #admitWriting(found: FoundEntry, flags: OpenFlags): Promise<void> {
    const { location, info } = found;
    this.#requireFileNames(found);
    if (!info && !flags.create) {
      this.#require(flags.read ? 'read' : 'replace', found);
      throw new HubError('not-found', 'No such file or directory');
    }
    if (flags.read && info) this.#require('read', found);
    this.#require(info ? 'replace' : 'create', found);
    if (info && flags.create && flags.exclusive) throw new HubError('already-exists', 'Already exists');
    if (info?.type === 'symlink') throw new HubError('not-found', 'No such file or directory');
    if (info?.type === 'directory' || this.scope.mounts.isFixed(location.path)) throw new HubError('is-a-directory', 'Is a directory');
    await this.services.guards.ask('upload', { session: this.scope.info, path: location.path, replaces: info !== undefined });
  }

  #transfer(location: Location, flags: OpenFlags, open: () => Promise<Opened>): Promise<Transfer> {
    const opening = async (place?: UploadPlace) => {
      const { handle, plan } = await inStorage(open());
      return new Transfer(this.scope, this.services, location, handle, flags, plan, place);
    };
    return this.scope.open(() => (flags.write ? this.services.order.begin(location, opening) : opening()));
  }

  #require(verb: Verb, found: FoundEntry, target?: FoundEntry): void {
    requireVerb(this.scope, verb, found, target);
  }

  #requireFileNames(...entries: readonly FoundEntry[]): void {
    requireFileNames(this.scope, ...entries);
  }

  #record(operation: Operation): Promise<void> {
    return recordOperation(this.scope, this.services, operation);
  }
}
