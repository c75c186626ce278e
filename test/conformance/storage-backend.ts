import test, { type ExecutionContext } from 'ava';
import type { StorageBackend } from '#core/storage/backend.js';
import { attributeCases } from './storage-attributes.js';
import type { StorageCase } from './storage-case.js';
import { directoryCases } from './storage-directories.js';
import { linkCases } from './storage-links.js';
import { readingCases } from './storage-reading.js';
import { renamingCases } from './storage-renaming.js';
import { writingCases } from './storage-writing.js';

/** Every case, in the order in which they run. */
export const CASES: readonly StorageCase[] = [
  ...readingCases,
  ...writingCases,
  ...directoryCases,
  ...renamingCases,
  ...attributeCases,
  ...linkCases,
];

export interface StorageSuiteOptions {
  /** Titles of cases that this backend cannot pass, each with the reason, which is printed. */
  readonly skip?: Readonly<Record<string, string>>;
}

/**
 * Registers the ava cases that every storage backend has to pass. `open` gives a backend of its own to each case, empty
 * unless it is read-only; it is closed after the case. Cases for methods that the backend does not have pass and say
 * so; one with no methods that write is tested as read-only, on whatever it holds. Throws when `skip` names a case that
 * does not exist.
 */
export function testStorageBackend(
  name: string,
  open: (t: ExecutionContext) => Promise<StorageBackend>,
  { skip = {} }: StorageSuiteOptions = {},
): void {
  const unknown = Object.keys(skip).filter(title => !CASES.some(one => one.title === title));
  if (unknown.length > 0) throw new Error(`There is no case to skip named: ${unknown.join(', ')}`);
  for (const one of CASES) {
    test(`${name}: ${one.title}`, async t => {
      const reason = skip[one.title];
      if (reason !== undefined) return pass(t, `left out: ${reason}`);
      const storage = await open(t);
      t.teardown(async () => storage.close?.());
      const missing = one.needs.filter(method => storage[method] === undefined);
      if (missing.length > 0) return pass(t, `not offered: ${missing.join(', ')}`);
      if (one.condition && !one.condition.holds(storage)) return pass(t, `does not apply: ${one.condition.absent}`);
      await one.run(t, storage);
    });
  }
}

function pass(t: ExecutionContext, why: string): void {
  t.log(why);
  t.pass();
}
