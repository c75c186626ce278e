import { type FileInfo, HubError } from '#core/api.js';

interface Entry {
  readonly id: number;
  mtime: number;
  atime: number;
  mode: number;
  uid?: number;
  gid?: number;
}

/** A file's content. `data` may be longer than the file, whose end is `size`. */
export interface FileNode extends Entry {
  readonly type: 'file';
  data: Uint8Array;
  size: number;
  /** Rises with each change of the content. */
  version: number;
  /** How many names it has; at 0 it lives on only through the handles that have it open. */
  names: number;
}

export interface DirectoryNode extends Entry {
  readonly type: 'directory';
  readonly children: Map<string, Node>;
}

export interface LinkNode extends Entry {
  readonly type: 'symlink';
  readonly target: string;
}

export type Node = FileNode | DirectoryNode | LinkNode;

let lastId = 0;

const created = (mode: number): Entry => ({ id: ++lastId, mtime: Date.now(), atime: Date.now(), mode });

export const newFile = (): FileNode => ({ ...created(0o640), type: 'file', data: new Uint8Array(0), size: 0, version: 0, names: 0 });

export const newDirectory = (): DirectoryNode => ({ ...created(0o750), type: 'directory', children: new Map() });

export const newLink = (target: string): LinkNode => ({ ...created(0o777), type: 'symlink', target });

/** What the hub is told about `node` under `name`. */
export function describe(name: string, node: Node): FileInfo {
  const { type, mtime, atime, mode, uid, gid } = node;
  return {
    name,
    type,
    size: sizeOf(node),
    mtime,
    atime,
    mode,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    etag: node.type === 'file' ? `${node.id}-${node.version}` : `${node.id}`,
  };
}

function sizeOf(node: Node): number {
  if (node.type === 'directory') return 0;
  return node.type === 'file' ? node.size : Buffer.byteLength(node.target);
}

/** The bytes that all files together take, and how many they may. */
export class Budget {
  usedBytes = 0;

  constructor(readonly capacityBytes: number) {}

  /** Makes `file` `size` bytes long; new ones are zero. Throws 'unavailable' when that is more than there is, and changes nothing. */
  resize(file: FileNode, size: number): void {
    const growthBytes = size - file.size;
    if (this.usedBytes + growthBytes > this.capacityBytes) throw new HubError('unavailable', 'No space left on the storage');
    if (size > file.data.length) {
      const larger = new Uint8Array(Math.min(Math.max(size, file.data.length * 2, 1024), Math.max(size, this.capacityBytes)));
      larger.set(file.data.subarray(0, file.size));
      file.data = larger;
    } else if (size < file.size) {
      file.data.fill(0, size, file.size);
    }
    file.size = size;
    if (file.names > 0) this.usedBytes += growthBytes;
    changed(file);
  }

  /** `file` has got one name more, or one less. */
  named(file: FileNode, change: 1 | -1): void {
    const wasNamed = file.names > 0;
    file.names += change;
    if (wasNamed !== file.names > 0) this.usedBytes += wasNamed ? -file.size : file.size;
  }
}

/** Notes that the content of `file` is another one now. */
export function changed(file: FileNode): void {
  file.version++;
  file.mtime = Date.now();
}
