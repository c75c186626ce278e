import type { FileInfo } from '../storage/backend.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_YEAR_MS = (365 * 24 * 3_600_000) / 2;
const TYPE_LETTER = { file: '-', directory: 'd', symlink: 'l' } as const;

/** The permission bits that are shown of an entry whose storage keeps none. */
export const DEFAULT_MODE = { file: 0o644, directory: 0o755, symlink: 0o777 } as const;

/** How a line of `ls -l` is laid out. */
export interface LongLineFormat {
  /** Columns of the size, which is on the right of them. */
  readonly sizeWidth: number;
  /** Whether times are in UTC, or in the time zone of the hub. */
  readonly utc: boolean;
  /** Milliseconds since 1970: a time of the last half year is shown with its hour, another one with its year. */
  readonly now?: number;
}

/** The line for an entry as `ls -l` shows it. */
export function longLine(info: FileInfo, { sizeWidth, utc, now = Date.now() }: LongLineFormat): string {
  const owner = `${String(info.uid ?? 0).padEnd(8)} ${String(info.gid ?? 0).padEnd(8)}`;
  const size = String(info.size).padStart(sizeWidth);
  return `${modeText(info)} ${info.type === 'directory' ? '  2' : '  1'} ${owner} ${size} ${dateText(info.mtime, utc, now)} ${info.name}`;
}

/** Entries of one directory are much alike: their modes and times are put into words once. */
const modeTexts = new Map<string, string>();
const MAX_MODE_TEXTS = 1_000;
let latestDate = { minute: Number.NaN, utc: false, isRecent: false, text: '' };

function modeText({ type, mode = DEFAULT_MODE[type] }: FileInfo): string {
  const key = `${type}${mode}`;
  const known = modeTexts.get(key);
  if (known !== undefined) return known;
  const text = modeInWords(type, mode);
  if (modeTexts.size < MAX_MODE_TEXTS) modeTexts.set(key, text);
  return text;
}

function modeInWords(type: FileInfo['type'], mode: number): string {
  const triple = (shift: number, special: number, letter: string) => {
    const bits = mode >> shift;
    const execute = bits & 1 ? (mode & special ? letter : 'x') : mode & special ? letter.toUpperCase() : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${execute}`;
  };
  return TYPE_LETTER[type] + triple(6, 0o4000, 's') + triple(3, 0o2000, 's') + triple(0, 0o1000, 't');
}

function dateText(timeMs: number, utc: boolean, now: number): string {
  const isRecent = timeMs <= now && timeMs > now - HALF_YEAR_MS;
  const minute = Math.floor(timeMs / 60_000);
  if (latestDate.minute !== minute || latestDate.utc !== utc || latestDate.isRecent !== isRecent)
    latestDate = { minute, utc, isRecent, text: dateInWords(timeMs, utc, isRecent) };
  return latestDate.text;
}

function dateInWords(timeMs: number, utc: boolean, isRecent: boolean): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return 'Jan  1  1970';
  const [year, month, day, hour, minute] = utc
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes()];
  const two = (value: number) => String(value).padStart(2, '0');
  return `${MONTHS[month]} ${String(day).padStart(2)} ${isRecent ? `${two(hour)}:${two(minute)}` : String(year).padStart(5)}`;
}
