import { type FileInfo, z } from '#core/api.js';

/** A file or directory as lists show it. */
export const entrySchema = z
  .object({
    name: z.string(),
    type: z.enum(['file', 'directory', 'symlink']),
    size: z.number().describe('Bytes'),
    mtime: z.number().describe('Milliseconds since 1970'),
    mode: z.int().optional().describe('POSIX permission bits'),
    etag: z.string().optional(),
  })
  .meta({ id: 'Entry' });

/** What directories may be sorted by. */
export const ENTRY_ORDERS = ['name', 'size', 'mtime', 'type'] as const;
type EntryOrder = (typeof ENTRY_ORDERS)[number];

export function entryView({ name, type, size, mtime, mode, etag }: FileInfo): z.input<typeof entrySchema> {
  return { name, type, size, mtime, ...(mode !== undefined && { mode: mode & 0o7777 }), ...(etag !== undefined && { etag }) };
}

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
