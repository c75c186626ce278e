import type { VirtualFileSystem } from '#core/api.js';
import type { HandleTable, Opened } from './handles.js';
import type { WriteObserver, WritePlaces } from './open-file.js';
import type { RequestOrder } from './order.js';
import type { ReadQueue } from './reads.js';

/** What the rows of the request table work on: the state of one channel. */
export interface RequestContext extends WriteObserver {
  readonly files: VirtualFileSystem;
  /** The name by which the client logged in. */
  readonly user: string;
  readonly handles: HandleTable;
  readonly places: WritePlaces;
  readonly order: RequestOrder;
  readonly reads: ReadQueue;
  /** Aborts when the client takes no more answers. */
  readonly muted: AbortSignal;
  /** Throws 'unavailable' while the server stops. */
  requireOpenable(): void;
  /** Puts what was opened into the table and gives its handle. When the client is already gone it is given up and 'aborted' thrown. */
  keep(opened: Opened): Buffer;
  /** Closes what `handle` stands for: commits an upload. Requests that name its path wait for it. */
  closeHandle(handle: Buffer): Promise<void>;
}
