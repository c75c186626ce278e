import * as fs from 'node:fs/promises';
import { HubError } from '#core/api.js';
import { errnoOf, notFound, renameEntry, statEntry } from './io.js';

/** Where the link at `path` leads, as it is written there. Throws 'invalid-request' when it is no link. */
export async function linkTarget(path: string): Promise<string> {
  try {
    return await fs.readlink(path);
  } catch (error) {
    throw errnoOf(error) === 'EINVAL' ? new HubError('invalid-request', 'Not a link') : error;
  }
}

/**
 * How a link in the directory `above` to `target` is written on the disk: relative, so that it stays right wherever the
 * root is, and with each '..' at its start. An absolute `target` counts from the root. Throws 'permission-denied' when
 * it leads out of the root.
 */
export function storedTarget(target: string, above: readonly string[]): string {
  if (target === '' || target.includes('\0')) throw new HubError('invalid-request', 'Not a target for a link');
  const wanted = target.startsWith('/') ? [] : [...above];
  for (const name of target.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') wanted.push(name);
    else if (wanted.pop() === undefined) throw new HubError('permission-denied', 'A link may only lead to a place in the storage');
  }
  let shared = 0;
  while (shared < above.length && shared < wanted.length && above[shared] === wanted[shared]) shared++;
  return [...above.slice(shared).map(() => '..'), ...wanted.slice(shared)].join('/') || '.';
}

/**
 * Moves an entry to a name that must be free. A file gets its new name, which fails when it is taken, before it loses
 * the old one; a directory, and a file where there are no hard links, is moved after a look. Throws 'already-exists'.
 */
export async function moveWithoutReplacing(from: string, to: string, type: 'file' | 'directory'): Promise<void> {
  if (type === 'file' && (await linked(from, to))) {
    return fs.unlink(from).catch((error: unknown) => {
      // Somebody else has finished it.
      if (errnoOf(error) !== 'ENOENT') throw error;
    });
  }
  const there = await statEntry(to).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
  if (there) throw new HubError('already-exists', 'Already exists');
  await renameEntry(from, to);
}

/** Takes the old name from a file that has both, as a crash in moveWithoutReplacing() leaves it. Resolves to whether it had both. */
export async function finishMove(from: string, to: string): Promise<boolean> {
  const [source, target] = await Promise.all([statEntry(from), statEntry(to)]);
  if (!source.isFile() || source.dev !== target.dev || source.ino !== target.ino) return false;
  await fs.unlink(from);
  return true;
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw notFound();
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}
