import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { bytes } from '../printable.js';
import { withHub } from './connection.js';
import type { CliContext, GlobalOptions } from './context.js';
import { surroundings, withExamples } from './group.js';
import { lasting } from './output.js';

/** Adds `entrepot backup` and `entrepot restore`. */
export function addBackupCommands(program: Command, context: CliContext): void {
  withExamples(
    program
      .command('backup [file]')
      .description('Back up the whole database and the host keys, while the hub runs or not; files of users are not part of it'),
    [
      ['To where scheduled backups go: data:/.backups', 'backup'],
      ['To a file that is not there yet', 'backup /mnt/backups/hub.jsonl.gz'],
      ['See what there is', 'backup --list'],
    ],
  )
    .option('--list', 'list the backups that are kept')
    .action(async (file: string | undefined, { list = false }: { readonly list?: boolean }, self: Command) => {
      const { global, output } = surroundings(self, context);
      if (list) {
        output.result(await withHub(context, global, hub => hub.call('backups.list', {})), rows =>
          output.table(
            rows,
            [
              { head: 'SIZE', value: row => bytes(row.bytes), align: 'right' },
              { head: 'AGE', value: row => lasting(Date.now() - Date.parse(row.modifiedAt)), align: 'right' },
              { head: 'FILE', value: row => row.file },
            ],
            'There are no backups yet; `entrepot backup` makes one.',
          ),
        );
        return;
      }
      const input = file === undefined ? {} : { file: resolve(file) };
      const report = await withHub(context, global, hub => hub.call('backups.create', input));
      output.result(report, ({ file, rows, bytes: size, durationMs }) =>
        [
          `Backed up ${rows} records to ${file} (${bytes(size)}, ${lasting(durationMs)}).`,
          'Keep secret.key of the data directory, or the option secrets.key, in another place: a backup can be restored with it only.',
        ].join('\n'),
      );
    });

  withExamples(
    program.command('restore <file>').description('Make the database of a hub that does not run what it was when a backup was made'),
    [
      ['Into a new data directory that holds secret.key of the old one', 'restore hub.jsonl.gz --data-dir /srv/hub'],
      ['In place of what is there', 'restore hub.jsonl.gz --replace'],
      ['Only look whether it is whole', 'restore hub.jsonl.gz --check'],
    ],
  )
    .option('--replace', 'put it in the place of a database that holds something; an SQLite file is kept beside it')
    .option('--check', 'read the backup to its end and change nothing')
    .action(async (file: string, options: RestoreFlags, self: Command) => {
      const { global, output } = surroundings(self, context);
      if (options.check) {
        const { checkBackup } = await import('../backup/restore.js');
        output.result(await checkBackup(resolve(file)), ({ rows, createdAt, node }) => `Whole: ${rows} records of ${node}, ${createdAt}.`);
        return;
      }
      const report = await restoreFrom(resolve(file), options, context, global);
      output.result(report, ({ rows, createdAt, files, before }) =>
        [
          `Restored ${rows} records as they were on ${createdAt}.`,
          ...(files.length > 0 ? [`Put back: ${files.join(', ')}.`] : []),
          ...(before === undefined ? [] : [`The database before is ${before}.`]),
          'Files of users are no part of it: bring them back to where `entrepot storage list` says.',
        ].join('\n'),
      );
    });
}

interface RestoreFlags {
  readonly replace?: boolean;
  readonly check?: boolean;
}

async function restoreFrom(file: string, { replace = false }: RestoreFlags, context: CliContext, global: GlobalOptions) {
  const [{ restore }, { refuseSecondHub }, { readAll }, { createLogger }, { migrations }] = await Promise.all([
    import('../backup/restore.js'),
    import('../control.js'),
    import('./shipped-types.js'),
    import('../log.js'),
    context.loadShipped(),
  ]);
  const dataDirectory = resolve(global.dataDir);
  await refuseSecondHub(dataDirectory);
  const { config, protocols } = await readAll(context, global);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const keyed = protocols.find(({ type }) => type.hostKeys !== undefined);
  return restore({
    file,
    database: { ...config.database, durability: config.durability, dataDirectory, log: createLogger('warn', 'auto') },
    migrations,
    key: config.secrets.key,
    keyFiles: { dataDirectory, hostKeyDirectory: keyed?.type.hostKeys?.(keyed.options, dataDirectory).directory },
    replace,
  });
}
