import { once } from 'node:events';
import { Client, type ClientChannel } from 'ssh2';

/** The packet types of draft-ietf-secsh-filexfer-02 (SFTP version 3). */
export const FXP = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** Status codes of the draft. */
export const STATUS = { OK: 0, EOF: 1, NO_SUCH_FILE: 2, PERMISSION_DENIED: 3, FAILURE: 4, BAD_MESSAGE: 5, OP_UNSUPPORTED: 8 } as const;

/** Flags of OPEN. */
export const OPEN = { READ: 1, WRITE: 2, APPEND: 4, CREATE: 8, TRUNCATE: 16, EXCLUSIVE: 32 } as const;

/** Attributes that say nothing. */
export const NO_ATTRS = u32(0);

/** One packet from the server. `code` and `message` are those of a STATUS. */
export interface Answer {
  readonly type: number;
  readonly body: Buffer;
  readonly code: number;
  readonly message: string;
}

/** The server dropped the channel or the connection before it answered. */
export class Dropped extends Error {}

/** How to log in. */
export interface Login {
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly privateKey?: Buffer;
}

/** An SFTP client that sends exactly what it is told, right or wrong. */
export class RawSftp {
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #received: Buffer = Buffer.alloc(0);
  #next = 1;
  #gone: Error | undefined;
  #version: (() => void) | undefined;

  private constructor(
    private readonly client: Client,
    readonly channel: ClientChannel,
  ) {
    // Each wait for the end listens for it.
    for (const emitter of [channel, client]) emitter.setMaxListeners(0);
    channel.on('data', (chunk: Buffer) => this.#read(chunk));
    const gone = (error?: Error) => this.#fail(new Dropped(error?.message ?? 'the server ended the channel'));
    channel.on('error', gone).on('close', () => gone());
    client.on('error', gone).on('close', () => gone());
  }

  /** Logs in and opens the subsystem; with `greet` (the default) also agrees on version 3. */
  static async connect(login: Login, greet = true): Promise<RawSftp> {
    const client = await connectSsh(login);
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.once('error', reject).once('close', () => reject(new Dropped('the connection was closed')));
      client.subsys('sftp', (error, stream) => (error ? reject(error) : resolve(stream)));
    });
    const sftp = new RawSftp(client, channel);
    if (greet) {
      const answered = new Promise<void>(resolve => {
        sftp.#version = resolve;
      });
      sftp.send(packet(FXP.INIT, u32(3)));
      await Promise.race([answered, sftp.dropped().then(error => Promise.reject(error))]);
    }
    return sftp;
  }

  get alive(): boolean {
    return this.#gone === undefined;
  }

  /** Resolves with the reason once the server has dropped this client. */
  async dropped(): Promise<Error> {
    if (this.#gone === undefined) await Promise.race([once(this.channel, 'close'), once(this.client, 'close')]);
    return this.#gone ?? new Dropped('closed');
  }

  /** Writes bytes to the channel as they are. */
  send(bytes: Buffer): void {
    this.channel.write(bytes);
  }

  /** Sends a request with an id of its own and gives the answer to it. Rejects with Dropped when there will be none. */
  request(type: number, ...parts: readonly Buffer[]): Promise<Answer> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#next++;
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.send(packet(type, u32(id), ...parts));
    return answer;
  }

  /** Opens a file; gives its handle, or throws with the status. */
  async open(path: string | Buffer, flags: number): Promise<Buffer> {
    const answer = await this.request(FXP.OPEN, string(path), u32(flags), NO_ATTRS);
    if (answer.type !== FXP.HANDLE) throw refusal(answer, 'open');
    return readString(answer.body, 0);
  }

  /** Gives the status of CLOSE: 0 is the acknowledgement of an upload. */
  async close(handle: Buffer): Promise<Answer> {
    return this.request(FXP.CLOSE, string(handle));
  }

  /** Uploads in pieces of 32 KiB, eight in flight. Resolves when the server has acknowledged CLOSE; throws with the status otherwise. */
  async put(path: string | Buffer, content: Buffer, flags: number = OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE): Promise<void> {
    const handle = await this.open(path, flags);
    for (let offset = 0; offset < content.length; offset += 8 * 32_768) {
      const pieces = Array.from({ length: 8 }, (_, index) => offset + index * 32_768).filter(at => at < content.length);
      const answers = await Promise.all(
        pieces.map(at => this.request(FXP.WRITE, string(handle), u64(at), string(content.subarray(at, at + 32_768)))),
      );
      const failed = answers.find(answer => answer.code !== STATUS.OK);
      if (failed !== undefined) {
        await this.close(handle);
        throw refusal(failed, 'write');
      }
    }
    const closed = await this.close(handle);
    if (closed.code !== STATUS.OK) throw refusal(closed, 'close');
  }

  /** Downloads a whole file. */
  async get(path: string | Buffer): Promise<Buffer> {
    const handle = await this.open(path, OPEN.READ);
    const pieces: Buffer[] = [];
    for (let offset = 0; ; ) {
      const answer = await this.request(FXP.READ, string(handle), u64(offset), u32(32_768));
      if (answer.type !== FXP.DATA) break;
      const piece = readString(answer.body, 0);
      pieces.push(piece);
      offset += piece.length;
    }
    await this.close(handle);
    return Buffer.concat(pieces);
  }

  /** Lists the names in a directory, '.' and '..' left out. Throws with the status. */
  async list(path: string | Buffer): Promise<Buffer[]> {
    const opened = await this.request(FXP.OPENDIR, string(path));
    if (opened.type !== FXP.HANDLE) throw refusal(opened, 'opendir');
    const handle = readString(opened.body, 0);
    const names: Buffer[] = [];
    for (;;) {
      const answer = await this.request(FXP.READDIR, string(handle));
      if (answer.type !== FXP.NAME) break;
      names.push(...readNames(answer.body));
    }
    await this.close(handle);
    return names.filter(name => !['.', '..'].includes(name.toString()));
  }

  /** Ends the connection politely. */
  end(): void {
    this.client.end();
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.client.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received = takePackets(Buffer.concat([this.#received, chunk]), packet => this.#take(packet));
  }

  #take(bytes: Buffer): void {
    const type = bytes[0] ?? 0;
    if (type === FXP.VERSION) {
      this.#version?.();
      return;
    }
    const id = bytes.readUInt32BE(1);
    const body = Buffer.from(bytes.subarray(5));
    const status = type === FXP.STATUS;
    const answer = {
      type,
      body,
      code: status ? body.readUInt32BE(0) : -1,
      message: status && body.length > 8 ? readString(body, 4).toString() : '',
    };
    this.#waiting.get(id)?.resolve(answer);
    this.#waiting.delete(id);
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** An SSH connection, logged in. */
export async function connectSsh(login: Login): Promise<Client> {
  const client = new Client();
  // A connection that is refused or cut may fail more than once.
  client.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    client
      .once('ready', resolve)
      .once('error', reject)
      .once('close', () => reject(new Dropped('the connection was closed')));
    client.connect({
      host: '127.0.0.1',
      port: login.port,
      username: login.user,
      ...(login.password === undefined ? {} : { password: login.password }),
      ...(login.privateKey === undefined ? {} : { privateKey: login.privateKey }),
      readyTimeout: 60_000,
    });
  });
  return client;
}

/** A refusal by the server: `code` is the SFTP status. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

function refusal(answer: Answer, step: string): Refused {
  return new Refused(`${step}: ${answer.message || 'no message'} (status ${answer.code})`, answer.code);
}

/** A packet: length, type, and the parts. */
export function packet(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 1), Buffer.of(type), body]);
}

/** A number in four bytes, most significant first. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A number in eight bytes, most significant first. */
export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A string of the protocol: its length in four bytes, and its bytes. */
export function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** The string that begins at `offset`. */
export function readString(body: Buffer, offset: number): Buffer {
  const length = body.readUInt32BE(offset);
  return body.subarray(offset + 4, offset + 4 + length);
}

function readNames(body: Buffer): Buffer[] {
  let at = 4;
  return Array.from({ length: body.readUInt32BE(0) }, () => {
    const name = readString(body, at);
    at += 4 + name.length;
    at += 4 + readString(body, at).length;
    at += attributesLength(body, at);
    return name;
  });
}

function attributesLength(body: Buffer, at: number): number {
  const flags = body.readUInt32BE(at);
  let length = 4;
  if (flags & 1) length += 8;
  if (flags & 2) length += 8;
  if (flags & 4) length += 4;
  if (flags & 8) length += 8;
  return length;
}

/** Hands each whole packet at the beginning of `received` to `take`, without its length; gives what is left. */
export function takePackets(received: Buffer, take: (packet: Buffer) => void): Buffer {
  let rest = received;
  while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
    const end = 4 + rest.readUInt32BE(0);
    take(rest.subarray(4, end));
    rest = rest.subarray(end);
  }
  return rest;
}
