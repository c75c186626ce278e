import { HubError, toHubError } from '#core/api.js';
import type { CommandContext } from './command.js';

/** Bytes of one record: what holds any name, and far less than memory. */
const MAX_RECORD_BYTES = 64 * 1024;
const OK = Buffer.of(0);

/** How scp was called: the letters that its other end uses. */
export interface ScpOptions {
  readonly recursive: boolean;
  /** Whether times and modes are kept. */
  readonly preserve: boolean;
  /** Whether the target has to be a directory. */
  readonly directory: boolean;
}

/** A failure that ends the conversation; the other end was or will be told. */
export class ScpFatal extends Error {}

/** What both directions of scp's protocol share: records, answers, complaints. */
export class ScpConversation {
  /** How many files or directories failed, here or there. */
  failures = 0;

  constructor(private readonly context: CommandContext) {}

  /** Runs one direction; what breaks the protocol is told to the other end as its last word. */
  async hold(direction: () => Promise<void>): Promise<void> {
    try {
      await direction();
    } catch (error) {
      this.failures++;
      const reason = error instanceof ScpFatal ? new HubError('invalid-request', error.message) : error;
      await this.context.stream.write(Buffer.from(`\x02${this.context.complain('protocol', reason)}\n`)).catch(() => undefined);
    }
  }

  /** The next record, without its line feed; undefined at the end. Throws ScpFatal for one over 64 KiB. */
  async record(): Promise<Buffer | undefined> {
    try {
      return await this.context.stream.readLine(MAX_RECORD_BYTES);
    } catch (error) {
      if (toHubError(error).code === 'too-large') throw new ScpFatal('record longer than 64 KiB');
      throw error;
    }
  }

  /** Sends a record, and gives whether the other end agrees. */
  async say(record: string | Buffer): Promise<boolean> {
    await this.context.stream.write(Buffer.from(record));
    return this.agreed();
  }

  /** Reads an answer: false for a complaint, which is counted. Throws ScpFatal when it is the last word, 'aborted' at the end of the input. */
  async agreed(): Promise<boolean> {
    const answer = await this.context.stream.read(1);
    if (!answer) throw new HubError('aborted', 'The client ended the transfer');
    if (answer[0] === 0) return true;
    await this.record();
    if (answer[0] !== 1) throw new ScpFatal('the other end gave up');
    this.failures++;
    return false;
  }

  agree(): Promise<void> {
    return this.context.stream.write(OK);
  }

  /** Tells of a failure about `path` in place of an answer; the conversation goes on. */
  complain(path: string, error: unknown): Promise<void> {
    this.failures++;
    return this.context.stream.write(Buffer.from(`\x01${this.context.complain(path, error)}\n`));
  }
}
