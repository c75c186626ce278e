import assert from 'node:assert/strict';
import { lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { DIFFERENCES } from './differences.js';
import type { Step } from './differential-steps.js';
import { type Answer, FXP, NO_ATTRS, readString, STATUS, string, u32, u64 } from './raw-sftp.js';
import type { SftpPeer } from './sftp-server-process.js';

/** One server, and the folder on disk that its relative paths start in. */
export interface Twin {
  readonly peer: SftpPeer;
  readonly root: string;
}

/** A handle that is open on both sides. */
export interface Slot {
  /** Where the file is: the path that was opened, and those to which links lead from there. */
  readonly places: readonly string[];
  readonly flags: number;
  readonly handles: readonly [theirs: Buffer, ours: Buffer];
}

/** What a request came to, in words that can be compared. */
export type Result = string;

const TIMES = (seconds: number) => Buffer.concat([u32(8), u32(seconds), u32(seconds)]);
const SIZE = (size: number) => Buffer.concat([u32(1), u64(size)]);
const TYPE_BITS = 0o170000;

/** Sends the same requests to OpenSSH's server and to ours, and compares answers and trees. */
export class Twins {
  requests = 0;
  /** How often each written difference was met. */
  readonly met = new Map<string, number>();
  #sequences = 0;

  constructor(
    private readonly theirs: Twin,
    private readonly ours: Twin,
  ) {}

  /** Runs one sequence in a folder of its own. Throws when the servers differ in a way that is not written down. */
  async compare(steps: readonly Step[]): Promise<void> {
    const folder = `s${++this.#sequences}`;
    for (const { peer } of this.#both) assert.equal((await peer.request(FXP.MKDIR, string(folder), NO_ATTRS)).code, STATUS.OK);
    const slots = new Map<number, Slot>();
    let stopped = false;
    for (const step of steps) {
      const named = [...('path' in step ? [step.path] : []), ...('to' in step && typeof step.to === 'string' ? [step.to] : [])];
      const places = (await Promise.all(named.map(path => this.#places(folder, path)))).flat();
      const skipped = DIFFERENCES.find(({ skips }) => skips?.(places, slots));
      if (skipped) this.#meet(skipped.id);
      else stopped = await this.#step(folder, step, slots);
      if (stopped) break;
    }
    for (const number of [...slots.keys()]) if (!stopped) await this.#step(folder, { kind: 'close', slot: number }, slots);
    for (const slot of slots.values())
      for (const [index, { peer }] of this.#both.entries()) await peer.request(FXP.CLOSE, string(slot.handles[index]!));
    if (stopped) return;
    const [theirs, ours] = await Promise.all(this.#both.map(({ root }) => tree(join(root, folder))));
    assert.deepEqual(ours, theirs, 'the trees differ');
  }

  get #both(): readonly Twin[] {
    return [this.theirs, this.ours];
  }

  /** Whether the sequence has to stop, because the servers are in different states from here on. */
  async #step(folder: string, step: Step, slots: Map<number, Slot>): Promise<boolean> {
    if (step.kind === 'open' && slots.has(step.slot)) await this.#step(folder, { kind: 'close', slot: step.slot }, slots);
    const answers = await Promise.all(this.#both.map(({ peer }, side) => ask(peer, folder, step, slots, side)));
    if (answers[0] === undefined || answers[1] === undefined) return false;
    this.requests++;
    const [theirs, ours] = await Promise.all(this.#both.map(({ peer }, side) => result(peer, step, answers[side]!)));
    if (step.kind === 'close') slots.delete(step.slot);
    if (theirs === ours) {
      if (step.kind === 'open' && answers[0].type === FXP.HANDLE) {
        const handles = [readString(answers[0].body, 0), readString(answers[1].body, 0)] as const;
        slots.set(step.slot, { places: await this.#places(folder, step.path), flags: step.flags, handles });
      }
      return false;
    }
    for (const [side, answer] of answers.entries())
      if (step.kind === 'open' && answer?.type === FXP.HANDLE)
        await this.#both[side]!.peer.request(FXP.CLOSE, string(readString(answer.body, 0)));
    const difference = DIFFERENCES.find(({ explains }) => explains?.(step, theirs!, ours!, slots));
    assert.ok(difference, `${JSON.stringify(step)}: OpenSSH ${theirs}, ours ${ours}`);
    this.#meet(difference.id);
    return difference.diverges === true;
  }

  /** `path`, and where links lead from it, by the tree of OpenSSH's server. */
  async #places(folder: string, path: string): Promise<readonly string[]> {
    const root = join(this.theirs.root, folder);
    const full = await realpath(join(root, path)).catch(() => undefined);
    const parent = await realpath(join(root, dirname(path))).catch(() => undefined);
    const real = [full, parent && join(parent, basename(path))].filter(found => found !== undefined);
    return [path, ...real.map(found => relative(root, found))];
  }

  #meet(id: string): void {
    this.met.set(id, (this.met.get(id) ?? 0) + 1);
  }
}

/** Sends one request; undefined when it names a handle that is not open. */
async function ask(
  peer: SftpPeer,
  folder: string,
  step: Step,
  slots: ReadonlyMap<number, Slot>,
  side: number,
): Promise<Answer | undefined> {
  const at = (path: string) => string(`${folder}/${path}`);
  const handleOf = (slot: number) => slots.get(slot)?.handles[side];
  if ('slot' in step && step.kind !== 'open') {
    const handle = handleOf(step.slot);
    if (!handle) return undefined;
    const own = string(handle);
    switch (step.kind) {
      case 'close':
        return peer.request(FXP.CLOSE, own);
      case 'fstat':
        return peer.request(FXP.FSTAT, own);
      case 'fsync':
        return peer.request(FXP.EXTENDED, string('fsync@openssh.com'), own);
      case 'read':
        return peer.request(FXP.READ, own, u64(step.offset), u32(step.length));
      case 'write':
        return peer.request(FXP.WRITE, own, u64(step.offset), string(step.data));
      case 'fsetsize':
        return peer.request(FXP.FSETSTAT, own, SIZE(step.size));
      case 'ftimes':
        return peer.request(FXP.FSETSTAT, own, TIMES(step.time));
      case 'copy-data': {
        const target = handleOf(step.to);
        const range = [u64(step.offset), u64(step.length)];
        return target && peer.request(FXP.EXTENDED, string('copy-data'), own, ...range, string(target), u64(step.at));
      }
    }
  }
  switch (step.kind) {
    case 'open':
      return peer.request(FXP.OPEN, at(step.path), u32(step.flags), NO_ATTRS);
    case 'opendir':
      return peer.request(FXP.OPENDIR, at(step.path));
    case 'stat':
      return peer.request(FXP.STAT, at(step.path));
    case 'lstat':
      return peer.request(FXP.LSTAT, at(step.path));
    case 'remove':
      return peer.request(FXP.REMOVE, at(step.path));
    case 'rmdir':
      return peer.request(FXP.RMDIR, at(step.path));
    case 'mkdir':
      return peer.request(FXP.MKDIR, at(step.path), NO_ATTRS);
    case 'readlink':
      return peer.request(FXP.READLINK, at(step.path));
    case 'statvfs':
      return peer.request(FXP.EXTENDED, string('statvfs@openssh.com'), at(step.path));
    case 'setsize':
      return peer.request(FXP.SETSTAT, at(step.path), SIZE(step.size));
    case 'times':
      return peer.request(FXP.SETSTAT, at(step.path), TIMES(step.time));
    case 'ltimes':
      return peer.request(FXP.EXTENDED, string('lsetstat@openssh.com'), at(step.path), TIMES(step.time));
    case 'chmod':
      return peer.request(FXP.SETSTAT, at(step.path), u32(4), u32(step.mode));
    case 'rename':
      return peer.request(FXP.RENAME, at(step.path), at(step.to));
    case 'posix-rename':
    case 'hardlink':
      return peer.request(FXP.EXTENDED, string(`${step.kind}@openssh.com`), at(step.path), at(step.to));
    case 'symlink':
      return peer.request(FXP.SYMLINK, string(step.target), at(step.path));
    default:
      return peer.request(FXP.EXTENDED, string('no-such-thing@example.com'));
  }
}

async function result(peer: SftpPeer, step: Step, answer: Answer): Promise<Result> {
  if (answer.type === FXP.STATUS) return `status ${answer.code}`;
  if (answer.type === FXP.DATA) return `data ${readString(answer.body, 0).toString('hex')}`;
  if (answer.type === FXP.ATTRS) return attributes(answer.body);
  if (answer.type === FXP.NAME) return `name ${readString(answer.body, 4)}`;
  if (answer.type === FXP.HANDLE && step.kind === 'opendir') return listing(peer, readString(answer.body, 0));
  return `type ${answer.type}`;
}

/** Type, and size of what is no directory: modes of new files and times that nobody set are each server's business. */
function attributes(body: Buffer): Result {
  const flags = body.readUInt32BE(0);
  const mode = body.readUInt32BE(12 + (flags & 2 ? 8 : 0));
  const size = Number(body.readBigUInt64BE(4));
  return `type ${(mode & TYPE_BITS).toString(8)}${(mode & TYPE_BITS) === 0o040000 ? '' : ` size ${size}`}`;
}

async function listing(peer: SftpPeer, handle: Buffer): Promise<Result> {
  const names: string[] = [];
  for (;;) {
    const { type, body } = await peer.request(FXP.READDIR, string(handle));
    if (type !== FXP.NAME) break;
    let at = 4;
    for (let count = body.readUInt32BE(0); count > 0; count--) {
      const name = readString(body, at);
      names.push(name.toString());
      at += 4 + name.length;
      at += 4 + readString(body, at).length;
      const flags = body.readUInt32BE(at);
      at += 4 + (flags & 1 ? 8 : 0) + (flags & 2 ? 8 : 0) + (flags & 4 ? 4 : 0) + (flags & 8 ? 8 : 0);
    }
  }
  await peer.request(FXP.CLOSE, string(handle));
  const shown = names.filter(name => name !== '.' && name !== '..').sort();
  return `names ${shown.join(' ')}`;
}

/** Every path below `folder` with what it is: content, link target, number of names of a file. */
async function tree(folder: string, prefix = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const info = await lstat(path);
    if (info.isSymbolicLink()) found.push(`${prefix}${name} -> ${await readlink(path)}`);
    else if (info.isFile()) found.push(`${prefix}${name} x${info.nlink} ${(await readFile(path)).toString('hex')}`);
    else found.push(`${prefix}${name}/`, ...(await tree(path, `${prefix}${name}/`)));
  }
  return found;
}
