import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isDatabaseUrl } from '../config/database-url.js';
import type { DatabaseOptions } from '../db/open.js';
import { type CliContext, type GlobalOptions, UsageError } from './context.js';
import { surroundings, withExamples } from './group.js';

interface MigrateFlags {
  readonly dryRun?: boolean;
  readonly status?: boolean;
}

interface CopyFlags {
  readonly from: string;
  readonly to: string;
  readonly fromPasswordFile?: string;
  readonly toPasswordFile?: string;
}

/** Adds `entrepot migrate` and `entrepot database copy`. */
export function addDatabaseCommands(program: Command, context: CliContext): void {
  withExamples(program.command('migrate').description('Bring the schema of the database up to date, as the start of a hub does'), [
    ['Before the nodes are updated one by one', 'migrate'],
    ['Only tell which steps it would take', 'migrate --dry-run'],
  ])
    .option('--dry-run', 'tell which steps it would take, and change nothing')
    .option('--status', 'tell of every step whether it was taken')
    .action(async (flags: MigrateFlags, self: Command) => {
      const { global, output } = surroundings(self, context);
      const { steps, taken, pending } = await migrate(flags, context, global);
      if (flags.status) {
        const rows = steps.map(step => ({ step, taken: !pending.includes(step) }));
        output.result(rows, list =>
          output.table(
            list,
            [
              { head: 'STEP', value: row => row.step },
              { head: 'TAKEN', value: row => (row.taken ? 'yes' : 'no') },
            ],
            '',
          ),
        );
        return;
      }
      output.result({ taken, pending }, () => {
        if (flags.dryRun && pending.length > 0) return `Would take: ${pending.join(', ')}.`;
        return taken.length > 0 ? `Took: ${taken.join(', ')}.` : 'The schema is up to date.';
      });
    });

  const group = program.command('database').description('Move the records to another database');
  withExamples(group.command('copy').description('Copy every record into an empty database, while no hub runs, and compare them there'), [
    ['From the file to a server', 'database copy --from sqlite:hub.db --to mysql://hub@db:3306/hub --to-password-file db.password'],
    ['And back', 'database copy --from mysql://hub:secret@db/hub --to sqlite:new.db'],
  ])
    .requiredOption('--from <url>', "where the records are, as `database.url` says it; 'sqlite:FILE' is relative to the data directory")
    .requiredOption('--to <url>', 'where they go; tables are made when they are missing')
    .option('--from-password-file <file>', 'a file with the password of the first')
    .option('--to-password-file <file>', 'a file with the password of the second')
    .action(async (flags: CopyFlags, self: Command) => {
      const { global, output } = surroundings(self, context);
      const tables = await copy(flags, context, global);
      output.result(tables, list =>
        [
          output.table(
            list,
            [
              { head: 'TABLE', value: row => row.table },
              { head: 'ROWS', value: row => String(row.rows), align: 'right' },
            ],
            '',
          ),
          'Copied, read back and compared. Set `database.url` to use it, with the same secret key as before.',
        ].join('\n'),
      );
    });
}

async function migrate({ dryRun, status }: MigrateFlags, context: CliContext, global: GlobalOptions) {
  const [{ openDatabase }, { migrations }, options] = await Promise.all([
    import('../db/open.js'),
    context.loadShipped(),
    databaseOptions(context, global),
  ]);
  const steps = migrations.map(({ name }) => name);
  // To open a file is to make it.
  if ((dryRun || status) && (await isMissing(options))) return { steps, taken: [], pending: steps };
  const database = await openDatabase(options);
  try {
    const taken = dryRun || status ? [] : await database.migrate(migrations);
    return { steps, taken, pending: await database.pending(migrations) };
  } finally {
    await database.close();
  }
}

async function copy(flags: CopyFlags, context: CliContext, global: GlobalOptions) {
  for (const url of [flags.from, flags.to])
    if (!isDatabaseUrl(url))
      throw new UsageError(
        `'${url.replace(/:\/\/.*@/, '://…@')}' is no database: expected sqlite:FILE, mysql://user@host/name or postgres://user@host/name`,
      );
  if (flags.from === flags.to) throw new UsageError('--from and --to name the same database');
  const [{ copyDatabase }, { refuseSecondHub }, { migrations }, options] = await Promise.all([
    import('../backup/copy.js'),
    import('../control.js'),
    context.loadShipped(),
    databaseOptions(context, global),
  ]);
  await refuseSecondHub(options.dataDirectory);
  const from = { ...options, url: flags.from, password: await passwordOf(flags.fromPasswordFile) };
  if (await isMissing(from)) throw new UsageError(`There is no database ${flags.from}`);
  const to = { ...options, url: flags.to, password: await passwordOf(flags.toPasswordFile) };
  return copyDatabase({ from, to, migrations });
}

async function databaseOptions(context: CliContext, global: GlobalOptions): Promise<DatabaseOptions> {
  const [{ readAll }, { createLogger }] = await Promise.all([import('./shipped-types.js'), import('../log.js')]);
  const { config } = await readAll(context, global);
  return {
    ...config.database,
    durability: config.durability,
    dataDirectory: resolve(global.dataDir),
    log: createLogger('warn', 'auto'),
  };
}

async function isMissing({ url, dataDirectory }: DatabaseOptions): Promise<boolean> {
  if (!url.startsWith('sqlite:')) return false;
  const file = resolve(dataDirectory, url.slice('sqlite:'.length));
  return access(file).then(
    () => false,
    () => true,
  );
}

async function passwordOf(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readFile(file, 'utf8')).trimEnd();
}
