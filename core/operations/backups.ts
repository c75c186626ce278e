import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { operation } from './operation.js';

/** What administrators do with backups. Restoring is no operation: it needs a hub that does not run. */
export const backupOperations = {
  /** Makes one now; `file` is a path of the hub's machine, unless it is to go to the place of backups. */
  'backups.create': operation(
    z.strictObject({ file: z.string().refine(isAbsolute, 'expected an absolute path').optional() }),
    async ({ backups }, { file }) => backups.create(file),
  ),

  /** Those in the place of backups, oldest first. */
  'backups.list': operation(z.strictObject({}), async ({ backups }) => backups.list()),
};
