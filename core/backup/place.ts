import { z } from 'zod';

/** Where backups are kept: a directory of a storage. */
export interface BackupPlace {
  readonly storage: string;
  /** Absolute, in normal form. */
  readonly directory: string;
}

/** 'data:/.backups' as a place. Undefined for anything else; the root of a storage is none, since what is there is hidden from users. */
export function parsePlace(text: string): BackupPlace | undefined {
  const match = /^([^:/]+):(\/.+)$/.exec(text);
  if (!match) return undefined;
  const names = match[2]!.slice(1).split('/');
  if (names.some(name => name === '' || name === '.' || name === '..')) return undefined;
  return { storage: match[1]!, directory: match[2]! };
}

/** The option of that kind. */
export function place(byDefault: string) {
  return z
    .string()
    .refine(text => parsePlace(text) !== undefined, "expected a directory of a storage, such as 'data:/.backups'")
    .default(byDefault);
}

/** A time of the day as minutes since midnight. Undefined when `text` is none. */
export function parseTimeOfDay(text: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}
