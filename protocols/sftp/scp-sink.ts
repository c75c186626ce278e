import { isUtf8 } from 'node:buffer';
import { type FileAttributes, HubError, type Transfer, toHubError } from '#core/api.js';
import type { CommandContext } from './command.js';
import { type ScpConversation, ScpFatal, type ScpOptions } from './scp-conversation.js';

const MAX_DEPTH = 100;
const READ_BYTES = 256 * 1024;
const ENTRY = /^([CD])([0-7]{4}) (\d{1,16}) ([^/]+)$/;
const TIMES = /^T(\d{1,10}) \d{1,6} (\d{1,10}) \d{1,6}$/;

interface Entry {
  readonly kind: 'C' | 'D';
  readonly size: number;
  readonly name: string;
  /** What -p asks for; empty without. */
  readonly attributes: FileAttributes;
}

/** Takes files and directories into the session's files: each one staged, published and told of like any upload. */
export class ScpSink {
  constructor(
    private readonly context: CommandContext,
    private readonly conversation: ScpConversation,
    private readonly options: ScpOptions,
  ) {}

  /** Takes all that is sent to `target`: into it when it is a directory, else under that name. */
  async receive(target: string): Promise<void> {
    const isDirectory = await this.#isDirectory(target);
    if (this.options.directory && !isDirectory) {
      await this.conversation.complain(target, new HubError('not-a-directory', 'Not a directory'));
      return;
    }
    await this.conversation.agree();
    await this.#level(target, isDirectory, 0);
  }

  /** Takes records until the end of a directory, or of the input. */
  async #level(target: string, isDirectory: boolean, depth: number): Promise<void> {
    let times: FileAttributes = {};
    for (;;) {
      const record = await this.conversation.record();
      if (!record) return;
      const first = record[0];
      if (first === 2) throw new ScpFatal('the other end gave up');
      if (first === 1) {
        this.conversation.failures++;
        continue;
      }
      const text = record.toString('latin1');
      if (text === 'E') {
        if (depth === 0) throw new ScpFatal('the end of a directory that was not begun');
        return;
      }
      if (first === 0x54) {
        times = parseTimes(text);
        await this.conversation.agree();
        continue;
      }
      const entry = this.#entry(record, times);
      times = {};
      const path = isDirectory ? `${target}/${entry.name}` : target;
      if (entry.kind === 'D') await this.#directory(path, entry, depth + 1);
      else await this.#file(path, entry);
    }
  }

  #entry(record: Buffer, times: FileAttributes): Entry {
    const [, kind, mode, size, name] = (isUtf8(record) && ENTRY.exec(record.toString())) || [];
    if (!kind || !name || name === '.' || name === '..' || name.includes('\0') || !Number.isSafeInteger(Number(size)))
      throw new ScpFatal('unexpected record or file name');
    if (kind === 'D' && !this.options.recursive) throw new ScpFatal('a directory without -r');
    const attributes = this.options.preserve ? { ...times, mode: Number.parseInt(mode!, 8) } : {};
    return { kind: kind as 'C' | 'D', size: Number(size), name, attributes };
  }

  async #directory(path: string, { attributes }: Entry, depth: number): Promise<void> {
    try {
      if (depth > MAX_DEPTH) throw new HubError('invalid-request', 'Directories lie too deep');
      this.context.requireOpenable();
      if (!(await this.#isDirectory(path))) await this.context.files.mkdir(path);
    } catch (error) {
      await this.conversation.complain(path, error);
      return;
    }
    await this.conversation.agree();
    await this.#level(path, true, depth);
    const failure = await failureOf(this.#change(attributes, wanted => this.context.files.setAttributes(path, wanted)));
    if (failure) await this.conversation.complain(path, failure);
    else await this.conversation.agree();
  }

  async #file(path: string, entry: Entry): Promise<void> {
    let transfer: Transfer;
    try {
      this.context.requireOpenable();
      transfer = await this.context.files.open(path, { write: true, create: true, truncate: true });
    } catch (error) {
      await this.conversation.complain(path, error);
      return;
    }
    let failure: HubError | undefined;
    try {
      await this.conversation.agree();
      failure = await this.#content(transfer, entry.size);
      // The other end says here whether it could read its file to the end.
      if (!(await this.conversation.agreed())) failure ??= new HubError('aborted', 'The file was not complete and is not kept');
    } catch (error) {
      await transfer.abort(error);
      throw error;
    }
    if (failure) await transfer.abort(failure);
    failure ??= await this.#publish(transfer, entry.attributes);
    if (failure) await this.conversation.complain(path, failure);
    else await this.conversation.agree();
  }

  /** Writes what arrives. All of it is read, also after a failure, which is given. */
  async #content(transfer: Transfer, size: number): Promise<HubError | undefined> {
    let failure: HubError | undefined;
    for (let at = 0; at < size; ) {
      const bytes = await this.context.stream.read(Math.min(READ_BYTES, size - at));
      if (!bytes) throw new HubError('aborted', 'The client ended in the middle of a file');
      failure ??= await failureOf(transfer.write(bytes, at));
      at += bytes.length;
    }
    return failure;
  }

  /** A file whose times or mode may not be changed is kept; that they were not is told. */
  async #publish(transfer: Transfer, attributes: FileAttributes): Promise<HubError | undefined> {
    const unchanged = await failureOf(this.#change(attributes, wanted => transfer.setAttributes(wanted)));
    return (await failureOf(transfer.close())) ?? unchanged;
  }

  async #change(attributes: FileAttributes, change: (wanted: FileAttributes) => Promise<void>): Promise<void> {
    if (Object.keys(attributes).length > 0) await change(attributes);
  }

  async #isDirectory(path: string): Promise<boolean> {
    const info = await this.context.files.stat(path).catch(() => undefined);
    return info?.type === 'directory';
  }
}

function parseTimes(text: string): FileAttributes {
  const [, mtime, atime] = TIMES.exec(text) ?? [];
  if (!mtime || !atime) throw new ScpFatal('times that are none');
  return { mtime: Number(mtime) * 1_000, atime: Number(atime) * 1_000 };
}

async function failureOf(work: Promise<unknown>): Promise<HubError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return toHubError(error);
  }
}
