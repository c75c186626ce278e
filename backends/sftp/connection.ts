import { Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { HubError } from '#core/api.js';
import type { HostKeys } from './host-key.js';
import { PACKET, PacketStream, packet, ReplyReader, stringField, uint32Fields } from './packets.js';
import { expected, type Reply } from './status.js';

const VERSION = 3;
/** What every server takes and gives in one request (draft-ietf-secsh-filexfer-02, section 3). */
const SAFE_DATA_BYTES = 32_768;
const MAX_DATA_BYTES = 255 * 1024;
/** Bytes of files that may be under way at a time, so that the last of them still has its answer within the time limit. */
const WINDOW_BYTES = 2 * 1024 * 1024;

/** The connection is gone; whether what was asked for has been done is not known. */
export class ConnectionLost extends HubError {
  constructor(
    message: string,
    /** Whether the server was given its time and did not answer. */
    readonly timedOut = false,
    options?: ErrorOptions,
  ) {
    super('unavailable', message, options);
  }
}

/** Whom to connect to, and how long everything may take, in milliseconds. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password?: string;
  readonly privateKey?: string;
  readonly passphrase?: string;
  readonly hostKeys: HostKeys;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: HubError) => void;
  readonly sentAt: number;
}

/** One SSH connection with one SFTP channel (version 3). Requests may overlap. Once it is lost it stays lost. */
export class Connection {
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: { readonly bytes: number; readonly start: () => void; readonly reject: (error: HubError) => void }[] = [];
  readonly #stream = new PacketStream(bytes => this.#take(bytes));
  readonly #listeners: (() => void)[] = [];
  #channel: ClientChannel | undefined;
  #greeted: ((reader: ReplyReader) => void) | undefined;
  #nextId = 0;
  #freeBytes = WINDOW_BYTES;
  #timer: NodeJS.Timeout | undefined;
  #lost: HubError | undefined;
  /** Extensions that the server offers, with their versions. */
  readonly extensions = new Map<string, string>();
  /** Bytes that one READ and one WRITE may ask for. */
  readBytes = SAFE_DATA_BYTES;
  writeBytes = SAFE_DATA_BYTES;

  private constructor(
    private readonly client: Client,
    private readonly peer: Peer,
  ) {}

  /** Connects, checks the host key, logs in and agrees on the version. Throws 'unavailable' with what stands in the way, within the time limit. */
  static async open(peer: Peer): Promise<Connection> {
    const client = new Client();
    const connection = new Connection(client, peer);
    const timer = setTimeout(
      () => connection.#lose(new ConnectionLost(`The SFTP server did not answer within ${peer.connectTimeoutMs / 1_000} s`, true)),
      peer.connectTimeoutMs,
    );
    try {
      await connection.#start();
      return connection;
    } catch (error) {
      connection.#lose(new ConnectionLost('The connection to the SFTP server was given up', false, { cause: error }));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why there is nothing more to be had from it. */
  get lost(): HubError | undefined {
    return this.#lost;
  }

  /** Requests that wait for their answer. */
  get pending(): number {
    return this.#waiting.size + this.#queue.length;
  }

  /** Calls `listener` when it is lost. */
  onLost(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Sends a request and gives the answer. `dataBytes` of files that travel with either make it wait for its turn. Throws
   * ConnectionLost when there will be no answer, and when there is none within the time limit, which ends the connection.
   */
  request(type: number, parts: readonly Uint8Array[], dataBytes = 0): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const start = () => this.#send(type, parts, { resolve: this.#returning(dataBytes, resolve), reject, sentAt: performance.now() });
      if (this.#lost) reject(this.#lost);
      else if (dataBytes === 0) start();
      else {
        this.#queue.push({ bytes: dataBytes, start, reject });
        this.#startQueued();
      }
    });
  }

  /** Asks for an extension by name; the server has to offer it. */
  extended(name: string, ...parts: readonly Uint8Array[]): Promise<Reply> {
    return this.request(PACKET.EXTENDED, [stringField(name), ...parts]);
  }

  /** Ends it; what is still waiting fails. */
  close(): void {
    this.client.end();
    this.#lose(new ConnectionLost('The connection to the SFTP server was closed'));
  }

  async #start(): Promise<void> {
    const failed = new Promise<never>((_resolve, reject) => this.onLost(() => reject(this.#lost)));
    failed.catch(() => undefined);
    await Promise.race([failed, this.#login()]);
    this.#channel = await Promise.race([failed, this.#subsystem()]);
    // Otherwise the end of each write waits for the acknowledgement of its beginning, which servers delay.
    this.client.setNoDelay(true);
    this.#channel.on('data', (chunk: Buffer) => this.#receive(chunk)).on('error', () => undefined);
    this.#channel.on('close', () => this.#lose(new ConnectionLost('The SFTP server has ended the session')));
    this.#channel.stderr.resume();
    const greeting = new Promise<ReplyReader>(resolve => {
      this.#greeted = resolve;
    });
    this.#channel.write(packet(PACKET.INIT, uint32Fields(VERSION)));
    const reader = await Promise.race([failed, greeting]);
    if (reader.uint32() < VERSION) throw new HubError('unavailable', 'The SFTP server is too old: it has no version 3');
    while (reader.rest > 0) this.extensions.set(reader.string().toString(), reader.string().toString());
    if (this.extensions.has('limits@openssh.com')) await Promise.race([failed, this.#askLimits()]);
  }

  #login(): Promise<void> {
    const { peer, client } = this;
    let objection: string | undefined;
    const config: ConnectConfig = {
      host: peer.host,
      port: peer.port,
      username: peer.username,
      algorithms: { serverHostKey: peer.hostKeys.algorithms },
      hostVerifier: (key: Buffer) => {
        objection = peer.hostKeys.objection(key);
        return objection === undefined;
      },
      readyTimeout: 0,
      keepaliveInterval: Math.max(1_000, peer.requestTimeoutMs / 2),
      keepaliveCountMax: 1,
      ...(peer.password === undefined ? {} : { password: peer.password, tryKeyboard: true }),
      ...(peer.privateKey === undefined ? {} : { privateKey: peer.privateKey }),
      ...(peer.passphrase === undefined ? {} : { passphrase: peer.passphrase }),
    };
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, answer) => answer(prompts.map(() => peer.password ?? '')));
    client.on('error', error => this.#lose(explain(error, objection)));
    client.on('close', () => this.#lose(new ConnectionLost('The connection to the SFTP server was lost')));
    return new Promise((resolve, reject) => {
      client.once('ready', resolve);
      try {
        client.connect(config);
      } catch (cause) {
        reject(new HubError('unavailable', 'The SFTP server cannot be connected to with these options', { cause }));
      }
    });
  }

  #subsystem(): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      this.client.subsys('sftp', (cause, channel) => {
        if (cause) reject(new HubError('unavailable', 'The SSH server offers no SFTP', { cause }));
        else resolve(channel);
      });
    });
  }

  async #askLimits(): Promise<void> {
    const reader = expected(await this.extended('limits@openssh.com'), PACKET.EXTENDED_REPLY);
    reader.uint64();
    const [read, write] = [reader.uint64(), reader.uint64()];
    if (read > 0) this.readBytes = Math.min(read, MAX_DATA_BYTES);
    if (write > 0) this.writeBytes = Math.min(write, MAX_DATA_BYTES);
  }

  #send(type: number, parts: readonly Uint8Array[], waiting: Waiting): void {
    const id = this.#nextId++ >>> 0;
    this.#waiting.set(id, waiting);
    this.#watch();
    this.#channel?.write(packet(type, uint32Fields(id), ...parts));
  }

  #returning(dataBytes: number, resolve: (reply: Reply) => void): (reply: Reply) => void {
    if (dataBytes === 0) return resolve;
    return reply => {
      this.#freeBytes += dataBytes;
      resolve(reply);
      this.#startQueued();
    };
  }

  #startQueued(): void {
    for (let next = this.#queue[0]; next && next.bytes <= this.#freeBytes; next = this.#queue[0]) {
      this.#queue.shift();
      this.#freeBytes -= next.bytes;
      next.start();
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#stream.push(chunk);
    } catch (cause) {
      this.#lose(new ConnectionLost('The SFTP server sends something else than SFTP', false, { cause }));
    }
  }

  #take(bytes: Buffer): void {
    const type = bytes[0] ?? 0;
    if (type === PACKET.VERSION) this.#greeted?.(new ReplyReader(bytes.subarray(1)));
    if (type === PACKET.VERSION || bytes.length < 5) return;
    const id = bytes.readUInt32BE(1);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve({ type, body: new ReplyReader(bytes.subarray(5)) });
  }

  /** The request that waits longest decides: requests are kept in the order in which they were sent. */
  #watch(): void {
    if (this.#timer || this.#lost) return;
    const oldest = this.#waiting.values().next().value;
    if (!oldest) return;
    const leftMs = oldest.sentAt + this.peer.requestTimeoutMs - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const [first] = this.#waiting.values();
        if (first && first.sentAt + this.peer.requestTimeoutMs <= performance.now())
          this.#lose(new ConnectionLost(`The SFTP server did not answer within ${this.peer.requestTimeoutMs / 1_000} s`, true));
        else this.#watch();
      },
      Math.max(leftMs, 1),
    );
  }

  #lose(reason: HubError): void {
    if (this.#lost) return;
    this.#lost = reason;
    clearTimeout(this.#timer);
    this.client.destroy();
    for (const { reject } of [...this.#waiting.values(), ...this.#queue]) reject(reason);
    this.#waiting.clear();
    this.#queue.length = 0;
    for (const listener of this.#listeners) listener();
  }
}

/** What went wrong, for those who use the storage: addresses and names of the server stay out. */
function explain(error: Error & { readonly level?: string; readonly code?: string }, objection: string | undefined): ConnectionLost {
  const message =
    objection ??
    (error.level === 'client-authentication' ? 'The SFTP server refuses the login' : undefined) ??
    REASONS[error.code ?? ''] ??
    (error.message.includes('no matching host key') ? 'The SFTP server has no host key of the expected type' : undefined) ??
    'The connection to the SFTP server was lost';
  return new ConnectionLost(message, false, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The SFTP server refuses connections',
  ENOTFOUND: 'The name of the SFTP server is not known',
  EAI_AGAIN: 'The name of the SFTP server cannot be looked up now',
  EHOSTUNREACH: 'The SFTP server cannot be reached',
  ENETUNREACH: 'The SFTP server cannot be reached',
  ETIMEDOUT: 'The SFTP server does not answer',
};
