import type { FileAttributes, FileInfo, HashAlgorithm, OpenFlags } from '../storage/backend.js';
import type { Transfer } from './transfer.js';
export declare class VirtualFileSystem {
  resolve(path: string): string;
  stat(path: string): Promise<FileInfo>;
  lstat(path: string): Promise<FileInfo>;
  list(path: string): AsyncIterable<readonly FileInfo[]>;
  open(path: string, flags: OpenFlags): Promise<Transfer>;
  mkdir(path: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  rename(from: string, to: string, options?: { readonly overwrite?: boolean }): Promise<void>;
  copy(from: string, to: string, options?: { readonly overwrite?: boolean }): Promise<void>;
  setAttributes(path: string, attributes: FileAttributes): Promise<void>;
  link(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  checksum(path: string, algorithm: HashAlgorithm): Promise<string>;
  space(path: string): Promise<{ readonly total: number; readonly free: number }>;
}
