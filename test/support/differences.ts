import type { Result, Slot } from './differential.js';
import type { Step } from './differential-steps.js';
import { OPEN } from './raw-sftp.js';

/** One way in which our server is meant to differ from OpenSSH's. */
export interface Difference {
  readonly id: string;
  readonly reason: string;
  /** Steps that are not sent, because they can only end in this difference: by the places that they name, links followed. */
  readonly skips?: (places: readonly string[], slots: ReadonlyMap<number, Slot>) => boolean;
  /** Answers that it accounts for. */
  readonly explains?: (step: Step, theirs: Result, ours: Result, slots: ReadonlyMap<number, Slot>) => boolean;
  /** Whether the servers' files differ from then on, which ends the sequence. */
  readonly diverges?: boolean;
}

const status = (code: number) => `status ${code}`;
const [OK, NO_SUCH_FILE, DENIED, FAILURE, BAD] = [0, 2, 3, 4, 5].map(status) as [string, string, string, string, string];
const HANDLE = 'type 102';
const isOpenedFor = (flag: number, step: Step, slots: ReadonlyMap<number, Slot>) =>
  'slot' in step && ((slots.get(step.slot)?.flags ?? 0) & flag) !== 0;
const isWritten = ({ flags }: Slot) => (flags & (OPEN.WRITE | OPEN.APPEND)) !== 0;

/** Every deliberate difference from OpenSSH's server that random requests can meet. */
export const DIFFERENCES: readonly Difference[] = [
  {
    id: 'staged',
    reason: 'An upload has no name until CLOSE: half a file is never seen, moved or replaced. Only its handle reaches it.',
    skips: (places, slots) =>
      [...slots.values()].some(slot => isWritten(slot) && places.some(one => slot.places.some(other => related(one, other)))),
  },
  {
    id: 'wrong-handle',
    reason: 'A handle that was not opened for what is asked is refused as such; OpenSSH says that there is no such file.',
    explains: (step, theirs, ours, slots) => {
      if (step.kind === 'read') return ours === DENIED && theirs === NO_SUCH_FILE && !isOpenedFor(OPEN.READ, step, slots);
      if (step.kind === 'copy-data' && ours === DENIED && theirs === OK) return !isOpenedFor(OPEN.READ, step, slots);
      const writes = step.kind === 'write' || step.kind === 'fsetsize' || step.kind === 'copy-data';
      return writes && ours === DENIED && (theirs === NO_SUCH_FILE || theirs === BAD);
    },
  },
  {
    id: 'open-directory',
    reason: 'A directory cannot be opened as a file; OpenSSH opens it, and every READ of it fails.',
    explains: (step, theirs, ours) => step.kind === 'open' && step.flags === OPEN.READ && theirs === HANDLE && ours === FAILURE,
  },
  {
    id: 'link-of-no-file',
    reason: 'Only a file can have a second name, and that is said before the new name is looked at. OpenSSH gives one to a link too.',
    explains: (step, theirs, ours) => step.kind === 'hardlink' && ours === DENIED && [OK, NO_SUCH_FILE, FAILURE].includes(theirs),
    diverges: true,
  },
  {
    id: 'onto-itself',
    reason:
      'To rename something to its own name changes nothing and succeeds; OpenSSH finds the name taken by RENAME, by posix-rename not.',
    explains: (step, theirs, ours) => step.kind === 'rename' && step.path === step.to && theirs === FAILURE && ours === OK,
  },
  {
    id: 'onto-a-link',
    reason: 'RENAME replaces nothing, not even a link that leads nowhere, which OpenSSH takes for a free name.',
    explains: (step, theirs, ours) => step.kind === 'rename' && ours === FAILURE && [OK, NO_SUCH_FILE].includes(theirs),
    diverges: true,
  },
  {
    id: 'link-stays',
    reason: 'A storage lets links be made, read and removed, and nothing else: one that moved would lead elsewhere.',
    explains: (step, theirs, ours) =>
      (step.kind === 'rename' || step.kind === 'posix-rename') && theirs !== NO_SUCH_FILE && ours === NO_SUCH_FILE,
    diverges: true,
  },
  {
    id: 'copy-to-append',
    reason: 'A file that is opened for appending has no offsets, so nothing is copied to one; OpenSSH appends.',
    explains: (step, theirs, ours, slots) =>
      step.kind === 'copy-data' && ours === FAILURE && theirs === OK && ((slots.get(step.to)?.flags ?? 0) & OPEN.APPEND) !== 0,
    diverges: true,
  },
  {
    id: 'into-itself',
    reason: 'A directory cannot move below itself, whatever is there.',
    explains: (step, theirs, ours) =>
      (step.kind === 'rename' || step.kind === 'posix-rename') && step.to.startsWith(`${step.path}/`) && ours === BAD && theirs !== OK,
  },
];

function related(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
