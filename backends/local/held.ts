import { closeSync, readlinkSync } from 'node:fs';

/** An entry that stays the same one, whatever happens to its name, until it is released. */
export interface Held {
  /** What node:fs reaches it by. */
  readonly path: string;
  /** Its descriptor; -1 where the system has none that stands for an entry. */
  readonly fd: number;
  release(): void;
}

// The same as /proc/self without one link on each way; by what /proc calls this process, which may be mounted from outside of a container.
const DESCRIPTORS = `/proc/${process.platform === 'linux' ? ownName() : 'self'}/fd`;

function ownName(): string {
  try {
    return readlinkSync('/proc/self');
  } catch {
    return 'self';
  }
}

/** An entry held by its descriptor. */
export function heldDescriptor(fd: number): Held {
  // Closing a descriptor that cannot write flushes nothing, so it need not leave this thread.
  return { path: `${DESCRIPTORS}/${fd}`, fd, release: () => closeSync(fd) };
}

/** An entry that is only named, where the system has no descriptors that stand for entries. */
export const heldPath = (path: string): Held => ({ path, fd: -1, release() {} });

/** The same, which nobody releases before the end. */
export const forGood = (held: Held): Held => ({ ...held, release() {} });
