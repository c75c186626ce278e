import type { FileAttributes, FileInfo } from '../storage/backend.js';
export declare class Transfer {
  readonly id: string;
  readonly path: string;
  read(target: Uint8Array, position: number): Promise<number>;
  write(data: Uint8Array, position: number): Promise<void>;
  writev(pieces: readonly Uint8Array[], position: number): Promise<void>;
  stat(): Promise<FileInfo>;
  setAttributes(attributes: FileAttributes): Promise<void>;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}
