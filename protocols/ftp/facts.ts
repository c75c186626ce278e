import { type FileInfo, HubError, longLine } from '#core/api.js';

const TYPE_FACT = { file: 'file', directory: 'dir', symlink: 'OS.unix=symlink' } as const;

/** The facts of an entry that MLST and MLSD can tell (RFC 3659, section 7), in the order in which they are told. */
const FACTS = {
  type: ({ type }: FileInfo) => TYPE_FACT[type],
  size: ({ type, size }: FileInfo) => (type === 'directory' ? undefined : String(size)),
  modify: ({ mtime }: FileInfo) => timeVal(mtime),
  'unix.mode': ({ mode }: FileInfo) => (mode === undefined ? undefined : `0${(mode & 0o7777).toString(8).padStart(3, '0')}`),
  'unix.uid': ({ uid }: FileInfo) => uid?.toString(),
  'unix.gid': ({ gid }: FileInfo) => gid?.toString(),
} as const;

/** Names of facts. */
export type Fact = keyof typeof FACTS;
export const ALL_FACTS = Object.keys(FACTS) as readonly Fact[];

/** The facts of an entry and its name, as MLSD writes them. */
export function machineLine(info: FileInfo, facts: readonly Fact[], name: string = info.name): string {
  let line = '';
  for (const fact of facts) {
    const value = FACTS[fact](info);
    if (value !== undefined) line += `${fact}=${value};`;
  }
  return `${line} ${name}`;
}

/** The line for an entry as LIST writes it: like `ls -l`, times in UTC as most clients take them. */
export function listLine(info: FileInfo, now: number): string {
  return longLine(info, { sizeWidth: 12, utc: true, now });
}

/** A time in ms as MDTM and facts write it: YYYYMMDDHHMMSS, UTC. */
export function timeVal(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9_999
    ? '19700101000000'
    : date.toISOString().replace(/\D/g, '').slice(0, 14);
}

/** The time in ms of a time-val (RFC 3659, section 2.3). Throws 'invalid-request'. */
export function parseTimeVal(text: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.(\d{1,3})\d*)?$/.exec(text);
  if (!parts) throw new HubError('invalid-request', 'Expected a time such as 20261124170000');
  const [year, month, day, hour, minute, second = 0] = parts.slice(1, 7).map(part => Number(part ?? 0));
  const timeMs = Date.UTC(year!, month! - 1, day, hour, minute, second) + Number((parts[7] ?? '').padEnd(3, '0'));
  if (new Date(timeMs).getUTCDate() !== day || month! > 12) throw new HubError('invalid-request', 'No such time');
  return timeMs;
}

/** Whether a name can be carried in a line. */
export function fitsLine(name: string): boolean {
  return !/[\r\n]/.test(name);
}
