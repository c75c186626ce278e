import { constants } from 'node:fs';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { HubError } from '#core/api.js';
import { forGood, type Held, heldDescriptor, heldPath } from './held.js';
import {
  type Calls,
  errnoOf,
  IMMEDIATE,
  notFound,
  openDescriptor,
  statDescriptor,
  statEntry,
  THREADED,
  type Volume,
  volumeAt,
} from './io.js';
import { RecentDirectories } from './recent.js';

// Linux's O_PATH, which node:fs does not name: a descriptor that stands for an entry and cannot read it.
const O_PATH = 0o10000000;
const HOLD_ENTRY = O_PATH | constants.O_NOFOLLOW;
// Readable, so that it can be flushed; a directory that may only be passed through is held by O_PATH.
const HOLD_DIRECTORY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY;
const PASS_DIRECTORY = HOLD_ENTRY | constants.O_DIRECTORY;
const LINUX = process.platform === 'linux';
const MAX_LINKS = 40;

/** A name in a directory that is held. */
export interface Place {
  /** What node:fs reaches it by; the last step is still to be made, and must not follow a link. */
  readonly path: string;
  readonly parent: Held;
  /** Empty for the root. */
  readonly name: string;
  /** The names from the root to the parent, without links. */
  readonly above: readonly string[];
  /** Whether a descriptor opened here is described and closed without waiting for any disk or network. */
  readonly quick: boolean;
  /** How what is here is best reached. */
  readonly calls: Calls;
  release(): void;
}

/**
 * Keeps every access below one directory. Paths are walked name by name, each step relative to the descriptor of the
 * one before and none through a link, so that no rename by another process leads out. Links are followed only when
 * asked for, by walking on along their target under the same rule. Where the system has no such descriptors (any but
 * Linux), each name is checked before use, and a race between check and use remains.
 */
export class Confinement {
  readonly #kept = new Map<string, Held>();
  /** Everything that is held for good, to be closed at the end. */
  readonly #closing: Held[];
  readonly root: Held;
  readonly #recent: RecentDirectories;

  private constructor(
    root: Held,
    private readonly volume: Volume,
    private readonly hostRoots: readonly (readonly string[])[],
    private readonly followsLinks: boolean,
  ) {
    this.#closing = [root];
    this.root = forGood(root);
    this.#recent = new RecentDirectories(this.root, volume.device, volume.isMemory ? IMMEDIATE : THREADED);
  }

  /** Holds `root`, a directory. Throws the errno of opening it, or 'unavailable' where /proc is missing. */
  static async open(root: string, followsLinks: boolean): Promise<Confinement> {
    const real = await realpath(root);
    const held = LINUX ? heldDescriptor(await openDirectory(real)) : heldPath(real);
    const stats = await statEntry(`${held.path}/.`).catch(() => undefined);
    if (stats) return new Confinement(held, await volumeAt(real, stats.dev), [names(root), names(real)], followsLinks);
    held.release();
    throw new HubError('unavailable', 'A local storage needs /proc to be mounted');
  }

  /**
   * The place of `path`: its parent held, its last name not looked at. With `follow`, and where links are followed, a
   * link at the end is replaced by the place to which it leads. Release it when done. Throws 'not-found' or
   * 'not-a-directory'; a link that may not be followed, and one that leads out, are as if they were absent.
   */
  async enter(path: string, follow = false): Promise<Place> {
    const segments = checkedNames(path);
    const throughLast = follow && this.followsLinks;
    const kept = this.#kept.get(parentOf(path));
    if (kept) return place(kept, segments.slice(0, -1), nameOf(path));
    if (!throughLast && segments.length === 1) return this.#inRoot(path);
    const recent = throughLast ? undefined : this.#recent.find(parentOf(path));
    if (recent) {
      // Held before the look: another caller's look may close it meanwhile, and its number then stands for something else.
      const held = recent.take();
      if (await recent.confirm()) return place(held, recent.above, nameOf(path), this.#traits(recent.onRootDevice));
      held.release();
    }
    const walk: Walk = { pending: segments, above: [], parent: this.root, links: 0 };
    try {
      for (;;) {
        const name = walk.pending.shift();
        if (name === undefined) return place(walk.parent, walk.above, '');
        if (name === '..') await this.#goUp(walk);
        else if (walk.pending.length > 0) await this.#goDown(walk, name);
        else if (!throughLast || !(await this.#follow(walk, name))) return place(this.#share(parentOf(path), walk), walk.above, name);
      }
    } catch (error) {
      walk.parent.release();
      throw error;
    }
  }

  /**
   * The place of `path` in a directory that was walked to a moment ago, at once; undefined when there is none. What is done
   * there counts only when `confirmed` comes to true, so it must be something that can be undone.
   */
  early(path: string): { readonly at: Place; readonly confirmed: Promise<boolean> } | undefined {
    if (checkedNames(path).length === 1) return { at: this.#inRoot(path), confirmed: Promise.resolve(true) };
    const recent = this.#recent.find(parentOf(path));
    if (!recent) return undefined;
    return { at: place(recent.take(), recent.above, nameOf(path), this.#traits(recent.onRootDevice)), confirmed: recent.confirm() };
  }

  /** Whether what is made at a place has no disk to be flushed to. */
  isMemory({ calls }: Place): boolean {
    return calls === IMMEDIATE;
  }

  /** How what is in a directory that is held is best reached. */
  async callsIn({ fd }: Held): Promise<Calls> {
    if (!this.volume.isMemory || fd < 0) return THREADED;
    return (await statDescriptor(fd)).dev === this.volume.device ? IMMEDIATE : THREADED;
  }

  /** To be called when a directory was moved or removed. */
  moved(): void {
    this.#recent.moved();
  }

  /** Holds the directory at `path`. Throws like enter(). */
  async hold(path: string): Promise<Held> {
    const at = await this.enter(path, true);
    if (at.name === '') return at.parent;
    try {
      const held = await this.#step(at.parent, at.name);
      if (held) return held;
      throw (await this.#linkTarget(at.parent, at.name)) === undefined ? new HubError('not-a-directory', 'Not a directory') : notFound();
    } finally {
      at.release();
    }
  }

  /** Holds the entry at a place itself, which may be a link. */
  async pin(at: Place): Promise<Held> {
    return LINUX ? heldDescriptor(await at.calls.open(at.path, HOLD_ENTRY)) : heldPath(at.path);
  }

  /** Keeps the directory at `path` held for good, so that entering it costs nothing from now on. */
  async keep(path: string): Promise<void> {
    if (this.#kept.has(path)) return;
    const held = await this.hold(path);
    this.#closing.push(held);
    this.#kept.set(path, forGood(held));
  }

  /** Undoes keep(), for a directory that is no longer there. Its descriptor stays open until close(), since others may be using it. */
  forget(path: string): void {
    this.#kept.delete(path);
  }

  /** The mounted file system of the root and of each directory on the way to `path`, which is a directory, with their names. */
  async volumes(path: string): Promise<{ readonly above: readonly string[]; readonly volumes: readonly string[] }> {
    const at = await this.enter(path, true);
    at.release();
    const above = at.name === '' ? at.above : [...at.above, at.name];
    const volumes = [await volumeOf(this.root)];
    for (let depth = 1; depth <= above.length; depth++) {
      const held = await this.#descend(above.slice(0, depth));
      volumes.push(await volumeOf(held).finally(() => held.release()));
    }
    return { above, volumes };
  }

  /** The names below the root that an absolute path of this machine stands for. Throws 'not-found' for one that lies outside. */
  #below(hostPath: string): string[] {
    const wanted = names(hostPath);
    const root = this.hostRoots.find(segments => segments.every((segment, index) => wanted[index] === segment));
    if (!root) throw notFound();
    return wanted.slice(root.length);
  }

  /** What the link target `target`, read in the directory `above`, is called by those who see only what is below the root. Throws 'not-found' when it leads out. */
  virtualTarget(target: string, above: readonly string[]): string {
    const walked = target.startsWith('/') ? [] : [...above];
    for (const name of target.startsWith('/') ? this.#below(target) : names(target)) {
      if (name !== '..') walked.push(name);
      else if (walked.pop() === undefined) throw notFound();
    }
    return target.startsWith('/') ? `/${walked.join('/')}` : target;
  }

  /** Releases everything that is held for good. Called once, when nothing else is held. */
  close(): void {
    this.#recent.close();
    for (const held of this.#closing.splice(0)) held.release();
    this.#kept.clear();
  }

  async #goUp(walk: Walk): Promise<void> {
    if (walk.above.pop() === undefined) throw notFound();
    exchange(walk, await this.#descend(walk.above));
  }

  async #goDown(walk: Walk, name: string): Promise<void> {
    const next = await this.#step(walk.parent, name);
    if (next) {
      exchange(walk, next);
      walk.above.push(name);
    } else if (!(await this.#follow(walk, name))) {
      throw new HubError('not-a-directory', 'Not a directory');
    }
  }

  /** The place of an entry of the root, which is held anyway. */
  #inRoot(path: string): Place {
    return place(this.root, [], nameOf(path), this.#traits(true));
  }

  #traits(onRootDevice: boolean): Traits {
    if (!onRootDevice || !this.volume.isLocal) return SLOW;
    return this.volume.isMemory ? MEMORY : LOCAL;
  }

  /** Keeps the directory that was walked to for a moment, unless it is the root, which is held anyway. */
  #share(path: string, { parent, above }: Walk): Held {
    return parent === this.root ? parent : this.#recent.share(path, parent, above);
  }

  /** Goes on along the link `name`; false when there is no link by that name. */
  async #follow(walk: Walk, name: string): Promise<boolean> {
    const target = await this.#linkTarget(walk.parent, name);
    if (target === undefined) return false;
    if (!this.followsLinks || ++walk.links > MAX_LINKS) throw notFound();
    if (target.startsWith('/')) {
      walk.pending.unshift(...this.#below(target));
      walk.above.length = 0;
      exchange(walk, this.root);
    } else {
      walk.pending.unshift(...names(target));
    }
    return true;
  }

  /** The directory `name` in `parent`, held; undefined when there is something else by that name. */
  async #step(parent: Held, name: string): Promise<Held | undefined> {
    const path = `${parent.path}/${name}`;
    try {
      if (LINUX) return heldDescriptor(await openDirectory(path));
      if (!(await statEntry(path)).isDirectory()) return undefined;
      if ((await realpath(path)) !== path) throw notFound();
      return heldPath(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return undefined;
      throw error;
    }
  }

  async #descend(above: readonly string[]): Promise<Held> {
    const walk = { parent: this.root };
    for (const name of above) {
      const next = await this.#step(walk.parent, name).finally(() => walk.parent.release());
      if (!next) throw notFound();
      walk.parent = next;
    }
    return walk.parent;
  }

  /** Where the link `name` in `parent` leads; undefined when there is no link by that name. */
  async #linkTarget(parent: Held, name: string): Promise<string | undefined> {
    try {
      return await readlink(`${parent.path}/${name}`);
    } catch (error) {
      if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function openDirectory(path: string): Promise<number> {
  try {
    return await openDescriptor(path, HOLD_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    return openDescriptor(path, PASS_DIRECTORY);
  }
}

/** How far enter() has come. */
interface Walk {
  readonly pending: string[];
  readonly above: string[];
  parent: Held;
  links: number;
}

function exchange(walk: { parent: Held }, next: Held): void {
  walk.parent.release();
  walk.parent = next;
}

/** The path of the directory that holds `path`. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The last segment of `path`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

type Traits = Pick<Place, 'quick' | 'calls'>;

const SLOW: Traits = { quick: false, calls: THREADED };
const LOCAL: Traits = { quick: true, calls: THREADED };
const MEMORY: Traits = { quick: true, calls: IMMEDIATE };

function place(parent: Held, above: readonly string[], name: string, { quick, calls } = SLOW): Place {
  return { path: `${parent.path}/${name || '.'}`, parent, name, above, quick, calls, release: () => parent.release() };
}

function names(path: string): string[] {
  return path.split('/').filter(name => name !== '' && name !== '.');
}

/** The segments of a path that is normal, which the hub has seen to already: this is the last line. */
function checkedNames(path: string): string[] {
  const segments = path === '/' ? [] : path.slice(1).split('/');
  if (!path.startsWith('/') || path.includes('\0') || segments.some(name => name === '' || name === '.' || name === '..')) {
    throw new HubError('invalid-request', 'Not a normal path');
  }
  return segments;
}

/** Tells mounts apart as well as devices: a rename between two mounts of one device fails too. */
async function volumeOf(held: Held): Promise<string> {
  const { dev } = await (held.fd >= 0 ? statDescriptor(held.fd) : statEntry(held.path));
  if (held.fd < 0) return `${dev}`;
  const mount = /^mnt_id:\s*(\d+)/m.exec(await readFile(`/proc/self/fdinfo/${held.fd}`, 'utf8'));
  return `${dev}-${mount?.[1] ?? ''}`;
}
