import { type FileAttributes, type FileInfo, HubError, type OpenFlags, type StorageBackend, type StorageHandle } from '#core/api.js';
import { applyAttributes, MemoryHandle } from './handle.js';
import { Budget, type DirectoryNode, describe, type FileNode, type Node, newDirectory, newFile, newLink } from './node.js';

const BATCH = 100;

/**
 * Files in this process's memory, for tests, trials and throw-away shares: gone when the instance is. Also the shortest
 * complete example of a backend. Symlinks can be made, listed, read and removed, and are never followed: to every
 * other method they are not there.
 */
export class MemoryStorage implements StorageBackend {
  readonly features = { randomWrites: true, atomicWrites: false };
  readonly #root = newDirectory();
  readonly #budget: Budget;

  /** A store that holds `capacityBytes` of content at most. */
  constructor(capacityBytes = 1024 ** 3) {
    this.#budget = new Budget(capacityBytes);
  }

  async stat(path: string): Promise<FileInfo> {
    return describe(nameOf(path), this.#followable(path));
  }

  async lstat(path: string): Promise<FileInfo> {
    return describe(nameOf(path), this.#find(path));
  }

  async *list(path: string): AsyncGenerator<readonly FileInfo[]> {
    const entries = [...this.#directory(path).children];
    for (let start = 0; start < entries.length; start += BATCH) {
      yield entries.slice(start, start + BATCH).map(([name, node]) => describe(name, node));
    }
  }

  async open(path: string, flags: OpenFlags): Promise<StorageHandle> {
    return new MemoryHandle(nameOf(path), this.#openFile(path, flags), flags, this.#budget);
  }

  async mkdir(path: string): Promise<void> {
    this.#place(path, newDirectory());
  }

  async removeFile(path: string): Promise<void> {
    const node = this.#find(path);
    if (node.type === 'directory') throw isDirectory();
    this.#take(path, node);
  }

  async removeDirectory(path: string): Promise<void> {
    const node = this.#directory(path);
    if (node.children.size > 0) throw new HubError('directory-not-empty', 'Directory not empty');
    this.#take(path, node);
  }

  async rename(from: string, to: string, { replace }: { readonly replace: boolean }): Promise<void> {
    const node = this.#followable(from);
    if (from === '/' || `${to}/`.startsWith(`${from}/`)) {
      if (from === to) return;
      throw new HubError('invalid-request', 'A directory cannot be moved into itself');
    }
    const replaced = this.#parent(to).children.get(nameOf(to));
    if (replaced === node) return;
    if (replaced && !replace) throw alreadyExists();
    if (replaced) this.#mayReplace(node, replaced);
    if (replaced) this.#take(to, replaced);
    this.#take(from, node);
    this.#place(to, node);
  }

  async link(from: string, to: string): Promise<void> {
    const node = this.#followable(from);
    if (node.type !== 'file') throw isDirectory();
    this.#place(to, node);
  }

  async copy(from: string, to: string): Promise<void> {
    const source = this.#openFile(from, { read: true });
    const target = newFile();
    this.#budget.resize(target, source.size);
    target.data.set(source.data.subarray(0, source.size));
    const replaced = this.#parent(to).children.get(nameOf(to));
    if (replaced === source) return;
    if (replaced) this.#mayReplace(target, replaced);
    if (replaced) this.#take(to, replaced);
    this.#place(to, target);
  }

  async setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const node = attributes.follow === false ? this.#find(path) : this.#followable(path);
    applyAttributes(node, attributes, this.#budget);
  }

  async symlink(target: string, path: string): Promise<void> {
    this.#place(path, newLink(target));
  }

  async readlink(path: string): Promise<string> {
    const node = this.#find(path);
    if (node.type !== 'symlink') throw new HubError('invalid-request', 'Not a link');
    return node.target;
  }

  async space(): Promise<{ readonly total: number; readonly free: number }> {
    return { total: this.#budget.capacityBytes, free: this.#budget.capacityBytes - this.#budget.usedBytes };
  }

  #openFile(path: string, flags: OpenFlags): FileNode {
    const existing = path === '/' ? this.#root : this.#parent(path).children.get(nameOf(path));
    if (!existing && flags.create) return this.#place(path, newFile());
    if (existing && flags.create && flags.exclusive) throw alreadyExists();
    if (existing?.type === 'directory') throw isDirectory();
    if (existing?.type !== 'file') throw notFound();
    if (flags.truncate) this.#budget.resize(existing, 0);
    return existing;
  }

  /** The node at `path`, a link itself where there is one. */
  #find(path: string): Node {
    let node: Node = this.#root;
    for (const segment of path.split('/').filter(Boolean)) {
      if (node.type === 'file') throw new HubError('not-a-directory', 'Not a directory');
      const child: Node | undefined = node.type === 'directory' ? node.children.get(segment) : undefined;
      if (!child) throw notFound();
      node = child;
    }
    return node;
  }

  #followable(path: string): FileNode | DirectoryNode {
    const node = this.#find(path);
    if (node.type === 'symlink') throw notFound();
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#followable(path);
    if (node.type === 'file') throw new HubError('not-a-directory', 'Not a directory');
    return node;
  }

  #parent(path: string): DirectoryNode {
    return this.#directory(path.slice(0, path.lastIndexOf('/')) || '/');
  }

  #place<N extends Node>(path: string, node: N): N {
    const parent = this.#parent(path);
    if (path === '/' || parent.children.has(nameOf(path))) throw alreadyExists();
    parent.children.set(nameOf(path), node);
    parent.mtime = Date.now();
    if (node.type === 'file') this.#budget.named(node, 1);
    return node;
  }

  #take(path: string, node: Node): void {
    if (node === this.#root) throw new HubError('permission-denied', 'The root stays');
    const parent = this.#parent(path);
    parent.children.delete(nameOf(path));
    parent.mtime = Date.now();
    if (node.type === 'file') this.#budget.named(node, -1);
  }

  /** As on a disk: a file takes the place of a file or a link, a directory that of an empty directory. */
  #mayReplace(node: Node, replaced: Node): void {
    if (replaced.type !== 'directory') {
      if (node.type === 'directory') throw new HubError('not-a-directory', 'Not a directory');
    } else if (node.type !== 'directory') {
      throw isDirectory();
    } else if (replaced.children.size > 0) {
      throw new HubError('directory-not-empty', 'Directory not empty');
    }
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const notFound = (): HubError => new HubError('not-found', 'No such file or directory');
const alreadyExists = (): HubError => new HubError('already-exists', 'Already exists');
const isDirectory = (): HubError => new HubError('is-a-directory', 'Is a directory');
