import { HubError, type Transfer, toHubError } from '#core/api.js';

/** Pieces of one writev: the kernel takes 1,024, the last WRITE may add a few. */
const MAX_PIECES = 512;
const MAX_RUN_BYTES = 4 * 1024 * 1024;

/** Pieces that touch. */
interface Run {
  readonly position: number;
  readonly pieces: Buffer[];
  bytes: number;
}

/** Who is told what became of the writes of a file. */
export interface WriteObserver {
  /** The WRITE `id` was taken, or is refused because one before it failed. */
  taken(id: number, failure: HubError | undefined): void;
  /** `bytes` left memory, or were given up. */
  written(bytes: number): void;
}

/**
 * An open file of a client. Pieces of WRITEs are gathered while one write is under way and go out together, so that
 * there is one call into the storage for many requests and the order within a file is the client's. A WRITE is answered
 * when it is taken: what it promises is kept by CLOSE, FSYNC and every look at the file, which wait for what was taken
 * and hear of what failed.
 */
export class OpenFile {
  readonly kind = 'file';
  readonly #runs: Run[] = [];
  #position = 0;
  #busy = false;
  #operations = 0;
  #changes = 0;
  #failure: HubError | undefined;
  #waiting: { readonly ready: () => boolean; readonly go: () => void }[] = [];

  /** With `end`, the size of the file, it is opened for appending: offsets are ignored. */
  constructor(
    readonly transfer: Transfer,
    private readonly observer: WriteObserver,
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
    if (this.end !== undefined) this.end += bytes;
  }

  /** Takes the next piece of the WRITE that begin() announced. It must not be changed by anyone until it is written. */
  add(piece: Buffer): void {
    const run = this.#run();
    run.pieces.push(piece);
    run.bytes += piece.length;
    this.#position += piece.length;
  }

  /** Ends the WRITE `id`, which is then answered. */
  finish(id: number): void {
    this.observer.taken(id, this.#failure);
  }

  /** Starts writing what was gathered, unless a write is under way, which starts the next one itself. */
  flush(): void {
    if (this.#busy || this.#changes > 0) return;
    const run = this.#runs.shift();
    if (!run) {
      this.#wake();
      return;
    }
    this.#busy = true;
    if (this.#failure || run.bytes === 0) {
      this.#written(run);
      return;
    }
    this.transfer.writev(run.pieces, run.position).then(
      () => this.#written(run),
      (error: unknown) => {
        this.#failure = toHubError(error);
        this.#written(run);
      },
    );
  }

  /** Runs `operation` (a READ, a stat) when all that was written before it is; close() waits for it. */
  async use<T>(operation: () => Promise<T>): Promise<T> {
    this.#operations++;
    try {
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
        this.flush();
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
    return this.#busy || this.#runs.length > 0;
  }

  get #idle(): boolean {
    return !this.#unwritten && this.#operations === 0;
  }

  #run(): Run {
    const last = this.#runs.at(-1);
    const touches = last && last.position + last.bytes === this.#position;
    return touches && last.pieces.length < MAX_PIECES && last.bytes < MAX_RUN_BYTES ? last : this.#newRun();
  }

  #newRun(): Run {
    const run: Run = { position: this.#position, pieces: [], bytes: 0 };
    this.#runs.push(run);
    return run;
  }

  #written(run: Run): void {
    this.#busy = false;
    this.observer.written(run.bytes);
    this.flush();
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
