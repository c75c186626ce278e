import fc from 'fast-check';
import { OPEN } from './raw-sftp.js';

/** One request of a random sequence; paths are relative to the folder of the sequence, `slot` names an open handle. */
export type Step =
  | { readonly kind: 'open'; readonly slot: number; readonly path: string; readonly flags: number }
  | { readonly kind: 'opendir'; readonly path: string }
  | { readonly kind: 'close' | 'fstat' | 'fsync'; readonly slot: number }
  | { readonly kind: 'read'; readonly slot: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'write'; readonly slot: number; readonly offset: number; readonly data: string }
  | { readonly kind: 'fsetsize'; readonly slot: number; readonly size: number }
  | { readonly kind: 'ftimes'; readonly slot: number; readonly time: number }
  | {
      readonly kind: 'copy-data';
      readonly slot: number;
      readonly to: number;
      readonly offset: number;
      readonly length: number;
      readonly at: number;
    }
  | { readonly kind: 'stat' | 'lstat' | 'remove' | 'rmdir' | 'mkdir' | 'readlink' | 'statvfs'; readonly path: string }
  | { readonly kind: 'setsize'; readonly path: string; readonly size: number }
  | { readonly kind: 'times' | 'ltimes'; readonly path: string; readonly time: number }
  | { readonly kind: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly kind: 'rename' | 'posix-rename' | 'hardlink'; readonly path: string; readonly to: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'unknown' };

const path = fc.constantFrom('a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a', 'absent/a', 'l', 'd/l');
const slot = fc.integer({ min: 0, max: 2 });
const small = fc.integer({ min: 0, max: 40 });
const time = fc.integer({ min: 0, max: 2_000_000_000 });
// Creating and emptying without write access is a written difference, so it is not asked for.
const flags = fc.constantFrom(
  OPEN.READ,
  OPEN.WRITE,
  OPEN.READ | OPEN.WRITE,
  OPEN.WRITE | OPEN.CREATE,
  OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE,
  OPEN.READ | OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE,
  OPEN.WRITE | OPEN.CREATE | OPEN.EXCLUSIVE,
  OPEN.WRITE | OPEN.APPEND,
  OPEN.WRITE | OPEN.CREATE | OPEN.APPEND,
  OPEN.WRITE | OPEN.TRUNCATE,
);
const kinds = <K extends string>(...names: readonly K[]) => fc.constantFrom(...names);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: kinds('open'), slot, path, flags }) },
  { weight: 6, arbitrary: fc.record({ kind: kinds('write'), slot, offset: small, data: fc.string({ maxLength: 30 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: kinds('read'), slot, offset: small, length: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: kinds('close', 'close', 'fstat', 'fsync'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('fsetsize'), slot, size: small }) },
  { weight: 1, arbitrary: fc.record({ kind: kinds('ftimes'), slot, time }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('copy-data'), slot, to: slot, offset: small, length: small, at: small }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds('opendir'), path }) },
  { weight: 8, arbitrary: fc.record({ kind: kinds('stat', 'lstat', 'remove', 'rmdir', 'readlink', 'statvfs'), path }) },
  { weight: 5, arbitrary: fc.record({ kind: kinds('mkdir'), path }) },
  { weight: 1, arbitrary: fc.record({ kind: kinds('setsize'), path, size: small }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('times', 'ltimes'), path, time }) },
  { weight: 1, arbitrary: fc.record({ kind: kinds('chmod'), path, mode: fc.constantFrom(0o600, 0o640, 0o700, 0o755) }) },
  { weight: 7, arbitrary: fc.record({ kind: kinds('rename', 'posix-rename', 'hardlink'), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('symlink'), path, target: fc.constantFrom('a', 'b', 'd', 'e', 'nowhere', '../a') }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'unknown' }) },
);

/** Random sequences of requests, in a world small enough for them to meet. */
export const sequences: fc.Arbitrary<readonly Step[]> = fc.array(step, { minLength: 8, maxLength: 40, size: 'max' });
