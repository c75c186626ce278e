import type { EventRepository, PendingRecord } from '../db/events.js';
import { toHubError } from '../errors.js';
import type { Logger } from '../log.js';
import type { StorageBackend } from '../storage/backend.js';
import { withinTime } from '../time-limit.js';
import type { OperationProof } from './bus.js';

const TRY_AGAIN_MS = 30_000;
/** A storage that takes longer for one answer is asked again later. */
const ANSWER_MS = 5_000;

/** Finds the storage of that name; throws when it is gone or cannot be reached. */
export type StorageLookup = (name: string) => Promise<StorageBackend>;

/**
 * Decides about each event of `records` whether its operation took place, by looking at the entry that its proof names:
 * it is settled when the entry is no longer what it was, and dropped otherwise, with the temporary of an upload that was
 * never published. Resolves to those that could not be decided, because their storage cannot be reached or does not answer within
 * `limitMs`: each storage keeps nobody waiting but itself. Unless told, `records` are all that are pending, which is right only
 * before clients are accepted: later some belong to operations under way.
 */
export async function recoverPending(
  events: EventRepository,
  lookup: StorageLookup,
  log: Logger,
  records?: readonly PendingRecord[],
  limitMs = ANSWER_MS,
): Promise<readonly PendingRecord[]> {
  const left = records ?? (await events.pending());
  const storages = [...new Set(left.map(({ proof }) => proof.storage))];
  const undecided = storages.map(async storage => {
    const own = left.filter(({ proof }) => proof.storage === storage);
    return recoverStorage(own, record => decide(record, events, lookup, log, limitMs), log);
  });
  return (await Promise.all(undecided)).flat();
}

/** In the order of `records`; when the storage does not answer, the rest waits, too. */
async function recoverStorage(
  records: readonly PendingRecord[],
  decideOne: (record: PendingRecord) => Promise<void>,
  log: Logger,
): Promise<readonly PendingRecord[]> {
  const undecided: PendingRecord[] = [];
  for (const [i, record] of records.entries()) {
    try {
      await decideOne(record);
    } catch (error) {
      const { event, proof } = record;
      log.warn({ err: error, event: event.id, storage: proof.storage }, 'cannot see yet whether an operation took place; its event waits');
      if (toHubError(error).code === 'unavailable') return [...undecided, ...records.slice(i)];
      undecided.push(record);
    }
  }
  return undecided;
}

async function decide(record: PendingRecord, events: EventRepository, lookup: StorageLookup, log: Logger, limitMs: number): Promise<void> {
  const { event, proof } = record;
  const storage = await withinTime(lookup(proof.storage), limitMs);
  if ((await withinTime(hasHappened(storage, proof), limitMs)) || (await withinTime(finishRename(storage, record), limitMs))) {
    await events.settle([event.id]);
    log.info({ event: event.id, type: event.type, path: proof.path }, 'an event was cut off after its operation: it is delivered now');
  } else {
    // In this order: a temporary that is gone means that the upload was published.
    await events.drop([event.id]);
    if (isUnpublished(record)) await withinTime(Promise.resolve(storage.removeFile?.(proof.path)), limitMs);
    log.info({ event: event.id, type: event.type, path: proof.path }, 'an event was cut off before its operation: it is dropped');
  }
}

/** Decides about what processes left pending that are dead, and goes on while a storage cannot be reached. */
export class PendingRecovery {
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> | undefined;

  constructor(
    private readonly events: EventRepository,
    private readonly lookup: StorageLookup,
    private readonly log: Logger,
    /** Whether a process lives, so that what it has pending is under way. */
    private readonly isAlive: (process: string | undefined) => boolean = () => false,
  ) {}

  /** To be called before clients are accepted. Throws only when the database cannot be read. */
  async start(): Promise<void> {
    await this.look();
  }

  /** Decides about what no living process has under way. Throws only when the database cannot be read. */
  async look(): Promise<void> {
    const left = (await this.events.pending()).filter(({ proof }) => !this.isAlive(proof.owner));
    await this.#decide(left);
  }

  /** Waits for a look that is under way, and takes no other. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#trying;
    clearTimeout(this.#timer);
  }

  async #decide(records: readonly PendingRecord[]): Promise<void> {
    const undecided = await recoverPending(this.events, this.lookup, this.log, records);
    clearTimeout(this.#timer);
    if (undecided.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#trying = this.#decide(undecided);
    }, TRY_AGAIN_MS);
    this.#timer.unref();
  }
}

/** Whether the entry at the proof's path is no longer what it was before the operation. */
async function hasHappened(storage: StorageBackend, { path, before }: OperationProof): Promise<boolean> {
  try {
    const info = await (storage.lstat?.(path) ?? storage.stat(path));
    return before !== '*' && info.etag !== before;
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code === 'not-found' || failure.code === 'not-a-directory') return before !== '';
    throw failure;
  }
}

/** Where a rename takes several steps, one that was begun is finished: the file would keep both names, and nobody would be told. */
async function finishRename(storage: StorageBackend, { event, proof }: PendingRecord): Promise<boolean> {
  if (event.type !== 'file.renamed' || event.data.replaced || event.data.targetStoragePath === undefined) return false;
  return (await storage.finishRename?.(proof.path, event.data.targetStoragePath)) ?? false;
}

/** Whether what is pending is an upload in a temporary, which nobody needs when it was not published. */
function isUnpublished({ event, proof }: PendingRecord): boolean {
  return event.type === 'upload.completed' && proof.before === '*' && proof.path !== event.data.storagePath;
}
