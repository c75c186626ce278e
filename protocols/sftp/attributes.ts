import type { FileAttributes, FileInfo } from '#core/api.js';
import type { PacketReader } from './packets.js';

const FLAG = { SIZE: 0x1, UIDGID: 0x2, PERMISSIONS: 0x4, ACMODTIME: 0x8, EXTENDED: 0x8000_0000 } as const;

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;
const TYPE_LETTER = { file: '-', directory: 'd', symlink: 'l' } as const;
const DEFAULT_MODE = { file: 0o644, directory: 0o755, symlink: 0o777 } as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_YEAR_MS = (365 * 24 * 3_600_000) / 2;

/** ATTRS without any attribute. */
export const NO_ATTRIBUTES = Buffer.alloc(4);

/** ATTRS of an entry (draft-ietf-secsh-filexfer-02, section 5). Owners are given where the storage has them. */
export function attributesField(info: FileInfo): Buffer {
  const owned = info.uid !== undefined && info.gid !== undefined;
  const bytes = Buffer.allocUnsafe(owned ? 32 : 24);
  bytes.writeUInt32BE(FLAG.SIZE | FLAG.PERMISSIONS | FLAG.ACMODTIME | (owned ? FLAG.UIDGID : 0), 0);
  bytes.writeUInt32BE(Math.floor(info.size / 0x1_0000_0000), 4);
  bytes.writeUInt32BE(info.size % 0x1_0000_0000, 8);
  let at = 12;
  if (owned) {
    at = bytes.writeUInt32BE(info.uid >>> 0, at);
    at = bytes.writeUInt32BE(info.gid >>> 0, at);
  }
  at = bytes.writeUInt32BE(modeOf(info), at);
  at = bytes.writeUInt32BE(seconds(info.atime ?? info.mtime), at);
  bytes.writeUInt32BE(seconds(info.mtime), at);
  return bytes;
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
  const columns = [
    modeText(info),
    info.type === 'directory' ? '  2' : '  1',
    String(info.uid ?? 0).padEnd(8),
    String(info.gid ?? 0).padEnd(8),
    String(info.size).padStart(8),
    dateText(info.mtime, now),
    info.name,
  ];
  return columns.join(' ');
}

function modeOf(info: FileInfo): number {
  return TYPE_BITS[info.type] | ((info.mode ?? DEFAULT_MODE[info.type]) & 0o7777);
}

function seconds(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs / 1_000), 0), 0xffff_ffff) || 0;
}

function modeText(info: FileInfo): string {
  const mode = modeOf(info);
  const triple = (shift: number, special: number, letter: string) => {
    const bits = mode >> shift;
    const execute = bits & 1 ? (mode & special ? letter : 'x') : mode & special ? letter.toUpperCase() : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${execute}`;
  };
  return TYPE_LETTER[info.type] + triple(6, 0o4000, 's') + triple(3, 0o2000, 's') + triple(0, 0o1000, 't');
}

function dateText(timeMs: number, now: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return 'Jan  1  1970';
  const day = `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)}`;
  const recent = timeMs <= now && timeMs > now - HALF_YEAR_MS;
  const two = (value: number) => String(value).padStart(2, '0');
  return recent ? `${day} ${two(date.getHours())}:${two(date.getMinutes())}` : `${day} ${String(date.getFullYear()).padStart(5)}`;
}
