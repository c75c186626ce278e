import { z } from '#core/api.js';
import type { KeptBackup } from '#core/backup/backups.js';
import { nextBackupAt } from '#core/backup/due.js';
import { parseTimeOfDay } from '#core/backup/place.js';
import { OPERATIONS } from '#core/operations/index.js';
import { defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import { time } from './schemas.js';

const LIST = wholeList(({ file }: KeptBackup) => [file], {
  file: ({ file }) => file,
  bytes: ({ bytes }) => bytes,
  modifiedAt: ({ modifiedAt }) => modifiedAt,
});

/** What admins see of backups. Restoring is none of it: it needs a hub that does not run. */
export const backupRoutes: readonly Route[] = [
  defineRoute({
    id: 'backups.list',
    method: 'GET',
    path: '/backups',
    summary: 'List the backups that are kept, the newest first, with when and where the hub makes them by itself',
    access: 'admin',
    query: z.strictObject(LIST.query),
    response: z
      .object({
        items: z.array(z.object({ file: z.string(), bytes: z.int(), modifiedAt: z.string().describe('RFC 3339') }).meta({ id: 'Backup' })),
        total: z.int(),
        settings: z
          .object({
            directory: z.string().describe('Storage and directory'),
            everyMs: z.int().describe('0: only when asked to'),
            at: z.string().optional().describe('The time of the day, in local time of the hub'),
            keep: z.int(),
          })
          .meta({ id: 'BackupSettings' }),
        lastAt: time.optional(),
        nextAt: time.optional().describe('Absent where the hub makes none by itself, or none was made so far'),
      })
      .meta({ id: 'Backups' }),
    handle: async ({ query, services }) => {
      const { operations } = services;
      const { every, at, keep, directory } = operations.config.backup;
      const { items, total } = LIST.page([...(await OPERATIONS['backups.list'].run(operations, {}))].reverse(), query);
      const lastAt = await operations.backups.lastAt();
      const isScheduled = every > 0 && lastAt !== undefined;
      return {
        items: [...items],
        total,
        settings: { directory, everyMs: every, keep, ...(at !== undefined && { at }) },
        ...(lastAt !== undefined && { lastAt }),
        ...(isScheduled && { nextAt: nextBackupAt(lastAt, every, at === undefined ? undefined : parseTimeOfDay(at)) }),
      };
    },
  }),

  defineRoute({
    id: 'backups.create',
    method: 'POST',
    path: '/backups',
    summary: 'Make a backup now, to where they are kept; the oldest beyond those that are to stay go',
    access: 'owner',
    status: 201,
    response: z.object({ file: z.string(), bytes: z.int(), rows: z.int(), durationMs: z.int() }).meta({ id: 'BackupMade' }),
    failures: [409],
    handle: ({ services }) => OPERATIONS['backups.create'].run(services.operations, {}),
  }),
];
