import type { User } from '../db/users.js';
import type { SessionInfo } from '../session-info.js';
import type { VirtualFileSystem } from '../vfs/virtual-file-system.js';

/** A logged-in client. */
export interface Session {
  readonly info: SessionInfo;
  readonly user: User;
  readonly files: VirtualFileSystem;
  /** Aborts when the session must end: kicked, disabled, idle, or shutting down; `signal.reason` is text for the client. The protocol then drops the client. */
  readonly signal: AbortSignal;
  /** Ends the session: aborts open transfers, frees its slots, publishes 'session.ended'. Safe to call twice. */
  end(reason?: string): Promise<void>;
}
