import type { FileInfo } from './backend.js';

/** What directories may be sorted by. */
export const ENTRY_ORDERS = ['name', 'size', 'mtime', 'type'] as const;
/** What directories are sorted by. */
export type EntryOrder = (typeof ENTRY_ORDERS)[number];

const byName = new Intl.Collator('en', { numeric: true });

/** Directories first, then by what is asked for, then by name. */
export function sortEntries(entries: readonly FileInfo[], order: EntryOrder, descending: boolean): FileInfo[] {
  const sign = descending ? -1 : 1;
  const rank = ({ type }: FileInfo) => (type === 'directory' ? 0 : 1);
  return [...entries].sort((one, other) => {
    if (rank(one) !== rank(other)) return rank(one) - rank(other);
    const named = byName.compare(one.name, other.name);
    if (order === 'name') return sign * named;
    const difference = order === 'type' ? one.type.localeCompare(other.type) : one[order] - other[order];
    return difference === 0 ? named : sign * difference;
  });
}
