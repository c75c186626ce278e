import { type FileAttributes, type FileInfo, HubError, type OpenFlags, type StorageHandle } from '#core/api.js';
import { type Budget, changed, describe, type FileNode, type Node } from './node.js';

/** A file of a MemoryStorage that is open. It stays readable after its name is gone, as on a disk. */
export class MemoryHandle implements StorageHandle {
  constructor(
    private readonly name: string,
    private readonly file: FileNode,
    private readonly flags: OpenFlags,
    private readonly budget: Budget,
  ) {}

  async read(target: Uint8Array, position: number): Promise<number> {
    if (!this.flags.read) throw new HubError('permission-denied', 'The file is not open for reading');
    const piece = this.file.data.subarray(Math.min(position, this.file.size), Math.min(position + target.length, this.file.size));
    target.set(piece);
    return piece.length;
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    this.#mustWrite();
    if (position + data.length > this.file.size) this.budget.resize(this.file, position + data.length);
    this.file.data.set(data, position);
    changed(this.file);
  }

  async stat(): Promise<FileInfo> {
    return describe(this.name, this.file);
  }

  async setAttributes(attributes: FileAttributes): Promise<void> {
    if (attributes.size !== undefined) this.#mustWrite();
    applyAttributes(this.file, attributes, this.budget);
  }

  async truncate(size: number): Promise<void> {
    this.#mustWrite();
    this.budget.resize(this.file, size);
  }

  async close(): Promise<void> {}

  async abort(): Promise<void> {}

  #mustWrite(): void {
    if (!this.flags.write) throw new HubError('permission-denied', 'The file is not open for writing');
  }
}

/** Changes what is given; a size only on a file. */
export function applyAttributes(node: Node, { size, mtime, atime, mode, uid, gid }: FileAttributes, budget: Budget): void {
  if (size !== undefined) {
    if (node.type !== 'file') throw new HubError('is-a-directory', 'Is a directory');
    budget.resize(node, size);
  }
  if (mode !== undefined) node.mode = mode & 0o777;
  if (uid !== undefined) node.uid = uid;
  if (gid !== undefined) node.gid = gid;
  if (mtime !== undefined) node.mtime = mtime;
  if (atime !== undefined) node.atime = atime;
}
