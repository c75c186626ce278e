import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { type ErrorCode, HubError, type Logger, printable, type Session, toHubError } from '#core/api.js';
import type { BufferPool } from './buffers.js';
import type { RequestContext } from './context.js';
import { versionReply } from './extensions.js';
import { type HandleBudget, HandleTable, type Opened } from './handles.js';
import type { DirectInput } from './inbound.js';
import type { OpenFile } from './open-file.js';
import { RequestOrder } from './order.js';
import { MAX_DATA_BYTES, PACKET, PacketReader } from './packets.js';
import { ReadQueue } from './reads.js';
import { REQUESTS } from './requests.js';
import type { Share } from './share.js';
import { failureReply, STATUS, statusReply, successReply } from './status.js';
import type { FastLane, LaneObserver } from './transport.js';
import { Wire, type WireObserver } from './wire.js';

/** Lines on the error stream of a channel: enough for a person, and no flood. */
const MAX_EXPLANATIONS = 100;
/** Refusals and failures with a reason that the status does not tell. */
const EXPLAINED: ReadonlySet<string> = new Set<ErrorCode>([
  'permission-denied',
  'quota-exceeded',
  'too-large',
  'unavailable',
  'too-many-sessions',
]);

/** What a channel needs from its connection. */
export interface SubsystemContext {
  readonly session: Session;
  readonly budget: HandleBudget;
  readonly pool: BufferPool;
  readonly share: Share;
  /** Who reads the socket, where that is known. */
  readonly input: DirectInput | undefined;
  readonly log: Logger;
  /** The fast way out of a channel, where there is one. */
  lane(channel: ServerChannel, observer: LaneObserver): FastLane | undefined;
  /** Drops the client. */
  drop(reason: string): void;
  /** A key exchange keeps answers back. */
  stalled(): void;
  /** A handle was closed, or the channel ended. */
  released(): void;
  /** What was open is given up; the session is to live until then, so that nothing is lost that was answered. */
  discarding(work: Promise<unknown>): void;
  /** Whether nothing new may be opened, because the server stops. */
  readonly stopping: boolean;
}

/** SFTP version 3 on one channel of a logged-in client: takes requests from the wire, runs their row of the table, answers. */
export class SftpSubsystem implements RequestContext, WireObserver {
  readonly handles: HandleTable;
  readonly order = new RequestOrder();
  readonly reads: ReadQueue;
  readonly #share: Share;
  readonly #wire: Wire;
  readonly #dirty = new Set<OpenFile>();
  #writesScheduled = false;
  #initialised = false;
  #greeting = false;
  #inFlight = 0;
  #unwrittenBytes = 0;
  #writing: { readonly id: number; readonly file: OpenFile | undefined; readonly failure: HubError | undefined } | undefined;
  #inputEnded = false;
  #closed = false;
  #explanations = MAX_EXPLANATIONS;
  readonly #muting = new AbortController();

  constructor(
    private readonly context: SubsystemContext,
    private readonly channel: ServerChannel,
    socket: Socket,
  ) {
    this.handles = new HandleTable(context.budget);
    this.#share = context.share;
    this.#share.join();
    this.#wire = new Wire(channel, socket, this, observer => context.lane(channel, observer));
    this.reads = new ReadQueue(this.#wire, context.pool, context.share, failure => {
      if (failure) this.#log(failure, 'READ');
      this.#answered();
    });
  }

  get places() {
    return this.context;
  }

  get files() {
    return this.context.session.files;
  }

  get user(): string {
    return this.context.session.info.user;
  }

  get muted(): AbortSignal {
    return this.#muting.signal;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether something is open or under way that a stopping server should wait for. */
  get isBusy(): boolean {
    return !this.#closed && (this.handles.size > 0 || this.#inFlight > 0);
  }

  requireOpenable(): void {
    if (this.context.stopping) throw new HubError('unavailable', 'The server is shutting down');
  }

  /** The client or the network took something. */
  relieved(): void {
    this.reads.pump();
    this.#wire.proceed();
  }

  rekeyed(): void {
    this.#wire.rekeyed();
    this.relieved();
  }

  /** The client closed the channel: answers have nowhere to go, and what it sent before is still carried out. */
  clientClosed(): void {
    this.#wire.mute();
    this.#muting.abort();
    this.#goOn();
  }

  /** Gives up everything that is open. Safe to call twice. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#muting.abort();
    this.#share.leave();
    this.#wire.close();
    this.reads.close();
    this.context.discarding(Promise.all(this.handles.clear().map(opened => discard(opened, reason))));
    this.context.released();
  }

  request(type: number, body: Buffer): void {
    if (type === PACKET.INIT) {
      this.#initialise(body);
      return;
    }
    if (!this.#initialised) {
      this.violated('request before INIT');
      return;
    }
    if (body.length < 4) {
      this.violated('request without an id');
      return;
    }
    this.#inFlight++;
    const id = body.readUInt32BE(0);
    const row = REQUESTS.get(type);
    if (!row) {
      this.#answer(statusReply(id, STATUS.OP_UNSUPPORTED, 'Operation unsupported'));
      return;
    }
    // What was asked for before is read before anything changes.
    if (type !== PACKET.READ) this.reads.pump();
    try {
      const reply = row.handle(this, id, new PacketReader(body.subarray(4)));
      if (reply instanceof Promise)
        reply.then(
          bytes => bytes && this.#answer(bytes),
          error => this.#fail(id, error, row.name),
        );
      else if (reply) this.#answer(reply);
    } catch (error) {
      this.#fail(id, error, row.name);
    }
  }

  writeBegin(id: number, handle: Buffer, offset: number, length: number): void {
    if (!this.#initialised) {
      this.violated('request before INIT');
      return;
    }
    this.#inFlight++;
    this.reads.pump();
    this.#writing = { id, ...this.#writable(handle, offset, length) };
    this.#writing.file?.begin(offset, length);
  }

  writePiece(piece: Buffer): void {
    const file = this.#writing?.file;
    if (!file) return;
    this.#unwrittenBytes += piece.length;
    file.add(piece);
    this.#dirty.add(file);
  }

  writeEnd(): void {
    const writing = this.#writing;
    this.#writing = undefined;
    if (!writing) return;
    if (writing.failure) {
      this.#fail(writing.id, writing.failure, 'WRITE');
      return;
    }
    writing.file?.finish(writing.id);
    if (writing.file) this.#dirty.add(writing.file);
  }

  writeMalformed(id: number): void {
    this.#inFlight++;
    this.#fail(id, new HubError('invalid-request', 'The lengths of the request contradict each other'), 'WRITE');
  }

  /** The answers leave first: a client goes on while its data is written. A small file is written before, so that its event is on its way to the disk meanwhile. */
  turnEnd(): void {
    for (const file of this.#dirty) {
      if (!file.isSmallAndWhole) continue;
      this.#dirty.delete(file);
      file.writeSoon();
    }
    if (this.#dirty.size === 0 || this.#writesScheduled) return;
    this.#writesScheduled = true;
    setImmediate(() => {
      this.#writesScheduled = false;
      this.#writeOut();
    });
  }

  taken(id: number, failure: HubError | undefined): void {
    if (failure) this.#fail(id, failure, 'WRITE');
    else this.#answer(successReply(id));
  }

  written(bytes: number): void {
    this.#unwrittenBytes -= bytes;
    this.#goOn();
  }

  mayTake(): boolean {
    if (this.#greeting) return false;
    const share = this.#share;
    return this.#inFlight < share.requests && this.#unwrittenBytes < share.unwrittenBytes && this.#wire.unsentBytes < share.unsentBytes;
  }

  violated(reason: string): void {
    this.context.drop(`Protocol error: ${reason}`);
  }

  ended(): void {
    this.#inputEnded = true;
    // The rest of a WRITE that was cut off will not come.
    if (this.#writing) {
      this.#writing = undefined;
      this.#inFlight--;
    }
    this.#goOn();
  }

  stalled(): void {
    this.context.stalled();
  }

  closeHandle(handle: Buffer): Promise<void> {
    const opened = this.handles.remove(handle);
    if (opened.kind === 'directory') return opened.close();
    this.#dirty.delete(opened);
    return this.order.run([opened.path], true, () => opened.close()).finally(() => this.context.released());
  }

  keep(opened: Opened): Buffer {
    if (!this.#closed) return this.handles.add(opened);
    this.handles.forgo();
    void discard(opened, 'connection closed');
    throw new HubError('aborted', 'The connection was closed');
  }

  #writeOut(): void {
    for (const file of this.#dirty) file.writeSoon();
    this.#dirty.clear();
  }

  #initialise(body: Buffer): void {
    if (body.length < 4) {
      this.violated('INIT without a version');
      return;
    }
    if (this.#initialised) {
      this.violated('second INIT');
      return;
    }
    this.#initialised = true;
    this.#greeting = true;
    this.#inFlight++;
    void this.#greet();
  }

  /** VERSION says what the storage of the root can do; nothing is taken before it is sent. */
  async #greet(): Promise<void> {
    const can = await this.files.capabilities('/').catch(() => ({ links: false, space: false }));
    this.#greeting = false;
    this.#answer(versionReply(can));
  }

  #writable(handle: Buffer, offset: number, length: number): { file: OpenFile | undefined; failure: HubError | undefined } {
    try {
      if (length > MAX_DATA_BYTES + 1024 || !Number.isSafeInteger(offset + length))
        throw new HubError('invalid-request', 'Offset out of range');
      const opened = this.handles.get(handle);
      if (opened.kind !== 'file') throw new HubError('is-a-directory', 'Is a directory');
      opened.requireWritable();
      return { file: opened, failure: undefined };
    } catch (error) {
      return { file: undefined, failure: toHubError(error) };
    }
  }

  #fail(id: number, thrown: unknown, request: string): void {
    const failure = toHubError(thrown);
    this.#log(failure, request);
    this.#explain(failure);
    this.#answer(failureReply(id, failure));
  }

  /** OpenSSH's client shows its user the status and not its text, but whatever comes on the error stream. */
  #explain({ code, message }: HubError): void {
    if (!EXPLAINED.has(code) || message === 'Permission denied' || this.#explanations === 0) return;
    this.#explanations--;
    this.channel.stderr.write(`${printable(message)}\n`);
  }

  #answer(bytes: Buffer): void {
    this.#wire.send(bytes);
    this.#answered();
  }

  #answered(): void {
    this.#inFlight--;
    this.#goOn();
  }

  #goOn(): void {
    if (this.#closed) return;
    this.#wire.proceed();
    if (this.context.stopping) this.context.released();
    if (!this.#inputEnded || this.#inFlight > 0) return;
    // Without an end from this side with an exit status, OpenSSH's client waits for ever.
    this.#wire.end(0);
    this.close('the client closed the channel');
  }

  #log(failure: HubError, request: string): void {
    const fields = { request, failure: failure.code, reason: printable(failure.message) };
    if (failure.code === 'internal') this.context.log.error({ ...fields, err: failure.cause ?? failure }, 'An SFTP request failed');
    else if (failure.code === 'unavailable') this.context.log.warn(fields, 'An SFTP request failed');
    else if (EXPLAINED.has(failure.code)) this.context.log.info(fields, 'An SFTP request was refused');
    else this.context.log.debug(fields, 'An SFTP request was refused');
  }
}

async function discard(opened: Opened, reason: string): Promise<void> {
  if (opened.kind === 'file') await opened.abort(reason);
  else await opened.close();
}
