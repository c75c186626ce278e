import { HubError, type Transfer, toHubError } from '#core/api.js';
import type { BufferPool } from './buffers.js';
import type { DirectInput } from './inbound.js';
import { WriteRun } from './write-run.js';

/** A file up to this size comes in one WRITE, and is written at once. */
const SMALL_BYTES = 32 * 1024;
/** What is worth a trip to the disk threads; less waits a moment for more. */
const ENOUGH_BYTES = 512 * 1024;
const GATHER_MS = 2;
/** A WRITE from this size on is one of many. */
const LARGE_WRITE_BYTES = 16 * 1024;

/** Who is told what became of the writes of a file. */
export interface WriteObserver {
  /** The WRITE `id` was taken, or is refused because one before it failed. */
  taken(id: number, failure: HubError | undefined): void;
  /** `bytes` left memory, or were given up. */
  written(bytes: number): void;
}

/** Where what a client sends may lie until it is written. */
export interface WritePlaces {
  readonly pool: BufferPool;
  /** Who reads the client's socket, where that is known. */
  readonly input: Pick<DirectInput, 'afterRead'> | undefined;
}

/** Pieces that are written from where they arrived. */
interface Arrived {
  readonly position: number;
  readonly pieces: Buffer[];
  bytes: number;
}

/**
 * An open file of a client. Pieces of WRITEs are gathered and go out together, so that there is one call into the
 * storage for many requests and the order within a file is the client's. A WRITE is answered
 * when it is taken: what it promises is kept by CLOSE, FSYNC and every look at the file, which wait for what was taken
 * and hear of what failed.
 */
export class OpenFile {
  readonly kind = 'file';
  readonly #runs: WriteRun[] = [];
  #arrived: Arrived | undefined;
  #position = 0;
  #announcedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What was gathered is waited for. */
  #urgent = false;
  #busy = false;
  #operations = 0;
  #changes = 0;
  #failure: HubError | undefined;
  #waiting: { readonly ready: () => boolean; readonly go: () => void }[] = [];

  /** With `end`, the size of the file, it is opened for appending: offsets are ignored. */
  constructor(
    readonly transfer: Transfer,
    private readonly observer: WriteObserver,
    private readonly places: WritePlaces,
    private readonly writable: boolean,
    private end?: number,
  ) {}

  get path(): string {
    return this.transfer.path;
  }

  /** Whether it was opened for appending: offsets are ignored. */
  get appends(): boolean {
    return this.end !== undefined;
  }

  /** Throws 'permission-denied' when it was opened for reading only. */
  requireWritable(): void {
    if (!this.writable) throw new HubError('permission-denied', 'Not opened for writing');
  }

  /** Begins a WRITE of `bytes` at `offset`. */
  begin(offset: number, bytes: number): void {
    this.#position = this.end ?? offset;
    this.#announcedBytes = bytes;
    if (this.end !== undefined) this.end += bytes;
  }

  /** Takes the next piece of the WRITE that begin() announced. What it lies in may be used again when all is taken that was read with it. */
  add(piece: Buffer): void {
    if (!this.#addArrived(piece)) this.#run().add(piece, this.#announcedBytes);
    this.#position += piece.length;
  }

  /** Ends the WRITE `id`, which is then answered. */
  finish(id: number): void {
    this.observer.taken(id, this.#failure);
  }

  /** Whether what was gathered is one WRITE, of what is all of a small file. */
  get isSmallAndWhole(): boolean {
    const [first] = this.#runs;
    return first?.position === 0 && first.bytes === this.#announcedBytes && first.bytes <= SMALL_BYTES;
  }

  /** Starts writing what was gathered: at once where it is all of a small file or much, else in a moment, together with what comes until then. */
  writeSoon(): void {
    const [first] = this.#runs;
    if (!first || this.#isHeldUp) return;
    const isSmall = first.position === 0 && first.bytes <= SMALL_BYTES;
    if (this.#urgent || isSmall || this.#runs.length > 1 || first.bytes >= ENOUGH_BYTES) this.#writeNext();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Writes all that was gathered, one write after the other. */
  flush(): void {
    this.#writeArrived();
    this.#urgent = this.#runs.length > 0;
    if (!this.#isHeldUp) this.#writeNext();
  }

  /** Runs `operation` (a READ, a stat) when all that was written before it is; close() waits for it. */
  async use<T>(operation: () => Promise<T>): Promise<T> {
    this.#operations++;
    try {
      if (this.#unwritten) this.flush();
      // What lies where it arrived is written by now: then nothing that comes next may overtake this.
      if (this.#unwritten) await this.#until(() => !this.#unwritten);
      if (this.#failure) throw this.#failure;
      return await operation();
    } finally {
      this.#operations--;
      this.#wake();
    }
  }

  /** Like use(), for what changes the file: WRITEs that come later wait for it. */
  async change(operation: () => Promise<void>): Promise<void> {
    await this.use(async () => {
      this.#changes++;
      try {
        await operation();
      } finally {
        this.#changes--;
        this.writeSoon();
      }
    });
  }

  /** Sets the size; what is appended goes to the new end. */
  async truncate(size: number): Promise<void> {
    await this.transfer.truncate(size);
    if (this.end !== undefined) this.end = size;
  }

  /** Whether a READ may go to the transfer at once; it is then counted by startOperation() and endOperation(). */
  get isQuiet(): boolean {
    return !this.#unwritten;
  }

  /** Counts an operation that runs outside use(). */
  startOperation(): void {
    this.#operations++;
  }

  endOperation(): void {
    this.#operations--;
    this.#wake();
  }

  /** Commits: waits for what is under way, then closes the transfer. Throws what a WRITE or the commit failed with. */
  async close(): Promise<void> {
    if (!this.#idle) this.flush();
    if (!this.#idle) await this.#until(() => this.#idle);
    if (this.#failure) {
      await this.transfer.abort(this.#failure);
      throw this.#failure;
    }
    await this.transfer.close();
  }

  /** The client is lost: gives up what was written, or keeps it to be resumed. Never throws. */
  async abort(reason: string): Promise<void> {
    // What was answered must be in what is kept, since a client that goes on may count from there; and in order, since what comes after a gap is not kept.
    if (!this.#failure) {
      this.flush();
      if (this.#unwritten) await this.#until(() => !this.#unwritten);
    }
    this.#failure ??= new HubError('aborted', reason);
    await this.transfer.interrupt(reason);
  }

  get #unwritten(): boolean {
    return this.#busy || this.#runs.length > 0 || this.#arrived !== undefined;
  }

  get #idle(): boolean {
    return !this.#unwritten && this.#operations === 0;
  }

  get #isHeldUp(): boolean {
    return this.#busy || this.#changes > 0;
  }

  /** What is large and need not wait for anything is written when the read that brought it is over, or sooner. */
  #addArrived(piece: Buffer): boolean {
    if (this.#announcedBytes < LARGE_WRITE_BYTES || this.#busy || this.#changes > 0 || this.#runs.length > 0) return false;
    if (this.#failure || !this.transfer.writesNow) return false;
    const { input } = this.places;
    if (this.#arrived && this.#arrived.position + this.#arrived.bytes !== this.#position) this.#writeArrived();
    if (!this.#arrived) {
      if (!input?.afterRead(() => this.#writeArrived())) return false;
      this.#arrived = { position: this.#position, pieces: [], bytes: 0 };
    }
    this.#arrived.pieces.push(piece);
    this.#arrived.bytes += piece.length;
    return true;
  }

  #writeArrived(): void {
    const arrived = this.#arrived;
    if (!arrived) return;
    this.#arrived = undefined;
    try {
      this.transfer.writeNow(arrived.pieces, arrived.position);
    } catch (error) {
      this.#failure ??= toHubError(error);
    }
    this.observer.written(arrived.bytes);
    if (!this.#unwritten) this.#wake();
  }

  #run(): WriteRun {
    this.#writeArrived();
    const last = this.#runs.at(-1);
    if (last && last.end === this.#position && !last.isFull) return last;
    const run = new WriteRun(this.#position, this.places.pool);
    this.#runs.push(run);
    return run;
  }

  #writeNext(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const run = this.#runs.shift();
    if (!run) {
      this.#wake();
      return;
    }
    this.#busy = true;
    if (this.#failure) {
      this.#written(run);
      return;
    }
    this.transfer.writev(run.pieces(), run.position).then(
      () => this.#written(run),
      (error: unknown) => {
        this.#failure = toHubError(error);
        this.#written(run);
      },
    );
  }

  #written(run: WriteRun): void {
    this.#busy = false;
    run.release();
    if (this.#runs.length === 0) this.#urgent = false;
    this.observer.written(run.bytes);
    if (this.#runs.length === 0) this.#wake();
    else this.writeSoon();
  }

  #until(ready: () => boolean): Promise<void> {
    return new Promise(resolve => this.#waiting.push({ ready, go: resolve }));
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    const now = this.#waiting.filter(waiter => waiter.ready());
    this.#waiting = this.#waiting.filter(waiter => !now.includes(waiter));
    for (const waiter of now) waiter.go();
  }
}
