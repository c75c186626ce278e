import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

/** A reply: its code, and all its lines without their ends. */
export interface FtpReply {
  readonly code: number;
  readonly lines: readonly string[];
  readonly text: string;
}

/** How a raw client connects. */
export interface FtpLogin {
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** Local address to come from. */
  readonly from?: string;
  /** TLS by AUTH before the login, from the first byte, or none. */
  readonly tls?: 'explicit' | 'implicit' | 'none';
  /** Only the connection and its greeting: neither AUTH nor PROT nor a login. */
  readonly bare?: boolean;
}

/** A control connection of FTP that sends what it is told, byte for byte, and reads replies. */
export class FtpClient {
  #replies: FtpReply[] = [];
  #text = '';
  #open: string[] = [];
  #waiting: ((reply: FtpReply) => void)[] = [];
  #ended = false;
  #session: Buffer | undefined;

  private constructor(
    public socket: Socket | TLSSocket,
    readonly login: FtpLogin,
  ) {
    this.#attach(socket);
    socket.on('session', (session: Buffer) => {
      this.#session = session;
    });
  }

  /** Connects and reads the greeting; then TLS and login where they are asked for. Throws when a reply is not the one that lets in. */
  static async connect(login: FtpLogin): Promise<FtpClient> {
    const options = { host: '127.0.0.1', port: login.port, ...(login.from && { localAddress: login.from }) };
    const socket =
      login.tls === 'implicit' ? connectTls({ ...options, rejectUnauthorized: false }) : connect({ ...options, noDelay: true });
    const client = new FtpClient(socket, login);
    expectCode(await client.reply(), 220);
    if (login.bare) return client;
    if (login.tls === 'explicit') {
      expectCode(await client.command('AUTH TLS'), 234);
      await client.startTls();
    }
    if (login.tls !== undefined && login.tls !== 'none') {
      expectCode(await client.command('PBSZ 0'), 200);
      expectCode(await client.command('PROT P'), 200);
    }
    if (login.user !== undefined) {
      expectCode(await client.command(`USER ${login.user}`), 331);
      expectCode(await client.command(`PASS ${login.password ?? ''}`), 230);
    }
    return client;
  }

  /** Sends a command and reads one reply. */
  command(line: string): Promise<FtpReply> {
    this.socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** Sends bytes as they are. */
  raw(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next reply; code 0 when the server ends the connection instead. */
  reply(): Promise<FtpReply> {
    const known = this.#replies.shift();
    if (known) return Promise.resolve(known);
    if (this.#ended) return Promise.resolve(GONE);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  /** Turns TLS on, after 234. */
  async startTls(): Promise<void> {
    const plain = this.socket as Socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('close');
    const secure = connectTls({ socket: plain, rejectUnauthorized: false });
    secure.on('session', session => {
      this.#session = session;
    });
    await once(secure, 'secureConnect');
    this.socket = secure;
    this.#attach(secure);
  }

  /** Opens a data connection; nothing is said on it yet. */
  async dataSocket(from = this.login.from, by: 'EPSV' | 'PASV' = 'EPSV'): Promise<Socket> {
    const port = await this.passivePort(by);
    const socket = connect({ host: '127.0.0.1', port, ...(from && { localAddress: from }) });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** The port that EPSV or PASV names. */
  async passivePort(by: 'EPSV' | 'PASV' = 'EPSV'): Promise<number> {
    const reply = await this.command(by);
    expectCode(reply, by === 'EPSV' ? 229 : 227);
    const numbers = reply.text.match(/\d+/g)!.map(Number);
    return by === 'EPSV' ? numbers.at(-1)! : numbers.at(-2)! * 256 + numbers.at(-1)!;
  }

  /** TLS on a data connection, resuming the control connection's session. */
  async protect(socket: Socket): Promise<TLSSocket> {
    const secure = connectTls({ socket, rejectUnauthorized: false, ...(this.#session && { session: this.#session }) });
    secure.on('error', () => undefined);
    await once(secure, 'secureConnect');
    return secure;
  }

  get isSecure(): boolean {
    return this.login.tls === 'explicit' || this.login.tls === 'implicit';
  }

  /** Fetches what a command sends over a data connection. */
  async fetch(command: string): Promise<{ readonly reply: FtpReply; readonly data: Buffer }> {
    const socket = await this.dataSocket();
    const first = await this.command(command);
    if (first.code !== 150) {
      socket.destroy();
      return { reply: first, data: Buffer.alloc(0) };
    }
    const stream = this.isSecure ? await this.protect(socket) : socket;
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => stream.end());
    const [reply] = await Promise.all([this.reply(), once(stream, 'close')]);
    return { reply, data: Buffer.concat(chunks) };
  }

  /** Sends `data` for a command; gives the last reply. */
  async send(command: string, data: string | Buffer): Promise<FtpReply> {
    const socket = await this.dataSocket();
    const first = await this.command(command);
    if (first.code !== 150) {
      socket.destroy();
      return first;
    }
    const stream = this.isSecure ? await this.protect(socket) : socket;
    stream.resume();
    stream.end(data);
    return this.reply();
  }

  close(): void {
    this.socket.destroy();
  }

  #attach(socket: Socket | TLSSocket): void {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
    socket.on('close', () => {
      this.#ended = true;
      for (const resolve of this.#waiting.splice(0)) resolve(GONE);
    });
  }

  #read(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\r\n'); end >= 0; end = this.#text.indexOf('\r\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#open.push(line);
      const code = this.#open[0]!.slice(0, 3);
      if (!line.startsWith(`${code} `)) continue;
      const reply = { code: Number(code), lines: this.#open, text: this.#open.join('\n') };
      this.#open = [];
      const waiting = this.#waiting.shift();
      if (waiting) waiting(reply);
      else this.#replies.push(reply);
    }
  }
}

const GONE: FtpReply = { code: 0, lines: [], text: 'the connection was closed' };

function expectCode(reply: FtpReply, code: number): void {
  if (reply.code !== code) throw new Error(`expected ${code}, got ${reply.text}`);
}
