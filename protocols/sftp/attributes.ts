import { DEFAULT_MODE, type FileAttributes, type FileInfo, longLine } from '#core/api.js';
import type { PacketReader } from './packets.js';

const FLAG = { SIZE: 0x1, UIDGID: 0x2, PERMISSIONS: 0x4, ACMODTIME: 0x8, EXTENDED: 0x8000_0000 } as const;

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;

/** What a long name has beside the name, sizes and owners of any length included. */
const MAX_LONG_BYTES = 160;
const MAX_ATTRIBUTES_BYTES = 32;

/** ATTRS without any attribute. */
export const NO_ATTRIBUTES = Buffer.alloc(4);

/** ATTRS of an entry (draft-ietf-secsh-filexfer-02, section 5). Owners are given where the storage has them. */
export function attributesField(info: FileInfo): Buffer {
  const bytes = Buffer.allocUnsafe(attributesBytes(info));
  writeAttributes(info, bytes, 0);
  return bytes;
}

/** Bytes that an entry of a NAME reply takes at most. */
export function nameEntryBound({ name }: FileInfo): number {
  return 2 * (4 + 3 * name.length) + MAX_LONG_BYTES + MAX_ATTRIBUTES_BYTES;
}

/** Lays one entry of a NAME reply out in `target`, which has nameEntryBound() bytes left from `at`: name, long name, ATTRS. Gives where it ends. */
export function layOutNameEntry(info: FileInfo, target: Buffer, at: number): number {
  const longAt = layOutText(info.name, target, at);
  return writeAttributes(info, target, layOutText(longName(info), target, longAt));
}

function layOutText(text: string, target: Buffer, at: number): number {
  const bytes = target.write(text, at + 4);
  target.writeUInt32BE(bytes, at);
  return at + 4 + bytes;
}

function attributesBytes(info: FileInfo): number {
  return hasOwner(info) ? 32 : 24;
}

function hasOwner(info: FileInfo): info is FileInfo & { readonly uid: number; readonly gid: number } {
  return info.uid !== undefined && info.gid !== undefined;
}

function writeAttributes(info: FileInfo, bytes: Buffer, start: number): number {
  const owned = hasOwner(info);
  let at = bytes.writeUInt32BE(FLAG.SIZE | FLAG.PERMISSIONS | FLAG.ACMODTIME | (owned ? FLAG.UIDGID : 0), start);
  at = bytes.writeUInt32BE(Math.floor(info.size / 0x1_0000_0000), at);
  at = bytes.writeUInt32BE(info.size % 0x1_0000_0000, at);
  if (owned) {
    at = bytes.writeUInt32BE(info.uid >>> 0, at);
    at = bytes.writeUInt32BE(info.gid >>> 0, at);
  }
  at = bytes.writeUInt32BE(modeOf(info), at);
  at = bytes.writeUInt32BE(seconds(info.atime ?? info.mtime), at);
  return bytes.writeUInt32BE(seconds(info.mtime), at);
}

/** Reads ATTRS: what the client wants an entry to have. Extended attributes have no meaning here and are passed over. */
export function readAttributes(packet: PacketReader): FileAttributes {
  const flags = packet.uint32();
  const size = flags & FLAG.SIZE ? { size: packet.uint64() } : {};
  const owner = flags & FLAG.UIDGID ? { uid: packet.uint32(), gid: packet.uint32() } : {};
  const mode = flags & FLAG.PERMISSIONS ? { mode: packet.uint32() & 0o7777 } : {};
  const times = flags & FLAG.ACMODTIME ? { atime: packet.uint32() * 1_000, mtime: packet.uint32() * 1_000 } : {};
  return { ...size, ...owner, ...mode, ...times };
}

/** The line for an entry as `ls -l` shows it, times in the hub's time zone. */
export function longName(info: FileInfo, now = Date.now()): string {
  return longLine(info, { sizeWidth: 8, utc: false, now });
}

function modeOf(info: FileInfo): number {
  return TYPE_BITS[info.type] | ((info.mode ?? DEFAULT_MODE[info.type]) & 0o7777);
}

function seconds(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs / 1_000), 0), 0xffff_ffff) || 0;
}
