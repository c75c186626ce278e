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

export function entryView({ name, type, size, mtime, mode, etag }: FileInfo): z.input<typeof entrySchema> {
  return { name, type, size, mtime, ...(mode !== undefined && { mode: mode & 0o7777 }), ...(etag !== undefined && { etag }) };
}
