import { closeSync } from 'node:fs';

/** An entry that stays the same one, whatever happens to its name, until it is released. */
export interface Held {
  /** What node:fs reaches it by. */
  readonly path: string;
  /** Its descriptor; -1 where the system has none that stands for an entry. */
  readonly fd: number;
  release(): void;
}

/** An entry held by its descriptor. */
export function heldDescriptor(fd: number): Held {
  // Closing a descriptor that cannot write flushes nothing, so it need not leave this thread.
  return { path: `/proc/self/fd/${fd}`, fd, release: () => closeSync(fd) };
}

/** An entry that is only named, where the system has no descriptors that stand for entries. */
export const heldPath = (path: string): Held => ({ path, fd: -1, release() {} });

/** The same, which nobody releases before the end. */
export const forGood = (held: Held): Held => ({ ...held, release() {} });
