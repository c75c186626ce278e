import type { VirtualFileSystem } from '#core/api.js';
import type { ExecStream } from './exec-stream.js';

/** What a command works with. */
export interface CommandContext {
  readonly files: VirtualFileSystem;
  readonly user: string;
  readonly stream: ExecStream;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Throws 'unavailable' while the server stops. */
  requireOpenable(): void;
  /** What the client is told of a failure about a path, in one line; it is logged too. */
  complain(about: string, error: unknown): string;
}

/** Runs with the words after its name; resolves to the exit status. What it throws is one line on the error stream, and status 1. */
export type Command = (context: CommandContext, args: readonly string[]) => Promise<number>;

/** A path as the client wrote it: '~' is the root. */
export function homePath(path: string): string {
  return path === '~' || path.startsWith('~/') ? `/${path.slice(1)}` : path;
}
