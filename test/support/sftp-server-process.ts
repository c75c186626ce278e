import type { ChildProcess } from 'node:child_process';
import { start } from './children.js';
import { type Answer, FXP, packet, readString, takePackets, u32 } from './raw-sftp.js';
import { tool } from './tools.js';

/** Whoever answers SFTP requests. */
export interface SftpPeer {
  request(type: number, ...parts: readonly Buffer[]): Promise<Answer>;
}

/** OpenSSH's sftp-server as a child that speaks on its standard streams, without SSH. Relative paths start in `folder`. */
export class SftpServerProcess implements SftpPeer {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #received: Buffer = Buffer.alloc(0);
  #next = 1;

  private constructor(private readonly child: ChildProcess) {
    child.stdout!.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Starts it; it ends with this process at the latest. */
  static start(folder: string): SftpServerProcess {
    const server = new SftpServerProcess(start(tool('sftp-server'), ['-e', '-d', folder], { stdio: ['pipe', 'pipe', 'ignore'] }));
    server.child.stdin!.write(packet(FXP.INIT, u32(3)));
    return server;
  }

  request(type: number, ...parts: readonly Buffer[]): Promise<Answer> {
    const id = this.#next++;
    const answer = new Promise<Answer>(resolve => this.#waiting.set(id, resolve));
    this.child.stdin!.write(packet(type, u32(id), ...parts));
    return answer;
  }

  end(): void {
    this.child.stdin!.end();
  }

  #read(chunk: Buffer): void {
    this.#received = takePackets(Buffer.concat([this.#received, chunk]), packet => this.#take(packet));
  }

  #take(bytes: Buffer): void {
    const type = bytes[0]!;
    if (type === FXP.VERSION) return;
    const body = Buffer.from(bytes.subarray(5));
    const status = type === FXP.STATUS;
    const [code, message] = status ? [body.readUInt32BE(0), readString(body, 4).toString()] : [-1, ''];
    const id = bytes.readUInt32BE(1);
    this.#waiting.get(id)?.({ type, body, code, message });
    this.#waiting.delete(id);
  }
}
