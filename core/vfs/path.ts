import { HubError } from '../errors.js';

declare const brand: unique symbol;

/**
 * An absolute path in normal form, as the user sees it: '/'-separated, no '.', '..', empty segment or trailing slash.
 * Only virtualPath() and the functions of this file make one, so nothing below can be handed a raw string.
 */
export type VirtualPath = string & { readonly [brand]: true };

/** The root of every user's files. */
export const ROOT = '/' as VirtualPath;

/** The name under which unfinished uploads are kept. Reserved at every level: clients cannot see or make it. */
export const RESERVED_NAME = '.entrepot';

const MAX_RAW_LENGTH = 16_384;
const MAX_PATH_BYTES = 4_096;
const MAX_SEGMENT_BYTES = 255;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The normal form of a path as a client sent it; a relative one starts at the root, and '..' stops there. A backslash is
 * an ordinary character. Throws 'invalid-request' for NUL, broken Unicode, a segment over 255 bytes or a path over 4,096.
 */
export function virtualPath(raw: string): VirtualPath {
  if (raw.length > MAX_RAW_LENGTH) throw new HubError('invalid-request', 'Path too long');
  if (raw.includes('\0') || LONE_SURROGATE.test(raw)) throw new HubError('invalid-request', 'Path holds a character that no name may have');
  const segments: string[] = [];
  for (const segment of raw.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') segments.pop();
    else segments.push(segment);
  }
  for (const segment of segments) {
    if (segment.length * 3 > MAX_SEGMENT_BYTES && Buffer.byteLength(segment) > MAX_SEGMENT_BYTES)
      throw new HubError('invalid-request', 'Name longer than 255 bytes');
  }
  const path = `/${segments.join('/')}`;
  if (path.length * 3 > MAX_PATH_BYTES && Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new HubError('invalid-request', 'Path longer than 4,096 bytes');
  return path as VirtualPath;
}

/** The directory that holds `path`; the root's is the root. */
export function parentOf(path: VirtualPath): VirtualPath {
  return (path.slice(0, Math.max(1, path.lastIndexOf('/'))) || '/') as VirtualPath;
}

/** The last segment; empty for the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The segments from the root down; none for the root. */
export function segmentsOf(path: string): readonly string[] {
  return path === '/' ? [] : path.slice(1).split('/');
}

/** `directory` and one more name, which must be a single segment. */
export function childOf(directory: string, name: string): VirtualPath {
  return (directory === '/' ? `/${name}` : `${directory}/${name}`) as VirtualPath;
}

/** Whether `path` is `ancestor` or lies below it. Compares whole segments: '/a' does not hold '/ab'. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '/' || path === ancestor || (path.startsWith(ancestor) && path[ancestor.length] === '/');
}

/** Moves `path`, which lies within `from`, to the same place below `to`. */
export function rebase(path: string, from: string, to: string): VirtualPath {
  const rest = from === '/' ? path : path.slice(from.length);
  if (rest === '' || rest === '/') return to as VirtualPath;
  return (to === '/' ? rest : to + rest) as VirtualPath;
}
