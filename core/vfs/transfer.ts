import { Readable } from 'node:stream';
import { HubError, toHubError } from '../errors.js';
import type { OperationProof, PendingEvent } from '../events/bus.js';
import { uuidv7 } from '../ids.js';
import type { TransferSnapshot } from '../session-info.js';
import type { FileAttributes, FileInfo, OpenFlags, StorageHandle } from '../storage/backend.js';
import type { Location } from './mounts.js';
import type { WritePlan } from './opening.js';
import { nameOf, type VirtualPath } from './path.js';
import type { SessionScope, VfsServices } from './scope.js';

const CONTENT_CHUNK_BYTES = 256 * 1024;

/**
 * A file opened through a session: a storage handle that also counts bytes, and on close() publishes
 * 'upload.completed' or 'download.completed', on abort() the matching 'failed'.
 */
export class Transfer {
  readonly id = uuidv7();
  readonly path: VirtualPath;
  readonly #startedAt = performance.now();
  #written = 0;
  /** Where the written file ends, for those that begin empty. */
  #extent = 0;
  #read = 0;
  #changed: boolean;
  #busy = 0;
  #idle: (() => void) | undefined;
  #failure: HubError | undefined;
  #end: Promise<void> | undefined;
  #closed = false;
  #keepsTemporary = false;

  constructor(
    private readonly scope: SessionScope,
    private readonly services: VfsServices,
    private readonly location: Location,
    private readonly handle: StorageHandle,
    private readonly flags: OpenFlags,
    private readonly plan: WritePlan | undefined,
  ) {
    this.path = location.path;
    this.#changed = plan?.kind !== 'direct' ? plan !== undefined : plan.changed;
  }

  /** Whether what is written is invisible to others, and may still become visible. */
  get isStaged(): boolean {
    return this.plan?.kind === 'staged' && !this.#end;
  }

  /** What the admin sees of it, now. */
  snapshot(): TransferSnapshot {
    const upload = this.plan !== undefined;
    return { path: this.path, direction: upload ? 'upload' : 'download', bytes: upload ? this.#written : this.#read };
  }

  /** Fills `target` from `position`; resolves to the bytes read, 0 at the end of the file. Throws 'permission-denied' when it was not opened for reading. */
  async read(target: Uint8Array, position: number): Promise<number> {
    if (!this.flags.read) throw new HubError('permission-denied', 'Not opened for reading');
    this.#begin();
    try {
      const count = await this.handle.read(target, position);
      this.#read += count;
      return count;
    } catch (error) {
      throw toHubError(error);
    } finally {
      this.#finish();
    }
  }

  /** Writes all of `data` at `position`; `data` may be reused once the promise settles. A write that fails makes close() fail too. */
  async write(data: Uint8Array, position: number): Promise<void> {
    await this.writev([data], position);
  }

  /** Like write() of the pieces one after the other. */
  async writev(pieces: readonly Uint8Array[], position: number): Promise<void> {
    if (!this.plan) throw new HubError('permission-denied', 'Not opened for writing');
    this.#begin();
    try {
      await writePieces(this.handle, pieces, position);
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      this.#written += length;
      if (length > 0) this.#extent = Math.max(this.#extent, position + length);
      this.#changed = true;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#finish();
    }
  }

  /** Describes the file as it is now, what was written included. */
  async stat(): Promise<FileInfo> {
    this.#begin();
    try {
      return { ...(await this.handle.stat()), name: nameOf(this.path) };
    } catch (error) {
      throw toHubError(error);
    } finally {
      this.#finish();
    }
  }

  /** Changes size, times or mode of the open file by the user's rights. Throws 'permission-denied', or 'unsupported' where the backend cannot. */
  async setAttributes(attributes: FileAttributes): Promise<void> {
    requireAttributeRights(this.scope, this.path, attributes, this.plan !== undefined);
    const { size, ...rest } = attributes;
    if (size !== undefined) await this.truncate(size);
    if (Object.values(rest).every(value => value === undefined)) return;
    if (!this.handle.setAttributes) throw new HubError('unsupported', 'The storage keeps no attributes of open files');
    this.#begin();
    try {
      await this.handle.setAttributes(rest);
    } catch (error) {
      throw toHubError(error);
    } finally {
      this.#finish();
    }
  }

  /** Cuts or extends the file to `size` bytes. Throws 'unsupported' where the backend cannot. */
  async truncate(size: number): Promise<void> {
    if (!this.plan) throw new HubError('permission-denied', 'Not opened for writing');
    if (!this.handle.truncate) throw new HubError('unsupported', 'The storage cannot change the size of a file');
    this.#begin();
    try {
      await this.handle.truncate(size);
      this.#extent = size;
      this.#changed = true;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#finish();
    }
  }

  /** Flushes what was written to stable storage, where the backend has such a thing. A failure makes close() fail too. */
  async sync(): Promise<void> {
    this.#begin();
    try {
      await this.handle.sync?.();
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#finish();
    }
  }

  /**
   * Commits an upload: when this resolves, the file is in place and its event is recorded. When it throws, nothing was published;
   * 'aborted' when abort() came first. May be repeated.
   */
  close(): Promise<void> {
    this.#end ??= this.#close();
    return this.#end;
  }

  /** Drops the transfer; safe to call twice and after close(), which it lets finish. Never throws. */
  abort(reason: unknown = 'aborted'): Promise<void> {
    this.#end ??= this.#abort(reason instanceof Error ? reason.message : String(reason));
    return this.#end.catch(() => undefined);
  }

  /** Rejects at its end: a close() that comes later must not be taken for a success. */
  async #abort(reason: string): Promise<never> {
    await this.#giveUp(reason);
    throw new HubError('aborted', 'The transfer was aborted');
  }

  async #close(): Promise<void> {
    await this.#quiet();
    try {
      if (this.#failure) throw this.#failure;
      if (this.plan && this.#changed) await this.#commit(this.plan);
      else await this.#finishReading();
    } catch (error) {
      const failure = toHubError(error);
      await this.#giveUp(failure.message);
      throw failure;
    } finally {
      this.scope.remove(this);
    }
  }

  async #finishReading(): Promise<void> {
    const { size } = this.handle.opened ?? (await this.handle.stat());
    const closing = this.#closeHandle();
    if (this.#read > 0 || (size === 0 && !this.plan)) {
      await settleBoth(this.services.bus.publish('download.completed', { ...this.#facts(), size, bytes: this.#read }), closing);
    }
    await closing;
  }

  async #commit(plan: WritePlan): Promise<void> {
    const size = plan.kind === 'direct' ? (await this.handle.stat()).size : this.#extent;
    await this.#askPublish(plan, size);
    const data = { ...this.#facts(), size, bytes: this.#written, replaced: plan.before !== undefined };
    if (plan.kind === 'direct') {
      await this.#flush();
      await this.services.bus.publish('upload.completed', data);
      return;
    }
    const preparing = this.services.bus.prepare('upload.completed', data, this.#proof(plan));
    try {
      if (plan.kind === 'staged') await this.#publishStaged(plan, preparing);
      else {
        await preparing;
        await this.#closeHandle();
      }
    } catch (error) {
      await this.#dropEvent(await preparing.catch(() => undefined));
      throw error;
    }
    (await preparing).settle();
  }

  /** Comes before the temporary is removed: recovery reads "temporary gone" as "it happened". */
  async #dropEvent(pending: PendingEvent | undefined): Promise<void> {
    try {
      await pending?.drop();
    } catch (error) {
      this.#keepsTemporary = true;
      this.#warn(error, 'the event of a failed upload could not be dropped; its temporary stays until the next start');
    }
  }

  async #publishStaged(plan: Extract<WritePlan, { kind: 'staged' }>, preparing: Promise<PendingEvent>): Promise<void> {
    // The flush of the file and the commit of the event do not depend on each other, and both must be done before the file appears.
    await settleBoth(this.services.durable ? plan.staged.sync?.() : undefined, preparing);
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
  }

  #proof(plan: Extract<WritePlan, { kind: 'staged' | 'native' }>): OperationProof {
    const { storage, storagePath } = this.location;
    if (plan.kind === 'staged') return { storage, path: plan.staged.temporary, before: '*' };
    return { storage, path: storagePath, before: plan.before?.etag ?? (plan.before ? '*' : '') };
  }

  /** Everything written is with the storage, and on its disk where that is promised, when this resolves. */
  async #flush(): Promise<void> {
    if (this.services.durable) await this.handle.sync?.();
    await this.#closeHandle();
  }

  async #closeHandle(): Promise<void> {
    this.#closed = true;
    await this.handle.close();
  }

  async #askPublish(plan: WritePlan, size: number): Promise<void> {
    if (!this.services.guards.has('publish')) return;
    const { backend, storagePath } = this.location;
    // What a native plan has written is nowhere to be seen yet.
    const localPath =
      plan.kind === 'native' ? undefined : backend.localPath?.(plan.kind === 'staged' ? plan.staged.temporary : storagePath);
    await this.services.guards.ask('publish', {
      session: this.scope.info,
      path: this.path,
      size,
      content: () => Readable.from(this.#content()),
      ...(localPath !== undefined && { localPath }),
    });
  }

  async *#content(): AsyncGenerator<Uint8Array> {
    const { backend, storagePath } = this.location;
    // A file that is written in place may be open for writing only.
    const second = this.plan?.kind === 'direct' && !this.flags.read ? await backend.open(storagePath, { read: true }) : undefined;
    try {
      for (let position = 0; ; ) {
        const chunk = Buffer.allocUnsafe(CONTENT_CHUNK_BYTES);
        const count = await (second ?? this.handle).read(chunk, position);
        if (count === 0) return;
        position += count;
        yield chunk.subarray(0, count);
      }
    } finally {
      await second?.close();
    }
  }

  async #giveUp(reason: string): Promise<void> {
    await this.#quiet();
    this.scope.remove(this);
    const whole = this.plan || this.#closed ? undefined : (this.handle.opened ?? (await this.handle.stat().catch(() => undefined)));
    if (this.#keepsTemporary) await this.handle.close().catch(() => undefined);
    else if (!this.#closed) await this.handle.abort();
    const { backend } = this.location;
    if (this.plan?.kind === 'direct' && !this.plan.before) await backend.removeFile?.(this.location.storagePath).catch(() => undefined);
    if (this.plan && !this.#changed && this.#read === 0) return;
    const type = this.plan && this.#changed ? 'upload.failed' : 'download.failed';
    const bytes = type === 'upload.failed' ? this.#written : this.#read;
    await this.services.bus
      .publish(type, { ...this.#facts(), size: whole?.size ?? bytes, bytes, reason })
      .catch((error: unknown) => this.#warn(error, `${type} could not be recorded`));
  }

  #warn(error: unknown, message: string): void {
    this.services.log.warn({ err: error, path: this.path, user: this.scope.info.user }, message);
  }

  #facts() {
    return {
      path: this.path,
      session: this.scope.info,
      storage: this.location.storage,
      storagePath: this.location.storagePath,
      durationMs: Math.round(performance.now() - this.#startedAt),
    };
  }

  #begin(): void {
    if (this.#end) throw new HubError('invalid-request', 'The file is closed');
    this.scope.touch();
    this.#busy++;
  }

  #finish(): void {
    if (--this.#busy === 0) this.#idle?.();
  }

  #fail(error: unknown): HubError {
    this.#failure ??= toHubError(error);
    return this.#failure;
  }

  /** Resolves when no read or write is under way. */
  async #quiet(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>(resolve => (this.#idle = resolve));
  }
}

/** Throws 'permission-denied' unless the user may change all that `attributes` names. `open` files may be resized by whoever may write them. */
export function requireAttributeRights(scope: SessionScope, path: VirtualPath, attributes: FileAttributes, open = false): void {
  if (attributes.size !== undefined && !open) scope.policy.require('resize', path);
  if (attributes.mode !== undefined) scope.policy.require('chmod', path);
  if (attributes.uid !== undefined || attributes.gid !== undefined) scope.policy.require('chown', path);
  if (attributes.mtime !== undefined || attributes.atime !== undefined) scope.policy.require('chtimes', path);
}

async function writePieces(handle: StorageHandle, pieces: readonly Uint8Array[], position: number): Promise<void> {
  if (handle.writev && pieces.length > 1) return handle.writev(pieces, position);
  let offset = position;
  for (const piece of pieces) {
    await handle.write(piece, offset);
    offset += piece.length;
  }
}

/** Waits for both, then throws what the first threw. */
async function settleBoth(...work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
