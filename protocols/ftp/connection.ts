import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Admission, type Certificates, HubError, type Logger, type Session, toHubError } from '#core/api.js';
import { Client, type ControlLine, type ServerContext } from './client.js';
import type { Answer, Command } from './command.js';
import { COMMANDS } from './commands.js';
import { plainAddress } from './data-port.js';
import { LineReader } from './line-reader.js';
import { failureReply, layOut, type Reply } from './replies.js';
import { handshake, secureSocket } from './secure.js';
import { abortedByClient } from './transfer-commands.js';

/** Commands that have come and not been begun, at which a client is not read. */
const MAX_WAITING = 64;
/** Unsent replies at which no further command is begun. */
const MAX_UNSENT_BYTES = 64 * 1024;
/** Lines before the login that are no commands: what speaks another protocol is not listened to for long. */
const MAX_STRAY_LINES = 10;
/** What a client may take to receive the last reply before its socket is cut. */
const CLOSE_GRACE_MS = 500;
/** One for all: each holds a converter of its own. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a connection needs from its server. */
export interface ConnectionContext extends ServerContext {
  /** Called once, when the connection is closed. */
  closed(connection: Connection): void;
}

/** One control connection, from the accepted socket to its end: lines in, one command at a time, replies out. */
export class Connection implements ControlLine {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly reachedAddress: string;
  isSecure = false;
  readonly #client: Client;
  readonly #log: Logger;
  readonly #reader = new LineReader();
  readonly #waiting: Buffer[] = [];
  #stream: Socket | TLSSocket;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #closing = false;
  #closed = false;
  #stopping = false;
  #strayLines = 0;

  constructor(
    private readonly context: ConnectionContext,
    private readonly socket: Socket,
    readonly admission: Admission,
    reachedAddress?: string,
  ) {
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.localAddress = plainAddress(socket.localAddress);
    this.reachedAddress = reachedAddress ?? this.localAddress;
    this.#log = context.log.child({ remoteAddress: this.remoteAddress });
    this.#client = new Client(context, this);
    this.#stream = socket;
    socket.on('error', error => this.#log.debug({ reason: error.message }, 'The connection broke'));
    socket.on('close', () => this.#close());
    this.#limit(context.options.loginTimeout, 'The login took too long');
  }

  /** Greets the client, over TLS from the first byte where `certificates` are given. */
  start(certificates?: Certificates): void {
    if (certificates) {
      this.#client.isProtected = true;
      this.#upgrade(certificates);
    } else this.#listen();
    this.send([220, ...(this.context.options.banner?.split('\n') ?? []), 'Entrepot FTP']);
  }

  send(reply: Reply): void {
    if (!this.#stream.writable) return;
    this.#stream.write(layOut(reply));
  }

  secure(reply: Reply, certificates: Certificates): void {
    // What came in plain text before TLS was on may be anybody's.
    this.#waiting.length = 0;
    this.#reader.clear();
    this.socket.removeAllListeners('data');
    while (this.socket.read() !== null);
    this.send(reply);
    this.#upgrade(certificates);
  }

  close(reply: Reply): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#waiting.length = 0;
    this.#client.closePort();
    this.#client.channel?.abort(new HubError('aborted', 'The connection is closed'));
    this.send(reply);
    this.#stream.end();
    setTimeout(() => this.#stream.destroy(), CLOSE_GRACE_MS).unref();
  }

  /** Lets the transfer that runs finish, and ends. */
  finish(): void {
    this.#stopping = true;
    if (!this.#busy) this.close([421, 'The server is shutting down']);
  }

  loggedIn(session: Session): boolean {
    this.admission.release();
    if (this.#closed || this.#closing) {
      void session.end('The connection was closed during the login');
      return false;
    }
    this.#limit(undefined, '');
    session.signal.addEventListener('abort', () => this.#sessionEnded(session), { once: true });
    return !session.signal.aborted;
  }

  #sessionEnded(session: Session): void {
    // After REIN the session is no longer this connection's.
    if (this.#client.session === session || this.#client.session === undefined) {
      if (this.#client.session === undefined && !this.#busy) return;
      this.close([421, String(session.signal.reason)]);
    }
  }

  #upgrade(certificates: Certificates): void {
    const secure = secureSocket(this.socket, certificates, { named: this.#client.named });
    this.isSecure = true;
    this.#stream = secure;
    secure.on('error', error => this.#log.debug({ reason: error.message }, 'The TLS connection broke'));
    const timer = setTimeout(() => secure.destroy(), this.context.options.handshakeTimeout);
    handshake(secure)
      .then(() => {
        this.#client.certificate = certificates.client(secure);
        this.#listen();
      })
      .catch((error: unknown) => {
        this.#log.debug({ err: toHubError(error) }, 'A TLS handshake failed');
        secure.destroy();
      })
      .finally(() => clearTimeout(timer));
  }

  #listen(): void {
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.on('drain', () => this.#advance());
    stream.on('end', () => {
      // Whoever is gone has not finished what it was sending, whatever its data connection says.
      this.#client.channel?.abort(new HubError('aborted', 'The client left'));
      stream.end();
    });
  }

  #read(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      for (const line of this.#reader.push(chunk)) this.#hear(line);
    } catch (error) {
      this.close([500, toHubError(error).message]);
      return;
    }
    this.#advance();
    if (this.#waiting.length > MAX_WAITING) this.#stream.pause();
  }

  /** During a transfer, ABOR ends it at once, and what only asks is answered; everything else waits for its turn. */
  #hear(line: Buffer): void {
    const { channel } = this.#client;
    if (channel && line.length <= 6) {
      const verb = line.toString('latin1').trim().toUpperCase();
      if (verb === 'ABOR') channel.abort(abortedByClient());
      const command = this.#waiting.length === 0 ? COMMANDS.get(verb) : undefined;
      if (command?.during) {
        const answer = command.run(this.#client, '');
        if (answer && !(answer instanceof Promise)) this.send(answer);
        return;
      }
    }
    this.#waiting.push(line);
  }

  #advance(): void {
    while (!this.#busy && !this.#closing && this.#waiting.length > 0) {
      if (this.#stream.writableLength > MAX_UNSENT_BYTES) return;
      this.#begin(this.#waiting.shift()!);
    }
    if (this.#waiting.length <= MAX_WAITING / 2 && this.#stream.isPaused() && !this.#closing) this.#stream.resume();
  }

  #begin(line: Buffer): void {
    let answer: Answer;
    try {
      answer = this.#run(line);
    } catch (error) {
      answer = this.#failure(error);
    }
    if (!(answer instanceof Promise)) {
      if (answer) this.send(answer);
      return;
    }
    this.#busy = true;
    answer
      .catch((error: unknown) => this.#failure(error))
      .then(reply => {
        this.#busy = false;
        if (this.#closing) return;
        this.send(reply);
        if (this.#stopping) this.finish();
        else this.#advance();
      });
  }

  #run(line: Buffer): Answer {
    const text = this.#decoded(line);
    const space = text.indexOf(' ');
    const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const command = COMMANDS.get(verb);
    const { renameFrom } = this.#client;
    if (!command) return this.#stray();
    if (command.open !== true && !this.#client.session) return [530, 'Log in first'];
    const answer = command.run(this.#client, space < 0 ? '' : text.slice(space + 1));
    this.#forgetRename(command, renameFrom);
    return answer;
  }

  /** RNFR counts for the very next command only. */
  #forgetRename(command: Command, before: string | undefined): void {
    if (command.name !== 'RNFR' && before !== undefined && this.#client.renameFrom === before) this.#client.renameFrom = undefined;
  }

  #decoded(line: Buffer): string {
    let text: string;
    try {
      text = UTF8.decode(line);
    } catch {
      throw new HubError('invalid-request', 'Names are UTF-8 here');
    }
    if (/[\r\0]/.test(text)) throw new HubError('invalid-request', 'A line holds a character that it may not');
    return text;
  }

  #stray(): Reply {
    if (!this.#client.session && ++this.#strayLines >= MAX_STRAY_LINES) this.close([421, 'This is FTP']);
    return [500, 'Unknown command'];
  }

  #failure(error: unknown): Reply {
    const failure = toHubError(error);
    if (failure.code === 'internal') this.#log.error({ err: failure.cause ?? failure }, 'A command failed');
    return failureReply(failure);
  }

  #limit(timeMs: number | undefined, reason: string): void {
    clearTimeout(this.#timer);
    if (timeMs !== undefined) this.#timer = setTimeout(() => this.close([421, reason]), timeMs);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing = true;
    clearTimeout(this.#timer);
    this.admission.release();
    const client = this.#client;
    client.closePort();
    const { session } = client;
    client.session = undefined;
    // The session keeps what was received for its user, and ends; then whatever waits for the data connection hears of it.
    void session?.end();
    client.channel?.abort(new HubError('aborted', 'The client left'));
    this.context.closed(this);
  }
}
