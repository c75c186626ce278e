import { HubError, toHubError } from '../errors.js';
import type { EventTypes } from '../events/types.js';
import { uuidv7 } from '../ids.js';
import type { TransferSnapshot } from '../session-info.js';
import type { AtOnce, FileAttributes, FileInfo, OpenFlags, StorageHandle } from '../storage/backend.js';
import { requireAttributeRights } from './attribute-rights.js';
import { Extent } from './extent.js';
import { named } from './lookup.js';
import type { Location } from './mounts.js';
import type { WritePlan } from './opening.js';
import { OperationsUnderWay } from './operations-under-way.js';
import { nameOf, type VirtualPath } from './path.js';
import { totalBytes, writePieces } from './pieces.js';
import type { UploadPlace } from './place-order.js';
import { Preparation, settleBoth } from './preparation.js';
import { askPublish } from './publish-guard.js';
import type { SessionScope, VfsServices } from './scope.js';
import { entryOf } from './staging.js';

type StagedPlan = Extract<WritePlan, { kind: 'staged' }>;
type Outcome = EventTypes['upload.completed'];

/** A file up to this size comes in one write and goes in one read. */
const SMALL_BYTES = 32 * 1024;
/** How long an event that was recorded in anticipation waits for the client. */
const ANTICIPATION_MS = 1_000;

/**
 * A file opened through a session: a storage handle that also counts bytes, and on close() publishes
 * 'upload.completed' or 'download.completed', on abort() the matching 'failed'.
 */
export class Transfer {
  readonly id = uuidv7();
  readonly path: VirtualPath;
  readonly #startedAt = performance.now();
  readonly #operations = new OperationsUnderWay(() => {
    if (this.#end) throw new HubError('invalid-request', 'The file is closed');
    this.scope.touch();
  });
  #written = 0;
  /** For those that do not begin as an old file. */
  readonly #extent: Extent;
  #read = 0;
  #failure: HubError | undefined;
  #end: Promise<void> | undefined;
  #closed = false;
  #keepsTemporary = false;
  /** Rises with each change of the content. */
  #revision = 0;
  #preparation: Preparation | undefined;
  #timer: NodeJS.Timeout | undefined;
  #downloaded: Promise<void> | undefined;

  constructor(
    private readonly scope: SessionScope,
    private readonly services: VfsServices,
    private readonly location: Location,
    private readonly handle: StorageHandle,
    private readonly flags: OpenFlags,
    private readonly plan: WritePlan | undefined,
    private readonly place: UploadPlace | undefined,
  ) {
    this.path = location.path;
    this.#extent = new Extent(plan?.kind === 'staged' ? plan.begunBytes : 0);
  }

  /** Whether what is written is invisible to others, and may still become visible. */
  get isStaged(): boolean {
    return this.plan?.kind === 'staged' && !this.#end;
  }

  /** What the admin sees of it, now. */
  snapshot(): TransferSnapshot {
    if (this.plan) return { path: this.path, direction: 'upload', bytes: this.#written };
    const { opened } = this.handle;
    return { path: this.path, direction: 'download', bytes: this.#read, ...(opened && { size: opened.size }) };
  }

  /** Fills `target` from `position`; resolves to the bytes read, 0 at the end of the file. Throws 'permission-denied' when it was not opened for reading. */
  async read(target: Uint8Array, position: number): Promise<number> {
    this.#requireReadable();
    return this.#operations.run(async () => this.#noteRead(await this.handle.read(target, position)));
  }

  /** Whether readNow() may be used. */
  get readsNow(): boolean {
    return this.handle.atOnce !== undefined;
  }

  /** Like read() into the pieces one after the other, within the call. Throws 'unsupported' where the storage may have to wait. */
  readNow(pieces: readonly Uint8Array[], position: number): number {
    const atOnce = atOnceOf(this.handle);
    this.#requireReadable();
    return this.#operations.runNow(() => this.#noteRead(atOnce.read(pieces, position)));
  }

  /** Writes all of `data` at `position`; `data` may be reused once the promise settles. A write that fails makes close() fail too. */
  write(data: Uint8Array, position: number): Promise<void> {
    return this.writev([data], position);
  }

  /** Like write() of the pieces one after the other. */
  async writev(pieces: readonly Uint8Array[], position: number): Promise<void> {
    this.#requireWritable();
    await this.#operations.run(async () => {
      const length = totalBytes(pieces);
      const writing = writePieces(this.handle, pieces, position);
      if (position === 0 && this.#revision === 0 && this.#extent.end === 0) this.#anticipate(writing, length);
      await writing;
      this.#noteWritten(position, length);
    }, this.#fail);
  }

  /** Whether writeNow() may be used. */
  get writesNow(): boolean {
    return this.handle.atOnce !== undefined && this.plan !== undefined && !this.#end;
  }

  /** Like writev(), within the call. Throws 'unsupported' where the storage may have to wait. */
  writeNow(pieces: readonly Uint8Array[], position: number): void {
    const atOnce = atOnceOf(this.handle);
    this.#requireWritable();
    this.#operations.runNow(() => atOnce.write(pieces, position), this.#fail);
    this.#noteWritten(position, totalBytes(pieces));
  }

  /** Describes the file as it is now, what was written included. */
  stat(): Promise<FileInfo> {
    return this.#operations.run(async () => named(await this.handle.stat(), nameOf(this.path)));
  }

  /** Changes size, times or mode of the open file by the user's rights. Throws 'permission-denied', or 'unsupported' where the backend cannot. */
  async setAttributes(attributes: FileAttributes): Promise<void> {
    requireAttributeRights(this.scope, this.path, attributes, this.plan !== undefined);
    const { size, ...rest } = attributes;
    if (size !== undefined) await this.truncate(size);
    if (Object.values(rest).every(value => value === undefined)) return;
    if (!this.handle.setAttributes) throw new HubError('unsupported', 'The storage keeps no attributes of open files');
    await this.#operations.run(async () => this.handle.setAttributes?.(rest));
  }

  /** Cuts or extends the file to `size` bytes. Throws 'unsupported' where the backend cannot. */
  async truncate(size: number): Promise<void> {
    this.#requireWritable();
    if (!this.handle.truncate) throw new HubError('unsupported', 'The storage cannot change the size of a file');
    await this.#operations.run(async () => {
      await this.handle.truncate?.(size);
      this.#extent.cut(size);
      this.#revision++;
    }, this.#fail);
  }

  /** Flushes what was written to stable storage, where the backend has such a thing. A failure makes close() fail too. */
  sync(): Promise<void> {
    return this.#operations.run(async () => this.handle.sync?.(), this.#fail);
  }

  /**
   * Commits an upload: when this resolves, the file is in place and its event is recorded. When it throws, nothing was published;
   * 'aborted' when abort() came first. May be repeated. `requires` is shown what the upload is about to replace, while nobody of the hub
   * who asks that replaces it, and throws what close() then throws; where files are written in place it is too late for that.
   */
  close(requires?: (there: FileInfo | undefined) => void): Promise<void> {
    this.#end ??= this.#close(requires);
    return this.#end;
  }

  /** Drops the transfer; safe to call twice and after close(), which it lets finish. Never throws. */
  abort(reason: unknown = 'aborted'): Promise<void> {
    this.#end ??= this.#abort(reason instanceof Error ? reason.message : String(reason));
    return this.#end.catch(() => undefined);
  }

  /** Like abort(), for a client that is lost: what it has sent of an upload that is staged is kept for it, where nothing went wrong with that before. */
  interrupt(reason: string): Promise<void> {
    this.#end ??= this.#abort(reason, true);
    return this.#end.catch(() => undefined);
  }

  /** Rejects at its end: a close() that comes later must not be taken for a success. */
  async #abort(reason: string, interrupted = false): Promise<never> {
    await this.#giveUp(reason, interrupted);
    throw new HubError('aborted', 'The transfer was aborted');
  }

  async #close(requires?: (there: FileInfo | undefined) => void): Promise<void> {
    clearTimeout(this.#timer);
    await this.#operations.quiet();
    try {
      if (this.#failure) throw this.#failure;
      if (this.plan && this.#isChanged) await this.#commit(this.plan, requires);
      else await this.#finishReading();
    } catch (error) {
      const failure = toHubError(error);
      await this.#giveUp(failure.message);
      throw failure;
    } finally {
      this.#leave();
    }
  }

  async #finishReading(): Promise<void> {
    const { size } = this.handle.opened ?? (await this.handle.stat());
    const closing = this.#closeHandle();
    const wanted = this.#read > 0 || (size === 0 && !this.plan);
    await settleBoth(this.#downloaded ?? (wanted ? this.#publishDownload(size) : undefined), closing);
  }

  #publishDownload(size: number): Promise<void> {
    return this.services.bus.publish('download.completed', this.#facts(size, this.#read));
  }

  async #commit(plan: WritePlan, requires: ((there: FileInfo | undefined) => void) | undefined): Promise<void> {
    const size = plan.kind === 'direct' ? (await this.handle.stat()).size : this.#extent.end;
    const { location, handle, flags } = this;
    await askPublish(this.scope, this.services, { location, handle, flags, plan, size });
    if (!requires || plan.kind === 'direct') return this.place?.change(() => this.#publish(plan, size));
    const publish = async () => {
      requires(await entryOf(location.backend, location.storagePath));
      await this.#publish(plan, size);
    };
    await this.services.alone(`publish/${location.storage}${location.storagePath}`, async () => this.place?.change(publish));
  }

  async #publish(plan: WritePlan, size: number): Promise<void> {
    if (plan.kind === 'staged') return this.#publishStaged(plan);
    if (plan.kind === 'direct') {
      if (this.services.durable) await this.handle.sync?.();
      await this.#closeHandle();
      await this.services.bus.publish('upload.completed', this.#outcome(plan.before, size));
      return;
    }
    const { storage, storagePath } = this.location;
    const before = await this.#replaced(plan);
    const proof = { storage, path: storagePath, before: before?.etag ?? (before ? '*' : '') };
    const pending = await this.services.bus.prepare('upload.completed', this.#outcome(before, size), proof);
    try {
      await this.#closeHandle();
    } catch (error) {
      await pending.drop().catch((failure: unknown) => this.#warn(failure, 'the event of a failed upload could not be dropped'));
      throw error;
    }
    pending.settle();
  }

  async #publishStaged(plan: StagedPlan): Promise<void> {
    const early = this.#preparation;
    // An event that is older than another one of the place would seem to be undone by that.
    if (early && (early.revision !== this.#revision || early.isDropping || !this.#isAlone)) await this.#dropPreparation();
    const sync = () => (this.services.durable ? plan.staged.sync?.() : undefined);
    this.#preparation ??= this.#prepare(plan, this.#revision, this.#outcome(await this.#replaced(plan), this.#extent.end), sync());
    await this.#preparation.done;
    const replace = plan.mayReplace && this.scope.policy.allows('replace', this.path);
    this.#closed = true;
    try {
      const unflushed = await plan.staged.publish({ replace });
      // The file is in place: a directory that cannot be flushed is worth a warning, never a "failed" for a file that all can see.
      if (unflushed) this.#warn(unflushed, 'directory could not be flushed');
    } catch (error) {
      this.#closed = false;
      throw error;
    }
    const published = this.#preparation;
    this.#preparation = undefined;
    await published.settle();
  }

  #prepare({ staged }: StagedPlan, revision: number, outcome: Outcome, flushing: Promise<unknown> | undefined): Preparation {
    const proof = { storage: this.location.storage, path: staged.temporary, before: '*' };
    return new Preparation(revision, flushing, this.services.bus.prepare('upload.completed', outcome, proof));
  }

  /** What the upload replaces: something may have come to its place, or gone, since it was opened. */
  async #replaced(plan: WritePlan): Promise<FileInfo | undefined> {
    return this.#isAlone ? plan.before : entryOf(this.location.backend, this.location.storagePath);
  }

  /** Whether nothing else has happened at the place since the upload was opened. */
  get #isAlone(): boolean {
    return this.place?.changes === 0;
  }

  /** A small file is most likely complete with its first write: it is flushed and its event recorded while the client makes up its mind. */
  #anticipate(writing: Promise<void>, bytes: number): void {
    const { plan, services } = this;
    if (plan?.kind !== 'staged' || this.#preparation || this.#operations.count > 1 || bytes > SMALL_BYTES) return;
    if (!this.#isAlone || services.guards.has('publish')) return;
    const flushing = services.durable ? writing.then(() => plan.staged.sync?.()) : writing;
    this.#preparation = this.#prepare(plan, this.#revision + 1, this.#outcome(plan.before, bytes, bytes), flushing);
    // A client that goes on for long must not leave an event waiting, which would hold up those who read the log.
    this.#timer = setTimeout(() => void this.#dropPreparation().catch(() => undefined), ANTICIPATION_MS).unref();
  }

  /** A client that was told of the end of a small file has it. */
  #anticipateEnd(): void {
    const { opened } = this.handle;
    if (this.plan || this.#downloaded || !opened || opened.size > SMALL_BYTES || this.#read < opened.size) return;
    this.#downloaded = this.#publishDownload(opened.size);
    this.#downloaded.catch(() => undefined);
  }

  async #dropPreparation(): Promise<void> {
    const dropped = this.#preparation;
    await dropped?.drop();
    if (this.#preparation === dropped) this.#preparation = undefined;
  }

  #outcome(before: FileInfo | undefined, size: number, bytes = this.#written): Outcome {
    return { ...this.#facts(size, bytes), replaced: before !== undefined };
  }

  async #closeHandle(): Promise<void> {
    this.#closed = true;
    await this.handle.close();
  }

  async #giveUp(reason: string, interrupted = false): Promise<void> {
    clearTimeout(this.#timer);
    await this.#operations.quiet();
    // Comes before the temporary is removed: recovery reads "temporary gone" as "it happened".
    await this.#dropPreparation().catch((error: unknown) => {
      this.#keepsTemporary = true;
      this.#warn(error, 'the event of a failed upload could not be dropped; its temporary stays until the next start');
    });
    const whole = this.plan || this.#closed ? undefined : (this.handle.opened ?? (await this.handle.stat().catch(() => undefined)));
    const resumable = interrupted && !this.#keepsTemporary && !this.#failure && (await this.#keep());
    if (this.#keepsTemporary) await this.handle.close().catch(() => undefined);
    else if (!this.#closed) await this.handle.abort();
    // Whoever ends the session waits until the temporary is kept, or gone.
    this.#leave();
    const { backend } = this.location;
    if (this.plan?.kind === 'direct' && !this.plan.before) await backend.removeFile?.(this.location.storagePath).catch(() => undefined);
    if ((this.plan && !this.#isChanged && this.#read === 0) || this.#downloaded) return;
    const type = this.plan && this.#isChanged ? 'upload.failed' : 'download.failed';
    const bytes = type === 'upload.failed' ? this.#written : this.#read;
    await this.services.bus
      .publish(type, { ...this.#facts(whole?.size ?? bytes, bytes), reason, ...(resumable && { resumable }) })
      .catch((error: unknown) => this.#warn(error, `${type} could not be recorded`));
  }

  /** Ends a staged upload so that it can be resumed, where that is possible; it is closed then in any case. */
  async #keep(): Promise<boolean> {
    if (this.plan?.kind !== 'staged' || this.#closed) return false;
    this.#closed = true;
    return this.services.uploads.keep(this.scope.userId, this.location, this.plan.staged, this.#extent.prefix);
  }

  #warn(error: unknown, message: string): void {
    this.services.log.warn({ err: error, path: this.path, user: this.scope.info.user }, message);
  }

  #facts(size: number, bytes: number) {
    const { storage, storagePath } = this.location;
    const where = { path: this.path, session: this.scope.info, storage, storagePath };
    const durationMs = Math.round(performance.now() - this.#startedAt);
    return { ...where, size, bytes, durationMs, ...(this.#failure && { code: this.#failure.code }) };
  }

  #leave(): void {
    this.scope.remove(this);
    this.place?.leave();
  }

  #requireReadable(): void {
    if (!this.flags.read) throw new HubError('permission-denied', 'Not opened for reading');
  }

  #requireWritable(): void {
    if (!this.plan) throw new HubError('permission-denied', 'Not opened for writing');
  }

  #noteRead(count: number): number {
    this.#read += count;
    if (count === 0) this.#anticipateEnd();
    return count;
  }

  #noteWritten(position: number, length: number): void {
    this.#written += length;
    this.#extent.add(position, length);
    this.#revision++;
  }

  /** Whether there is something to commit: also an empty file that was made, or made empty. */
  get #isChanged(): boolean {
    return this.#revision > 0 || (this.plan !== undefined && (this.plan.kind !== 'direct' || this.plan.changed));
  }

  readonly #fail = (error: unknown): HubError => {
    this.#failure ??= toHubError(error);
    return this.#failure;
  };
}

function atOnceOf({ atOnce }: StorageHandle): AtOnce {
  if (!atOnce) throw new HubError('unsupported', 'The storage may have to wait');
  return atOnce;
}
