import type { Coordinator } from '../cluster/coordinator.js';
import type { KeptUpload, UploadRepository } from '../db/uploads.js';
import { HubError, toHubError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import type { Logger } from '../log.js';
import type { FileInfo, OpenFlags, StagedFile, StorageBackend } from '../storage/backend.js';
import type { Location } from './mounts.js';
import { nameOf, parentOf, type VirtualPath } from './path.js';
import { canRestage, restageUpload } from './staging.js';

/** How interrupted uploads are kept. */
export interface ResumeSettings {
  /** How long, in ms; 0 keeps none. */
  readonly keepMs: number;
  /** Whether what is kept is flushed to stable storage. */
  readonly durable: boolean;
  /** Begins the names of what this process has open. */
  readonly prefix: () => string;
  readonly log: Logger;
}

/** An upload that goes on. */
export interface ResumedUpload {
  readonly staged: StagedFile;
  /** What it holds already, in bytes. */
  readonly size: number;
}

/** How an upload begins. */
export interface Beginning {
  readonly resumes: boolean;
  /** To be called once the upload is allowed: gives what it goes on with; undefined when it begins anew. */
  readonly begin?: () => Promise<ResumedUpload | undefined>;
}

/**
 * Interrupted uploads, each kept for the user who sent it until its time is over. What is open has no record: whoever goes on with an
 * upload takes it off, and a hub that is killed leaves its temporaries to the sweep.
 */
export class ResumableUploads {
  /** Users who may have one: for all others no path costs a look at the database. */
  readonly #users = new Set<string>();
  /** Rises with each one that is kept. */
  #keeps = 0;
  readonly #stopListening: () => void;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(
    private readonly uploads: UploadRepository,
    coordinator: Coordinator,
    private readonly backend: (storage: string) => Promise<StorageBackend>,
    private readonly settings: ResumeSettings,
  ) {
    this.#stopListening = coordinator.listen('records.changed', ({ table, id }) => {
      if (table === 'uploads') this.#learn(id);
      else if (id === undefined) return;
      else if (table === 'users' && this.#users.has(id)) void this.sweep();
    });
  }

  /** Learns what an earlier run kept, and begins to remove what is overdue. Resolves to the temporaries on record, which no other sweep may take. */
  async start(): Promise<readonly string[]> {
    const temporaries = await this.kept();
    // A storage that does not answer must not keep the hub from its start.
    void this.sweep();
    return temporaries;
  }

  /** The temporaries on record now. */
  async kept(): Promise<readonly string[]> {
    const kept = await this.uploads.list();
    for (const { userId } of kept) if (userId !== undefined) this.#expect(userId);
    return kept.map(({ temporary }) => temporary);
  }

  /** Resolves when no sweep is under way, and none will begin by itself. */
  async stop(): Promise<void> {
    this.#stopListening();
    await this.#sweeping;
  }

  /** What is kept of the user's upload to `location`; undefined when nothing is. */
  async find(userId: string, location: Location): Promise<FileInfo | undefined> {
    const kept = await this.#find(userId, location);
    if (!kept) return undefined;
    const { backend, storagePath, path } = location;
    const [info] = await Promise.all([backend.stat(kept.temporary), backend.stat(parentOf(storagePath as VirtualPath))]).catch(absent);
    return info && info.size >= kept.size ? { ...info, name: nameOf(path), size: kept.size } : undefined;
  }

  /** How an upload to `location`, where `existing` is, begins: with what was interrupted, or anew; then what was kept is dropped. */
  async beginning(userId: string, location: Location, existing: FileInfo | undefined, flags: OpenFlags): Promise<Beginning> {
    if (flags.truncate || (flags.create && flags.exclusive))
      return { resumes: false, begin: () => this.discard(userId, location).then(() => undefined) };
    if (existing || !(await this.find(userId, location))) return { resumes: false };
    return { resumes: true, begin: () => this.resume(userId, location) };
  }

  /** Opens what is kept of the user's upload to `location`, which then is nobody else's; undefined when nothing is. Throws what the storage throws. */
  async resume(userId: string, location: Location): Promise<ResumedUpload | undefined> {
    if (!(await this.#find(userId, location))) return undefined;
    const taken = await this.uploads.take({ userId, ...placeOf(location) });
    if (!taken) return undefined;
    const kept = await this.#adopt(taken, location.backend);
    const staged = await restageUpload(location, kept.temporary).catch(async (error: unknown) => {
      const failure = toHubError(error);
      if (failure.code !== 'not-found') await this.uploads.keep(kept).catch(() => undefined);
      else await location.backend.removeFile?.(kept.temporary).catch(() => undefined);
      throw failure;
    });
    try {
      await cutTo(staged, kept.size);
      return { staged, size: kept.size };
    } catch (error) {
      await staged.abort();
      throw toHubError(error);
    }
  }

  /** Ends an upload whose client is lost: keeps its first `size` bytes, or removes it where it could not be resumed. Resolves to whether it is kept; never throws. */
  async keep(userId: string, location: Location, staged: StagedFile, size: number): Promise<boolean> {
    const { keepMs, durable, log } = this.settings;
    const { backend, path } = location;
    try {
      // Where something was before, a resume goes on with that.
      if (keepMs === 0 || size === 0 || staged.existing || !canRestage(backend)) throw new HubError('unsupported', 'Cannot be resumed');
      await cutTo(staged, size);
      if (durable) await staged.sync?.();
    } catch (error) {
      if (toHubError(error).code !== 'unsupported') log.warn({ err: error, path }, 'an interrupted upload could not be kept');
      await staged.abort();
      return false;
    }
    const { temporary } = staged;
    try {
      await staged.close();
      const record = { userId, path, ...placeOf(location), temporary, size, expiresAt: Date.now() + keepMs };
      const replaced = await this.uploads.keep(record);
      for (const upload of replaced) await this.#removeTemporary(upload, backend);
      return true;
    } catch (error) {
      log.warn({ err: error, path }, 'an interrupted upload could not be kept');
      await backend.removeFile?.(temporary).catch(() => undefined);
      return false;
    }
  }

  /** Removes what is kept of the user's upload to `location`, because another one begins. */
  async discard(userId: string, location: Location): Promise<void> {
    if (!this.#users.has(userId)) return;
    const kept = await this.uploads.take({ userId, ...placeOf(location) });
    if (kept) await this.#removeTemporary(kept, location.backend);
  }

  /** To be called before a storage is removed: gives what then removes all that is kept there. */
  async discarding(storage: string): Promise<() => Promise<void>> {
    const kept = await this.uploads.ofStorage(storage);
    const backend = kept.length === 0 ? undefined : await this.backend(storage).catch(() => undefined);
    return async () => {
      for (const upload of kept) if (await this.uploads.remove(upload.id)) await this.#removeTemporary(upload, backend);
    };
  }

  /** Removes what is overdue, or whose user is gone; everything where nothing is to be kept. Never throws. */
  sweep(): Promise<void> {
    this.#sweeping = this.#sweeping.then(() =>
      this.#sweep().catch((error: unknown) => this.settings.log.error({ err: error }, 'interrupted uploads could not be swept')),
    );
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const overdue = this.settings.keepMs === 0 ? await this.uploads.list() : await this.uploads.overdue(Date.now());
    for (const upload of overdue) if (await this.uploads.remove(upload.id)) await this.#sweepOne(upload);
  }

  async #sweepOne(upload: KeptUpload): Promise<void> {
    try {
      await (await this.backend(upload.storage)).removeFile?.(upload.temporary);
    } catch (error) {
      // Neither a storage nor a file that is gone has anything left to remove.
      if (toHubError(error).code === 'not-found') return;
      await this.uploads.keep({ ...upload, userId: undefined });
      this.settings.log.warn({ err: error, storage: upload.storage }, 'an interrupted upload could not be removed yet');
    }
  }

  /** Gives it a name of this process, so that nobody sweeps it as what a dead one left. What cannot be renamed is told when it is opened. */
  async #adopt(kept: KeptUpload, backend: StorageBackend): Promise<KeptUpload> {
    const path = kept.temporary as VirtualPath;
    const prefix = this.settings.prefix();
    if (!backend.rename || nameOf(path).startsWith(`${prefix}-`)) return kept;
    const temporary = `${parentOf(path)}/${prefix}-${uuidv7()}`;
    return backend.rename(path, temporary, { replace: false }).then(
      () => ({ ...kept, temporary }),
      () => kept,
    );
  }

  #learn(userId: string | undefined): void {
    if (userId !== undefined) this.#expect(userId);
    else void this.kept().catch((error: unknown) => this.settings.log.warn({ err: error }, 'interrupted uploads could not be looked at'));
  }

  #expect(userId: string): void {
    this.#keeps++;
    this.#users.add(userId);
  }

  async #removeTemporary({ temporary, storage }: KeptUpload, backend: StorageBackend | undefined): Promise<void> {
    await backend
      ?.removeFile?.(temporary)
      .catch((error: unknown) => this.settings.log.warn({ err: error, storage }, 'an interrupted upload could not be removed'));
  }

  async #find(userId: string, location: Location): Promise<KeptUpload | undefined> {
    if (!this.#users.has(userId)) return undefined;
    const keeps = this.#keeps;
    const kept = await this.uploads.ofUser(userId);
    if (kept.length === 0 && keeps === this.#keeps) this.#users.delete(userId);
    const { storage, storagePath } = location;
    const now = Date.now();
    return kept.find(upload => upload.storage === storage && upload.storagePath === storagePath && upload.expiresAt > now);
  }
}

function placeOf({ storage, storagePath }: Location) {
  return { storage, storagePath };
}

/** Cuts the file to `size`. Throws 'unsupported' when it is shorter, or cannot be cut. */
async function cutTo(staged: StagedFile, size: number): Promise<void> {
  const found = (await staged.stat()).size;
  if (found === size) return;
  if (found < size || !staged.truncate) throw new HubError('unsupported', 'What was received cannot be gone on with');
  await staged.truncate(size);
}

function absent(error: unknown): readonly [] {
  const failure = toHubError(error);
  if (failure.code === 'not-found' || failure.code === 'not-a-directory') return [];
  throw failure;
}
