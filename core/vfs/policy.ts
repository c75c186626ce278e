import type { NamePattern, Permissions, Right } from '../db/users.js';
import { RIGHTS } from '../db/users.js';
import { HubError } from '../errors.js';
import { compileGlob } from '../glob.js';
import { childOf, isWithin, nameOf, parentOf, RESERVED_NAME, ROOT, segmentsOf, type VirtualPath, virtualPath } from './path.js';

/**
 * One thing that a verb needs: any of `rights` at the directory named by `at`; 'alike': each of them at both parents, or at neither;
 * 'covered': each of them that holds at the target's parent at the other one too.
 */
interface Need {
  readonly at: 'parent' | 'self' | 'target-parent' | 'alike' | 'covered';
  readonly rights: readonly Right[];
}

const parent = (...rights: Right[]): Need => ({ at: 'parent', rights });
const target = (...rights: Right[]): Need => ({ at: 'target-parent', rights });
const alike = (...rights: Right[]): Need => ({ at: 'alike', rights });
const covered = (...rights: Right[]): Need => ({ at: 'covered', rights });

/** What may be done to a file itself: what it is moved for, where the old place forbids it. */
const TO_FILE = ['download', 'overwrite', 'delete-files', 'chmod', 'chown', 'chtimes'] as const satisfies readonly Right[];

/** Everything a client can ask for, and the rights that it takes. The only such table: every protocol comes through it. */
export const VERBS = {
  stat: [parent('list', 'download')],
  list: [{ at: 'self', rights: ['list'] }],
  read: [parent('download')],
  create: [parent('upload')],
  replace: [parent('overwrite')],
  'remove-file': [parent('delete-files')],
  'remove-directory': [parent('delete-directories')],
  'rename-file': [parent('rename-files'), target('rename-files'), covered(...TO_FILE)],
  'rename-directory': [parent('rename-directories'), target('rename-directories'), alike(...RIGHTS)],
  'replace-target': [target('overwrite')],
  'create-directory': [parent('create-directories')],
  copy: [parent('download'), parent('copy'), target('copy'), target('upload')],
  'copy-over': [parent('download'), parent('copy'), target('copy'), target('overwrite')],
  link: [
    parent('create-links'),
    parent('download'),
    target('create-links'),
    target('upload'),
    // A second name gives all that may be done to the file itself.
    alike('overwrite', 'chmod', 'chown', 'chtimes'),
  ],
  symlink: [parent('create-links'), target('create-links')],
  chmod: [parent('chmod')],
  chown: [parent('chown')],
  chtimes: [parent('chtimes')],
  resize: [parent('overwrite')],
} as const satisfies Record<string, readonly Need[]>;

export type Verb = keyof typeof VERBS;

interface Names {
  readonly path: string;
  readonly hidden: boolean;
  readonly allows: (name: string) => boolean;
  readonly denies: (name: string) => boolean;
}

const NONE: ReadonlySet<Right> = new Set();

/** What a user may do where: pure, made from the user's record. Throws 'invalid-request' for a path or a pattern that cannot be read. */
export class Policy {
  readonly #exact = new Map<string, ReadonlySet<Right>>();
  readonly #patterns: { readonly segments: readonly ((segment: string) => boolean)[]; readonly rights: ReadonlySet<Right> }[] = [];
  readonly #names: readonly Names[];
  /** Segments of the longest key: no directory deeper than that is looked at by itself. */
  readonly #depth: number;

  readonly #places: readonly string[];

  /** `places`: what is hidden whatever the patterns say, with all that lies below. */
  constructor(permissions: Permissions, names: readonly NamePattern[], places: readonly VirtualPath[] = []) {
    this.#places = places.map(path => path.toLowerCase());
    const keys = Object.entries(permissions).map(([key, rights]) => [virtualPath(key), rights] as const);
    this.#depth = Math.max(0, ...keys.map(([key]) => segmentsOf(key).length));
    for (const [key, rights] of keys) {
      const granted = new Set<Right>(rights.includes('*') ? RIGHTS : (rights as readonly Right[]));
      if (/[*?]/.test(key)) this.#patterns.push({ segments: segmentsOf(key).map(segment => compileGlob(segment)), rights: granted });
      else this.#exact.set(key, granted);
    }
    this.#names = names
      .map(({ path, allow, deny, hidden }) => ({
        path: virtualPath(path),
        hidden,
        allows: anyOf(allow, true),
        denies: inDisguiseToo(anyOf(deny, false)),
      }))
      .sort((a, b) => b.path.length - a.path.length);
  }

  /** Throws 'permission-denied' unless the user may do `verb` on `path` (and `to`, where the verb has a target). */
  require(verb: Verb, path: VirtualPath, to: VirtualPath = path): void {
    if (!this.allows(verb, path, to)) throw new HubError('permission-denied', 'Permission denied');
  }

  /** Whether the user may do `verb` on `path` (and `to`, where the verb has a target). */
  allows(verb: Verb, path: VirtualPath, to: VirtualPath = path): boolean {
    return VERBS[verb].every(({ at, rights }: Need) => {
      if (at === 'alike' || at === 'covered') return this.#compare(at, rights, parentOf(path), parentOf(to));
      const granted = this.#rightsIn(at === 'self' ? path : parentOf(at === 'parent' ? path : to));
      return rights.some(right => granted.has(right));
    });
  }

  /** What the user may do in a directory. */
  rightsIn(directory: VirtualPath): readonly Right[] {
    const granted = this.#rightsIn(directory);
    return RIGHTS.filter(right => granted.has(right));
  }

  /** Whether a segment of `path` is a name that this user must not know of. The hub's own reserved name always is. */
  hides(path: VirtualPath): boolean {
    if (this.#names.length === 0 && this.#places.length === 0) return segmentsOf(path).some(isReserved);
    let directory: string = ROOT;
    for (const segment of segmentsOf(path)) {
      if (this.hidesName(directory, segment)) return true;
      directory = directory === '/' ? `/${segment}` : `${directory}/${segment}`;
    }
    return false;
  }

  /** The same for one name in a directory that is itself not hidden. `isFile` applies the list of allowed names too. */
  hidesName(directory: string, name: string, isFile = false): boolean {
    if (isReserved(name)) return true;
    if (this.#places.length > 0 && this.#places.includes(childOf(directory, name).toLowerCase())) return true;
    const names = this.#namesIn(directory);
    if (!names?.hidden) return false;
    return names.denies(name) || (isFile && !names.allows(name));
  }

  /** Throws 'permission-denied' (or 'not-found' for a hidden one) when the last name of `path` may not be a file's. */
  requireFileName(path: VirtualPath): void {
    const names = this.#namesIn(parentOf(path));
    if (!names || (names.allows(nameOf(path)) && !names.denies(nameOf(path)))) return;
    if (names.hidden) throw new HubError('not-found', 'No such file or directory');
    throw new HubError('permission-denied', 'This name is not allowed here');
  }

  /** Whether a directory can move from `from` to `to` and stay under the same rules: nothing special lies below either, and names are judged alike. That the rights agree is what 'rename-directory' asks. */
  sameRules(from: VirtualPath, to: VirtualPath): boolean {
    const special = [...this.#exact.keys(), ...this.#names.map(({ path }) => path)].some(path => isBelow(path, from) || isBelow(path, to));
    const hidden = this.#places.some(path => isBelow(path, from.toLowerCase()) || isBelow(path, to.toLowerCase()));
    const wild = this.#patterns.some(({ segments }) => [from, to].some(path => mayLieBelow(segments, path)));
    return !special && !hidden && !wild && this.#namesIn(parentOf(from)) === this.#namesIn(parentOf(to));
  }

  #compare(how: 'alike' | 'covered', rights: readonly Right[], here: VirtualPath, there: VirtualPath): boolean {
    if (here === there) return true;
    const [granted, other] = [this.#rightsIn(here), this.#rightsIn(there)];
    return granted === other || rights.every(right => granted.has(right) === other.has(right) || (how === 'covered' && granted.has(right)));
  }

  #rightsIn(directory: VirtualPath): ReadonlySet<Right> {
    const segments = segmentsOf(directory);
    for (let depth = Math.min(segments.length, this.#depth); depth >= 0; depth--) {
      const exact = this.#exact.get(`/${segments.slice(0, depth).join('/')}`);
      if (exact) return exact;
      const wild = this.#patterns.find(
        pattern => pattern.segments.length === depth && pattern.segments.every((matches, i) => matches(segments[i]!)),
      );
      if (wild) return wild.rights;
    }
    return NONE;
  }

  #namesIn(directory: string): Names | undefined {
    return this.#names.find(({ path }) => isWithin(directory, path));
  }
}

/** Whatever its case: a storage may not tell cases apart. */
function isReserved(name: string): boolean {
  return name.length === RESERVED_NAME.length && name.toLowerCase() === RESERVED_NAME;
}

function anyOf(patterns: readonly string[], whenEmpty: boolean): (name: string) => boolean {
  if (patterns.length === 0) return () => whenEmpty;
  const compiled = patterns.map(pattern => compileGlob(pattern, { caseInsensitive: true }));
  return name => compiled.some(matches => matches(name));
}

const PLAIN = /^[ -~]*[!-\-/-~]$/;

/** Also the form that some systems and people take a name for: compatible characters (full-width letters) as plain ones, dots and spaces at its end left out. */
function inDisguiseToo(matches: (name: string) => boolean): (name: string) => boolean {
  return name => matches(name) || (!PLAIN.test(name) && matches(name.normalize('NFKC').replace(/[. ]+$/, '')));
}

function isBelow(path: string, directory: string): boolean {
  return path !== ROOT && isWithin(path, directory);
}

function mayLieBelow(segments: readonly ((segment: string) => boolean)[], directory: string): boolean {
  const above = segmentsOf(directory);
  return segments.length >= above.length && above.every((segment, i) => segments[i]!(segment));
}
