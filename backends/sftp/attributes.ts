import type { FileAttributes, FileInfo } from '#core/api.js';
import { type ReplyReader, uint32Fields, uint64Field } from './packets.js';

const FLAG = { SIZE: 0x1, UIDGID: 0x2, PERMISSIONS: 0x4, ACMODTIME: 0x8, EXTENDED: 0x8000_0000 } as const;
const TYPE_MASK = 0o170000;
const TYPES = new Map<number, FileInfo['type']>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
]);

/** What a client may give a file: no bits that change the user of a program. */
const SETTABLE_MODE = 0o777;

/** ATTRS without any attribute. */
export const NO_ATTRIBUTES = uint32Fields(0);

/** ATTRS as a server gives them (draft-ietf-secsh-filexfer-02, section 5). */
export interface Attributes {
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Type and permission bits. */
  readonly mode?: number;
  /** Times in milliseconds; the protocol counts seconds. */
  readonly atime?: number;
  readonly mtime?: number;
}

export function readAttributes(reader: ReplyReader): Attributes {
  const flags = reader.uint32();
  const size = flags & FLAG.SIZE ? { size: reader.uint64() } : {};
  const owner = flags & FLAG.UIDGID ? { uid: reader.uint32(), gid: reader.uint32() } : {};
  const mode = flags & FLAG.PERMISSIONS ? { mode: reader.uint32() } : {};
  const times = flags & FLAG.ACMODTIME ? { atime: reader.uint32() * 1_000, mtime: reader.uint32() * 1_000 } : {};
  if (flags & FLAG.EXTENDED) {
    for (let count = reader.uint32(); count > 0; count--) {
      reader.string();
      reader.string();
    }
  }
  return { ...size, ...owner, ...mode, ...times };
}

/** Whether the attributes tell what kind of entry it is. */
export function hasType({ mode }: Attributes): boolean {
  return mode !== undefined && (mode & TYPE_MASK) !== 0;
}

/** The entry `name`; undefined for devices, sockets and pipes. One without a type is taken for a file. */
export function describe(name: string, attributes: Attributes): FileInfo | undefined {
  const { mode, size = 0, mtime = 0, ...rest } = attributes;
  const type = hasType(attributes) ? TYPES.get(mode! & TYPE_MASK) : 'file';
  if (!type) return undefined;
  return { name, type, size: type === 'directory' ? 0 : size, mtime, ...rest, ...(mode === undefined ? {} : { mode: mode & 0o7777 }) };
}

/** ATTRS that change what is given. Owner and group, and the two times, travel in pairs: the missing one is taken from `now`. */
export function attributesField(changes: FileAttributes, now: Partial<FileInfo> = {}): Buffer {
  const { size, mode } = changes;
  const parts: Buffer[] = [];
  let flags = 0;
  if (size !== undefined) {
    flags |= FLAG.SIZE;
    parts.push(uint64Field(size));
  }
  const [uid, gid] = [changes.uid ?? now.uid, changes.gid ?? now.gid];
  if ((changes.uid !== undefined || changes.gid !== undefined) && uid !== undefined && gid !== undefined) {
    flags |= FLAG.UIDGID;
    parts.push(uint32Fields(uid, gid));
  }
  if (mode !== undefined) {
    flags |= FLAG.PERMISSIONS;
    parts.push(uint32Fields(mode & SETTABLE_MODE));
  }
  if (changes.atime !== undefined || changes.mtime !== undefined) {
    flags |= FLAG.ACMODTIME;
    const mtime = changes.mtime ?? now.mtime ?? changes.atime ?? 0;
    parts.push(uint32Fields(seconds(changes.atime ?? now.atime ?? mtime), seconds(mtime)));
  }
  return Buffer.concat([uint32Fields(flags), ...parts]);
}

/** Whether anything is to be changed. */
export function changesAnything({ size, mode, uid, gid, atime, mtime }: FileAttributes): boolean {
  return [size, mode, uid, gid, atime, mtime].some(value => value !== undefined);
}

/** Whether one of a pair is to be changed, so that the other has to be known. */
export function needsPresent({ uid, gid, atime, mtime }: FileAttributes): boolean {
  return (uid === undefined) !== (gid === undefined) || (atime === undefined) !== (mtime === undefined);
}

function seconds(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs / 1_000), 0), 0xffff_ffff);
}
