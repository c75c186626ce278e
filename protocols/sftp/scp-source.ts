import { type FileInfo, HubError, type Transfer } from '#core/api.js';
import type { CommandContext } from './command.js';
import type { ScpConversation, ScpOptions } from './scp-conversation.js';

const MAX_DEPTH = 100;
const CHUNK_BYTES = 256 * 1024;
const OK = Buffer.of(0);

/** Gives files and directories out of the session's files: each one a download like any other. */
export class ScpSource {
  constructor(
    private readonly context: CommandContext,
    private readonly conversation: ScpConversation,
    private readonly options: ScpOptions,
  ) {}

  /** Sends what is at each of `paths`. What is absent or forbidden is told, and the others are sent. */
  async send(paths: readonly string[]): Promise<void> {
    if (!(await this.conversation.agreed())) return;
    for (const path of paths) await this.#entry(this.context.files.resolve(path), 0);
  }

  async #entry(path: string, depth: number): Promise<void> {
    let info: FileInfo;
    let transfer: Transfer | undefined;
    try {
      this.context.requireOpenable();
      info = await this.context.files.stat(path);
      if (info.name.includes('\n')) throw new HubError('unsupported', 'A name with a line feed cannot be sent');
      if (info.type === 'directory' && !this.options.recursive) throw new HubError('is-a-directory', 'Not a file; -r sends directories');
      if (depth > MAX_DEPTH) throw new HubError('invalid-request', 'Directories lie too deep');
      transfer = info.type === 'directory' ? undefined : await this.context.files.open(path, { read: true });
    } catch (error) {
      await this.conversation.complain(path, error);
      return;
    }
    if (transfer) await this.#file(path, transfer);
    else await this.#directory(path, info, depth);
  }

  async #directory(path: string, info: FileInfo, depth: number): Promise<void> {
    if (!(await this.#announce('D', 0, info, 0o755))) return;
    try {
      for await (const batch of this.context.files.list(path))
        for (const { name } of batch) await this.#entry(path === '/' ? `/${name}` : `${path}/${name}`, depth + 1);
    } catch (error) {
      if (error instanceof HubError && error.code !== 'aborted') await this.conversation.complain(path, error);
      else throw error;
    }
    await this.conversation.say('E\n');
  }

  async #file(path: string, transfer: Transfer): Promise<void> {
    try {
      const info = await transfer.stat();
      if (!(await this.#announce('C', info.size, info, 0o644))) {
        await transfer.abort('the client did not want it');
        return;
      }
      const failure = await this.#content(transfer, info.size);
      if (failure) await this.conversation.complain(path, failure);
      else await this.context.stream.write(OK);
      const taken = await this.conversation.agreed();
      if (failure || !taken) await transfer.abort(failure ?? 'the client could not keep it');
      else await transfer.close();
    } catch (error) {
      await transfer.abort(error);
      throw error;
    }
  }

  /** Sends exactly `size` bytes, as announced: zeros after a failure, which is given. */
  async #content(transfer: Transfer, size: number): Promise<unknown> {
    const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, size));
    let failure: unknown;
    for (let at = 0; at < size; ) {
      const wanted = buffer.subarray(0, Math.min(CHUNK_BYTES, size - at));
      let count = wanted.length;
      try {
        if (!failure) count = await transfer.read(wanted, at);
        if (count === 0) throw new HubError('conflict', 'The file became shorter while it was sent');
      } catch (error) {
        failure = error;
        buffer.fill(0);
        count = wanted.length;
      }
      await this.context.stream.write(wanted.subarray(0, count));
      at += count;
    }
    return failure;
  }

  async #announce(kind: 'C' | 'D', size: number, info: FileInfo, usualMode: number): Promise<boolean> {
    const seconds = (timeMs: number) => Math.max(0, Math.floor(timeMs / 1_000));
    if (this.options.preserve && !(await this.conversation.say(`T${seconds(info.mtime)} 0 ${seconds(info.atime ?? info.mtime)} 0\n`)))
      return false;
    const mode = ((info.mode ?? usualMode) & 0o7777).toString(8).padStart(4, '0');
    return this.conversation.say(`${kind}${mode} ${size} ${info.name || this.context.user}\n`);
  }
}
