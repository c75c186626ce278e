import { HubError, toHubError } from '#core/api.js';
import type { BufferPool } from './buffers.js';
import type { OpenFile } from './open-file.js';
import { DATA_HEADER_BYTES, layOutData, layOutDataHeader, MAX_DATA_BYTES } from './packets.js';
import type { Share } from './share.js';
import { endReply, failureReply } from './status.js';
import type { ReadOutcome, ReadReply } from './transport.js';
import type { Wire } from './wire.js';

/** READs of one channel that are at the storage at a time: more did not make a download faster. */
const WINDOW = 4;
/** READs that are answered together at most: as many of 32 KiB, which most clients ask for, are sent at once. */
const TOGETHER = 8;
/** Of the bytes that a channel may have unsent, the part at which no further READ is begun. */
const UNSENT_PART = 1 / 2;

interface Read {
  readonly id: number;
  readonly file: OpenFile;
  readonly offset: number;
  readonly length: number;
  buffer: Buffer | undefined;
  /** Bytes read, or what went wrong; undefined while it is under way. */
  result: number | HubError | undefined;
}

/** Answers READs in the order of the requests, a few of them at the storage at a time, none faster than the client takes them. */
export class ReadQueue {
  readonly #waiting: Read[] = [];
  readonly #started: Read[] = [];
  #closed = false;
  #pumpsSoon = false;
  /** Buffers whose answers wait for the client. */
  #held = 0;

  /** `answered` is called once for each READ, after its reply is on its way. */
  constructor(
    private readonly wire: Wire,
    private readonly pool: BufferPool,
    private readonly share: Share,
    private readonly answered: (failure: HubError | undefined) => void,
  ) {}

  /** Takes a READ, which is begun with all others that arrived with it. The file counts it as under way until it is answered. */
  add(id: number, file: OpenFile, offset: number, length: number): void {
    file.startOperation();
    this.#waiting.push({ id, file, offset, length: Math.min(length, MAX_DATA_BYTES), buffer: undefined, result: undefined });
    if (this.#waiting.length >= TOGETHER) this.pump();
    else this.#pumpSoon();
  }

  /** Begins what may begin; to be called again when the network took something, and before anything else is done that came later. */
  pump(): void {
    while (!this.#closed && this.#started.length < WINDOW && this.#hasRoom) {
      const [read] = this.#waiting;
      if (!read) return;
      const outcome = this.#started.length === 0 && read.file.transfer.readsNow ? this.#answerNow() : 'other';
      if (outcome === 'wait') return;
      if (outcome !== 'other') continue;
      this.#waiting.shift();
      this.#started.push(read);
      this.#start(read);
    }
  }

  /** Forgets what waits; what is under way ends silently. */
  close(): void {
    this.#closed = true;
    for (const read of this.#waiting.splice(0)) read.file.endOperation();
  }

  #pumpSoon(): void {
    if (this.#pumpsSoon) return;
    this.#pumpsSoon = true;
    queueMicrotask(() => {
      this.#pumpsSoon = false;
      this.pump();
    });
  }

  get #hasRoom(): boolean {
    return this.#held < this.share.heldBuffers && this.wire.unsentBytes < this.share.unsentBytes * UNSENT_PART;
  }

  /** Reads to where the answers are sent from, where neither storage nor client has to be waited for; as many as go out together. */
  #answerNow(): ReadOutcome {
    const [first] = this.#waiting;
    const together = this.#waiting.slice(0, TOGETHER);
    const others = together.findIndex(({ file }) => !file.transfer.readsNow);
    let failure: HubError | undefined;
    let outcome: ReadOutcome;
    try {
      outcome = this.wire.writeReads(DATA_HEADER_BYTES, (others < 0 ? together : together.slice(0, others)).map(replyTo));
    } catch (error) {
      failure = toHubError(error);
      outcome = 0;
    }
    if (typeof outcome === 'string') return outcome;
    const answered = this.#waiting.splice(0, Math.max(outcome, 1));
    for (const { file } of answered) file.endOperation();
    if (outcome === 0) this.wire.send(failure ? failureReply(first!.id, failure) : endReply(first!.id));
    for (const _ of answered) this.answered(failure);
    return outcome;
  }

  #start(read: Read): void {
    const buffer = this.pool.take();
    read.buffer = buffer;
    const target = buffer.subarray(DATA_HEADER_BYTES, DATA_HEADER_BYTES + read.length);
    read.file.transfer.read(target, read.offset).then(
      count => this.#finished(read, count),
      (error: unknown) => this.#finished(read, toHubError(error)),
    );
  }

  #finished(read: Read, result: number | HubError): void {
    read.result = result;
    read.file.endOperation();
    while (this.#started[0]?.result !== undefined) this.#answer(this.#started.shift()!);
    this.pump();
  }

  #answer(read: Read): void {
    const { id, buffer, result } = read;
    if (this.#closed || !buffer) {
      if (buffer) this.pool.give(buffer);
      return;
    }
    if (typeof result === 'number' && result > 0) {
      this.#held++;
      this.wire.write(layOutData(buffer, id, result), () => {
        this.#held--;
        this.pool.give(buffer);
      });
    } else {
      this.pool.give(buffer);
      this.wire.send(result instanceof HubError ? failureReply(id, result) : endReply(id));
    }
    this.answered(result instanceof HubError ? result : undefined);
  }
}

function replyTo({ id, file, offset, length }: Read): ReadReply {
  const fill = (pieces: readonly Buffer[], head: Buffer): number => {
    const count = file.transfer.readNow(pieces, offset);
    if (count > 0) layOutDataHeader(head, id, count);
    return count;
  };
  return { length, fill };
}
