import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { HubError } from '#core/api.js';

/** Unsent bytes at which a writer waits. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** What ssh2 may have buffered of a channel that is not read: its window, its high-water mark, and a packet. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024 + 64 * 1024;

/** What a stream tells its connection. */
export interface ExecStreamObserver {
  /** A key exchange keeps what was written back. */
  stalled(): void;
  /** The client ignores flow control. */
  violated(reason: string): void;
}

/** The two directions of a channel that runs a command, one reader and one writer, neither ahead of the other end. */
export class ExecStream {
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  #closed = false;
  #rekeying = false;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly channel: ServerChannel,
    private readonly socket: Socket,
    private readonly observer: ExecStreamObserver,
  ) {
    channel.on('readable', this.wake);
    channel.once('end', () => {
      this.#ended = true;
      this.wake();
    });
    socket.on('data', this.#watch);
  }

  /** Lets whoever waits look again: something arrived, was taken, or ended. */
  readonly wake = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  };

  rekeyed(): void {
    this.#rekeying = false;
    this.wake();
  }

  /** At most `limit` bytes as they come; undefined at the end of the input. They are the caller's until the next call. */
  async read(limit: number): Promise<Buffer | undefined> {
    if (!(await this.#fill())) return undefined;
    const bytes = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  /** The bytes up to the next line feed, which is taken and not given; undefined at the end of the input. Throws 'too-large' beyond `limit`. */
  async readLine(limit: number): Promise<Buffer | undefined> {
    let line: Buffer = Buffer.alloc(0);
    while (await this.#fill()) {
      const end = this.#rest.indexOf(10);
      const piece = this.#rest.subarray(0, end < 0 ? this.#rest.length : end);
      if (line.length + piece.length > limit) throw new HubError('too-large', 'A line is too long');
      line = Buffer.concat([line, piece]);
      this.#rest = this.#rest.subarray(piece.length + (end < 0 ? 0 : 1));
      if (end >= 0) return line;
    }
    return undefined;
  }

  /** Resolves when `bytes` may be used again and the client is not far behind. Throws 'aborted' when it is gone. */
  async write(bytes: Buffer): Promise<void> {
    this.#requireOpen();
    const { socket, channel } = this;
    let taken = false;
    socket.cork();
    const before = socket.writableLength;
    channel.write(bytes, () => {
      taken = true;
      this.wake();
    });
    const missing = bytes.length - (socket.writableLength - before);
    socket.uncork();
    if (channel.writableLength === 0 && missing > 0) {
      this.#rekeying = true;
      this.observer.stalled();
    }
    while (!taken || this.#rekeying || socket.writableLength > MAX_UNSENT_BYTES) {
      this.#requireOpen();
      await this.#wait();
    }
  }

  /** A line on the error stream. */
  complain(line: string): void {
    if (!this.#closed) this.channel.stderr.write(`${line}\n`);
  }

  /** Ends the channel with exit status `status`, after what was written. */
  end(status: number): void {
    if (this.#closed) return;
    this.close();
    this.channel.exit(status);
    this.channel.end();
  }

  /** Takes and gives nothing more. */
  close(): void {
    this.#closed = true;
    this.#rest = Buffer.alloc(0);
    this.socket.off('data', this.#watch);
    this.channel.off('readable', this.wake);
    this.channel.resume();
    this.wake();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      if (this.#closed) return false;
      const chunk = this.channel.read() as Buffer | null;
      if (chunk) this.#rest = chunk;
      else if (this.#ended) return false;
      else await this.#wait();
    }
    return true;
  }

  #wait(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #requireOpen(): void {
    if (this.#closed) throw new HubError('aborted', 'The connection was closed');
  }

  readonly #watch = (): void => {
    if (this.channel.readableLength > MAX_UNREAD_BYTES) this.observer.violated('ignores flow control');
  };
}
