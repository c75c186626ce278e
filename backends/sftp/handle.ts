import { type FileAttributes, type FileInfo, HubError, type OpenFlags, type StorageHandle } from '#core/api.js';
import { attributesField, changesAnything, describe, needsPresent, readAttributes } from './attributes.js';
import { ConnectionLost } from './connection.js';
import { PACKET, stringField, uint32Fields, uint64Field } from './packets.js';
import type { Lease } from './pool.js';
import { expected, succeeded, unlessEnd } from './status.js';

/** A handle of the server, and the connection on which it is one. */
export interface RemoteFile {
  readonly lease: Lease;
  readonly handle: Buffer;
}

/**
 * A file that is open on the server. Ranges are read and written in pieces that travel at the same time. A file that is
 * only read is opened again when its connection is lost, and goes on if it is still the same; one that is written fails.
 */
export class SftpHandle implements StorageHandle {
  readonly sync?: () => Promise<void>;
  #remote: RemoteFile;
  #reopening: Promise<RemoteFile> | undefined;
  #closed = false;

  /** `reopen` opens the file for reading once more; `opened` is what it was found to be. */
  constructor(
    private readonly name: string,
    private readonly flags: OpenFlags,
    remote: RemoteFile,
    readonly opened: FileInfo | undefined,
    private readonly reopen: () => Promise<RemoteFile>,
  ) {
    this.#remote = remote;
    if (remote.lease.connection.extensions.has('fsync@openssh.com')) this.sync = () => this.#sync();
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    if (!this.flags.read) throw new HubError('permission-denied', 'The file is not open for reading');
    const remote = this.#remote;
    try {
      return await readRange(remote, target, position);
    } catch (error) {
      if (this.flags.write || this.#closed || !(error instanceof ConnectionLost) || error.timedOut) throw error;
      return readRange(await this.#again(remote, error), target, position);
    }
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    if (!this.flags.write) throw new HubError('permission-denied', 'The file is not open for writing');
    const { lease, handle } = this.#remote;
    const { connection } = lease;
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < data.length; at += connection.writeBytes) {
      const piece = data.subarray(at, at + connection.writeBytes);
      const fields = [stringField(handle), uint64Field(position + at), uint32Fields(piece.length), piece];
      pieces.push(connection.request(PACKET.WRITE, fields, piece.length).then(succeeded));
    }
    await settled(pieces);
  }

  async stat(): Promise<FileInfo> {
    const reply = await this.#remote.lease.connection.request(PACKET.FSTAT, [stringField(this.#remote.handle)]);
    const info = describe(this.name, readAttributes(expected(reply, PACKET.ATTRS)));
    if (!info) throw new HubError('not-found', 'No such file or directory');
    return info;
  }

  async setAttributes(attributes: FileAttributes): Promise<void> {
    if (attributes.size !== undefined && !this.flags.write) throw new HubError('permission-denied', 'The file is not open for writing');
    if (!changesAnything(attributes)) return;
    const now = needsPresent(attributes) ? await this.stat() : {};
    const { lease, handle } = this.#remote;
    succeeded(await lease.connection.request(PACKET.FSETSTAT, [stringField(handle), attributesField(attributes, now)]));
  }

  truncate(size: number): Promise<void> {
    return this.setAttributes({ size });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { lease, handle } = this.#remote;
    try {
      succeeded(await lease.connection.request(PACKET.CLOSE, [stringField(handle)]));
    } catch (error) {
      if (this.flags.write) throw error;
    } finally {
      lease.release();
    }
  }

  async abort(): Promise<void> {
    await this.close().catch(() => undefined);
  }

  async #sync(): Promise<void> {
    const { lease, handle } = this.#remote;
    succeeded(await lease.connection.extended('fsync@openssh.com', stringField(handle)));
  }

  /** The file on another connection, once for all reads that failed with `lost`. Throws that failure when it is not the same file any more. */
  async #again(lost: RemoteFile, failure: HubError): Promise<RemoteFile> {
    if (this.#remote !== lost) return this.#remote;
    this.#reopening ??= this.#reopen(failure).finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #reopen(failure: HubError): Promise<RemoteFile> {
    const remote = await this.reopen();
    const { connection } = remote.lease;
    const info = readAttributes(expected(await connection.request(PACKET.FSTAT, [stringField(remote.handle)]), PACKET.ATTRS));
    if (this.#closed || info.size !== this.opened?.size || info.mtime !== this.opened?.mtime) {
      await connection.request(PACKET.CLOSE, [stringField(remote.handle)]).catch(() => undefined);
      remote.lease.release();
      throw failure;
    }
    this.#remote.lease.release();
    this.#remote = remote;
    return remote;
  }
}

/** Fills `target`: its pieces are asked for at once, and what an answer leaves out is asked for again. Resolves to the bytes before the end of the file. */
async function readRange(remote: RemoteFile, target: Uint8Array, position: number): Promise<number> {
  const { readBytes } = remote.lease.connection;
  const pieces: Promise<number>[] = [];
  for (let at = 0; at < target.length; at += readBytes) {
    pieces.push(readPiece(remote, target.subarray(at, at + readBytes), position + at));
  }
  let done = 0;
  for (const count of await settled(pieces)) {
    done += count;
    // A short piece is the end, unless the file has grown behind it: what follows does not count then.
    if (count < Math.min(readBytes, target.length - (done - count))) break;
  }
  return done;
}

async function readPiece({ lease, handle }: RemoteFile, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const wanted = target.length - done;
    const fields = [stringField(handle), uint64Field(position + done), uint32Fields(wanted)];
    const data = unlessEnd(await lease.connection.request(PACKET.READ, fields, wanted), PACKET.DATA)?.string();
    if (!data || data.length === 0) break;
    target.set(data.subarray(0, wanted), done);
    done += Math.min(data.length, wanted);
  }
  return done;
}

/** Waits for all, so that nothing is under way any more when the first failure is thrown. */
async function settled<T>(pieces: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(pieces);
  return results.map(result => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
