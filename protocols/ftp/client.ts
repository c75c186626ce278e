import type {
  Admission,
  Certificates,
  ClientCertificate,
  Credential,
  HashAlgorithm,
  Logger,
  LoginService,
  Session,
  VirtualFileSystem,
} from '#core/api.js';
import { Channel, type Protection } from './channel.js';
import type { DataPort } from './data-port.js';
import { ALL_FACTS, type Fact } from './facts.js';
import type { FtpOptions } from './options.js';
import type { PassivePorts } from './passive.js';
import type { BufferPool } from './pumps.js';
import { Refusal, type Reply } from './replies.js';
import type { SharedReads } from './shared-reads.js';

/** What all clients of a server share. */
export interface ServerContext {
  readonly options: FtpOptions;
  readonly login: LoginService;
  readonly log: Logger;
  readonly pool: BufferPool;
  readonly reads: SharedReads;
  readonly ports: PassivePorts;
  /** Undefined when TLS is off. */
  readonly certificates: Certificates | undefined;
}

/** The control connection, as commands use it. */
export interface ControlLine {
  readonly remoteAddress: string;
  /** The address of the hub at which the connection came in. */
  readonly localAddress: string;
  /** The address that the client connected to: the same, or that of a trusted proxy. */
  readonly reachedAddress: string;
  readonly isSecure: boolean;
  readonly admission: Admission;
  send(reply: Reply): void;
  /** Says `reply`, forgets whatever else has come in plain text, and speaks TLS from here on. */
  secure(reply: Reply, certificates: Certificates): void;
  /** Says `reply` and ends the connection. */
  close(reply: Reply): void;
  /** Takes a session that was just opened; false when the client is gone already. */
  loggedIn(session: Session): boolean;
}

/** What a client has told so far: its login, its directory, how and where its next transfer goes. */
export class Client {
  session: Session | undefined;
  username: string | undefined;
  /** What was found right, while one more proof is wanted. */
  proven: readonly Credential[] = [];
  /** What the login waits for. */
  wanted: 'password' | 'one-time-code' | undefined;
  failures = 0;
  /** By TLS: who the client is to an authority that counts here. */
  certificate: ClientCertificate | undefined;
  /** By HOST: what TLS and the user were asked for before. */
  named: string | undefined;
  cwd = '/';
  ascii = false;
  /** Where the next transfer begins, in bytes. */
  restart = 0;
  renameFrom: string | undefined;
  /** PBSZ was given. */
  isSized = false;
  /** PROT P: data connections speak TLS. */
  isProtected = false;
  /** EPSV ALL: nothing else may open a data connection. */
  extendedOnly = false;
  facts: readonly Fact[] = ALL_FACTS;
  hash: HashAlgorithm = 'sha256';
  #port: DataPort | undefined;
  #channel: Channel | undefined;

  constructor(
    readonly context: ServerContext,
    readonly line: ControlLine,
  ) {}

  /** The files of the user. Throws 530 before the login. */
  get files(): VirtualFileSystem {
    if (!this.session) throw new Refusal(530, 'Log in first');
    return this.session.files;
  }

  /** The path that the argument of a command means, from the current directory. Throws 501 without one. */
  path(argument: string): string {
    if (argument === '') throw new Refusal(501, 'A path is missing');
    return this.files.resolve(argument.startsWith('/') ? argument : `${this.cwd}/${argument}`);
  }

  /** Where the next transfer begins; the one after it begins at 0 again. */
  takeRestart(): number {
    const { restart } = this;
    this.restart = 0;
    return restart;
  }

  /** The transfer that is under way. */
  get channel(): Channel | undefined {
    return this.#channel;
  }

  /** Awaits the next data connection at `port`, and no longer at the one before. */
  expect(port: DataPort): void {
    this.closePort();
    this.#port = port;
  }

  /** Stops waiting for a data connection; true when one was awaited. */
  closePort(): boolean {
    const port = this.#port;
    this.#port = undefined;
    port?.close();
    return port !== undefined;
  }

  /** Throws 425 or 521 where a transfer could not begin, before anything is opened for it. */
  requirePort(): void {
    const { tls } = this.context.options;
    if (tls === 'required' && !this.isProtected) {
      this.closePort();
      throw new Refusal(521, 'Data connections need TLS here: PBSZ 0 and PROT P first');
    }
    if (!this.#port) throw new Refusal(425, 'Use PASV or EPSV first');
  }

  /** Begins a transfer over the data connection that was agreed on. Throws as requirePort(). */
  beginTransfer(): Channel {
    this.requirePort();
    const { certificates, options, reads } = this.context;
    const protection: Protection | undefined =
      this.isProtected && certificates ? { certificates, named: this.named, sessionReuse: options.sessionReuse } : undefined;
    this.#channel = new Channel(this.#port!, protection, options.dataTimeout, reads);
    this.#port = undefined;
    return this.#channel;
  }

  endTransfer(): void {
    this.#channel = undefined;
  }

  /** Everything as before the login, but what TLS and HOST have settled. */
  reset(): void {
    this.closePort();
    Object.assign(this, {
      session: undefined,
      username: undefined,
      proven: [],
      wanted: undefined,
      cwd: '/',
      ascii: false,
      restart: 0,
      renameFrom: undefined,
    });
    Object.assign(this, { extendedOnly: false, facts: ALL_FACTS, hash: 'sha256' });
  }
}
