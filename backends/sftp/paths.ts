import { HubError } from '#core/api.js';

const MAX_PATH_BYTES = 4_096;

/** Where the hub keeps unfinished uploads, and what that folder is called on the server: a hub at the other end keeps the first name to itself. */
const STAGING = '/.entrepot';
const STAGING_THERE = '/.entrepot-uploads';

/** The path of the directory that holds `path`. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The last segment of `path`; empty for the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The directories on the way to `path`, the topmost first, without the root and `path` itself. Throws 'invalid-request' for a path that is not normal: this is the last line; and 'not-found' for the server's name of the staging folder. */
export function directoriesAbove(path: string): string[] {
  const names = path === '/' ? [] : path.slice(1).split('/');
  if (!path.startsWith('/') || path.includes('\0') || names.some(name => name === '' || name === '.' || name === '..'))
    throw new HubError('invalid-request', 'Not a normal path');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new HubError('invalid-request', 'Name too long');
  if (isSame(`/${names[0]}`, STAGING_THERE)) throw new HubError('not-found', 'No such file or directory');
  return names.slice(0, -1).map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
}

/** What `path` is called on the server whose directory `root` is the storage's. */
export function remotePath(root: string, path: string): string {
  const there = path === STAGING || path.startsWith(`${STAGING}/`) ? STAGING_THERE + path.slice(STAGING.length) : path;
  if (root === '/') return there;
  return there === '/' ? root : root + there;
}

/** The path within the storage of an entry that the server calls `name`; undefined for one that is none of this storage's. */
export function pathOf(directory: string, name: string): string | undefined {
  if (directory !== '/') return `${directory}/${name}`;
  if (isSame(`/${name}`, STAGING)) return undefined;
  return isSame(`/${name}`, STAGING_THERE) ? STAGING : `/${name}`;
}

function isSame(path: string, other: string): boolean {
  return path.length === other.length && path.toLowerCase() === other;
}

/** The target to write for a link at `path`: relative, so that it holds wherever the root lies. Throws 'permission-denied' when it leads out. */
export function targetToWrite(target: string, path: string): string {
  if (target.startsWith('/')) return '../'.repeat(directoriesAbove(path).length) + target.slice(1).replace(/^\/+/, '') || '.';
  if (leadsOut(target, path)) throw new HubError('permission-denied', 'The link would lead out of the storage');
  return target;
}

/** The target of a link at `path` as those see it who see only what is below the root. Throws 'not-found' when it leads out. */
export function targetToShow(target: string, path: string, root: string): string {
  const inside = root === '/' || target === root || target.startsWith(`${root}/`);
  if (target.startsWith('/') ? !inside : leadsOut(target, path)) throw new HubError('not-found', 'No such file or directory');
  return target.startsWith('/') && root !== '/' ? target.slice(root.length) || '/' : target;
}

function leadsOut(target: string, path: string): boolean {
  let depth = directoriesAbove(path).length;
  for (const name of target.split('/')) {
    if (name === '..') depth--;
    else if (name !== '' && name !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
