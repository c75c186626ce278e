import type { Socket } from 'node:net';
import type { ServerChannel, Connection as SshConnection, Session as SshSession } from 'ssh2';
import { type Admission, type Logger, printable, type Session } from '#core/api.js';
import { Authentication, type AuthenticationContext } from './authentication.js';
import type { BufferPool } from './buffers.js';
import { ExecChannel } from './exec.js';
import { HandleBudget } from './handles.js';
import { announceHostKeys } from './host-key-proofs.js';
import type { HostKey } from './host-keys.js';
import type { SharedReads } from './inbound.js';
import { Share } from './share.js';
import { SftpSubsystem, type SubsystemContext } from './subsystem.js';
import { openFastLane } from './transport.js';

const MAX_CHANNELS = 10;
/** Channels opened and closed without being used: ssh2 keeps a little of each until the connection ends. */
const MAX_UNUSED_CHANNELS = 1_000;
/** Unsent bytes at which a client is not read until it took them: more than its channels have but in odd cases. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
const MAX_UNSENT_BEFORE_LOGIN_BYTES = 256 * 1024;
/** What a client may send while not a byte goes out: above the window of a channel, which has to be renewed. */
const MAX_ONE_SIDED_BYTES = 6 * 1024 * 1024;
/** What a dropped client may take to receive what was sent, before its socket is cut. */
const DROP_GRACE_MS = 500;
/** What the storage may take for what a lost client has sent, before its session ends. */
const DISCARD_LIMIT_MS = 5_000;
const ONLY_SFTP = 'This server offers SFTP only.\r\n';

/** What a connection needs from its server. */
export interface ConnectionContext extends AuthenticationContext {
  readonly pool: BufferPool;
  readonly arrivals: SharedReads;
  readonly handshakeTimeoutMs: number;
  readonly loginTimeoutMs: number;
  /** Names of commands that clients may run. */
  readonly commands: ReadonlySet<string>;
  /** The host keys that are offered, and those that will be. */
  hostKeys(): readonly HostKey[];
  /** Called once, when the connection is closed. */
  closed(connection: Connection): void;
}

/**
 * One client, from the accepted socket to its end: its timers, its login, its channels. The place where every `error`
 * listener of a client is attached: ssh2 reports a client's mistakes as errors, and one without a listener would end
 * the process.
 */
export class Connection {
  readonly #log: Logger;
  readonly #subsystems = new Set<SftpSubsystem | ExecChannel>();
  readonly #share = new Share();
  readonly #discards = new Set<Promise<unknown>>();
  #budget: HandleBudget | undefined;
  #ssh: SshConnection | undefined;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #rekeyTimer: NodeJS.Timeout | undefined;
  #readMark = 0;
  #writtenMark = 0;
  #channels = 0;
  #unusedChannels = 0;
  #stopping = false;
  #dropped = false;
  #closed = false;

  constructor(
    private readonly context: ConnectionContext,
    private readonly socket: Socket,
    private readonly admission: Admission,
    readonly remoteAddress: string,
  ) {
    this.#log = context.log.child({ remoteAddress });
    // Each channel may watch the socket, beside ssh2.
    socket.setMaxListeners(MAX_CHANNELS * 2 + 10);
    socket.on('error', error => this.#log.debug({ reason: error.message }, 'The connection broke'));
    socket.on('drain', () => {
      if (this.#ssh && socket.isPaused()) socket.resume();
      this.#relieved();
    });
    socket.on('close', () => this.#close());
    this.#limit(context.handshakeTimeoutMs, 'the handshake took too long');
  }

  /** Takes over what ssh2 made of the socket, when the client has named its version. */
  attach(ssh: SshConnection): void {
    this.#ssh = ssh;
    // ssh2 only half-closes after an error, which a client could leave so.
    ssh.on('error', error => this.drop(error.message, (error as { readonly level?: unknown }).level === 'socket'));
    this.socket.on('data', () => this.#watchBalance());
    ssh.on('rekey', () => this.#rekeyed());
    ssh.once('handshake', () => this.#limit(this.context.loginTimeoutMs, 'the login took too long'));
    ssh.once('ready', () => {
      this.#limit(undefined, '');
      announceHostKeys(ssh, this.context.hostKeys());
    });
    ssh.on('session', (accept, reject) => this.#open(accept, reject));
    const authentication = new Authentication(this.context, this.remoteAddress, {
      loggedIn: session => this.#loggedIn(session),
      drop: reason => this.drop(reason),
    });
    ssh.on('authentication', request => void authentication.handle(request));
    this.socket.once('close', () => void authentication.ended());
  }

  /** Opens nothing more, and drops the client as soon as nothing is open or under way. */
  finish(): void {
    this.#stopping = true;
    this.#dropIfDone();
  }

  /** Ends the connection, `expected` or for a reason that the operator is told; what the client does not take in a moment is lost. Safe to call twice. */
  drop(reason: string, expected = false): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#log[expected ? 'debug' : 'info']({ reason: printable(reason) }, 'A client is dropped');
    this.#closeSubsystems(reason);
    this.#ssh?.end();
    if (!this.#ssh) this.socket.destroy();
    setTimeout(() => this.socket.destroy(), DROP_GRACE_MS).unref();
  }

  #limit(timeMs: number | undefined, reason: string): void {
    clearTimeout(this.#timer);
    if (timeMs === undefined) return;
    this.#timer = setTimeout(() => this.drop(reason), timeMs);
  }

  #loggedIn(session: Session): boolean {
    this.admission.release();
    if (this.#closed || this.#dropped) {
      void this.#end(session, 'the connection was closed during the login');
      return false;
    }
    this.#session = session;
    const end = () => this.drop(String(session.signal.reason), this.#closed);
    if (session.signal.aborted) end();
    else session.signal.addEventListener('abort', end, { once: true });
    return !this.#dropped;
  }

  #open(accept: () => SshSession, reject: () => void): void {
    if (!this.#session || this.#stopping || this.#channels >= MAX_CHANNELS) {
      const reason = this.#channels >= MAX_CHANNELS ? `at most ${MAX_CHANNELS} at a time` : 'not at this time';
      this.#log.info({ reason }, 'A channel was refused');
      reject();
      return;
    }
    this.#channels++;
    const session = accept();
    session.on('error', (error: Error) => this.#log.debug({ reason: error.message }, 'A channel failed'));
    let subsystem: SftpSubsystem | ExecChannel | undefined;
    let used = false;
    session.once('close', () => {
      this.#channels--;
      subsystem?.clientClosed();
      if (!used && ++this.#unusedChannels > MAX_UNUSED_CHANNELS) this.drop('too many unused channels');
    });
    // A terminal is granted so that an interactive client shows the refusal instead of its own error.
    session.on('pty', acceptTerminal => acceptTerminal?.());
    const refuse = (acceptChannel: () => ServerChannel) => {
      used = true;
      this.#refuse(acceptChannel());
    };
    session.on('shell', refuse);
    session.on(
      'exec',
      (acceptChannel: () => ServerChannel | undefined, rejectChannel: (() => void) | undefined, info: { command: string }) => {
        if (subsystem) return rejectChannel?.();
        const channel = acceptChannel();
        if (!channel) return;
        used = true;
        subsystem = this.#run(channel, info.command);
      },
    );
    session.on(
      'subsystem',
      (acceptChannel: () => ServerChannel | undefined, rejectChannel: (() => void) | undefined, info: { name?: unknown }) => {
        if (info.name !== 'sftp' || subsystem) return rejectChannel?.();
        const channel = acceptChannel();
        if (!channel) return;
        used = true;
        subsystem = this.#start(channel);
      },
    );
  }

  #refuse(channel: ServerChannel | undefined): void {
    if (!channel) return;
    this.#guard(channel);
    channel.resume();
    channel.stderr.write(ONLY_SFTP);
    channel.exit(1);
    channel.end();
  }

  #start(channel: ServerChannel): SftpSubsystem | undefined {
    const session = this.#session;
    if (!session) return undefined;
    this.#guard(channel);
    const context = this.#subsystemContext(session);
    context.input?.add(channel);
    const subsystem = new SftpSubsystem(context, channel, this.socket);
    this.#subsystems.add(subsystem);
    return subsystem;
  }

  #run(channel: ServerChannel, line: string): ExecChannel | undefined {
    const session = this.#session;
    if (!session) return undefined;
    this.#guard(channel);
    const command = new ExecChannel(this.#subsystemContext(session), channel, this.socket, this.context.commands);
    this.#subsystems.add(command);
    void command.run(line);
    return command;
  }

  #guard(channel: ServerChannel): void {
    const log = (error: Error) => this.#log.debug({ reason: error.message }, 'A channel failed');
    channel.on('error', log);
    channel.stderr.on('error', log);
  }

  #subsystemContext(session: Session): SubsystemContext {
    const isStopping = () => this.#stopping;
    this.#budget ??= new HandleBudget(session.files.openLimit);
    return {
      session,
      budget: this.#budget,
      pool: this.context.pool,
      share: this.#share,
      input: this.#ssh && this.context.arrivals.inputOf(this.socket, this.#ssh),
      log: this.#log.child({ user: session.info.user, session: session.info.id }),
      lane: (channel, observer) => (this.#ssh ? openFastLane(this.#ssh, channel, this.socket, observer) : undefined),
      drop: reason => this.drop(reason),
      stalled: () => this.#stalled(),
      released: () => this.#released(),
      discarding: work => this.#discarding(work),
      get stopping() {
        return isStopping();
      },
    };
  }

  /**
   * ssh2 answers channel and global requests itself, and holds its answers in memory: in the socket for a client that
   * does not read, out of sight for one that stops in the middle of a key exchange.
   */
  #watchBalance(): void {
    const { socket } = this;
    if (socket.writableLength > (this.#session ? MAX_UNSENT_BYTES : MAX_UNSENT_BEFORE_LOGIN_BYTES)) socket.pause();
    if (socket.bytesRead - this.#readMark < MAX_ONE_SIDED_BYTES) return;
    if (socket.bytesWritten === this.#writtenMark) this.drop('the client sends and lets nothing be answered');
    this.#readMark = socket.bytesRead;
    this.#writtenMark = socket.bytesWritten;
  }

  /** A key exchange holds answers back: it may take as long as the first one. */
  #stalled(): void {
    this.#rekeyTimer ??= setTimeout(() => this.drop('the key exchange took too long'), this.context.handshakeTimeoutMs);
  }

  #rekeyed(): void {
    clearTimeout(this.#rekeyTimer);
    this.#rekeyTimer = undefined;
    for (const subsystem of this.#subsystems) subsystem.rekeyed();
  }

  #relieved(): void {
    for (const subsystem of this.#subsystems) subsystem.relieved();
  }

  #released(): void {
    for (const subsystem of this.#subsystems) if (subsystem.isClosed) this.#subsystems.delete(subsystem);
    this.#dropIfDone();
  }

  #discarding(work: Promise<unknown>): void {
    const noted = work
      .catch((error: unknown) => this.#log.warn({ err: error }, 'What was open could not be given up'))
      .finally(() => this.#discards.delete(noted));
    this.#discards.add(noted);
  }

  #dropIfDone(): void {
    if (!this.#stopping || [...this.#subsystems].some(subsystem => subsystem.isBusy)) return;
    // After the answer that made it done.
    setImmediate(() => setImmediate(() => this.drop('the server is shutting down', true)));
  }

  #closeSubsystems(reason: string): void {
    for (const subsystem of [...this.#subsystems]) subsystem.close(reason);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.admission.release();
    this.#limit(undefined, '');
    clearTimeout(this.#rekeyTimer);
    const session = this.#session;
    const reason = session?.signal.aborted ? String(session.signal.reason) : 'connection closed';
    this.#closeSubsystems(reason);
    void this.#discarded()
      .then(() => session && this.#end(session, reason))
      .finally(() => this.context.closed(this));
  }

  /** Resolves when all that was open is given up, or a storage takes too long for it. */
  async #discarded(): Promise<void> {
    if (this.#discards.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, DISCARD_LIMIT_MS)));
    await Promise.race([Promise.all(this.#discards), late]);
    clearTimeout(timer);
  }

  async #end(session: Session, reason: string): Promise<void> {
    try {
      await session.end(reason);
    } catch (error) {
      this.#log.error({ err: error }, 'A session did not end properly');
    }
  }
}
