import type { Command } from 'commander';
import { bytes } from '../printable.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { lasting } from './output.js';

/** One file of the hooks folder, as the extension that runs hooks reports it. */
type HookRow = Readonly<Record<string, unknown>>;

/** Adds `entrepot sessions …` and `entrepot hooks …`. */
export function addSessionCommands(program: Command, context: CliContext): void {
  const group = program.command('sessions').description('See and end the sessions of clients');

  withExamples(group.command('list').description('List open sessions'), [['Of one user', 'sessions list --user alice']])
    .option('--user <name>', 'of this user')
    .action(async (options: { readonly user?: string }, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('sessions.list', options)), rows =>
        output.table(
          rows,
          [
            { head: 'ID', value: session => session.id },
            { head: 'USER', value: session => session.user },
            { head: 'PROTOCOL', value: session => session.protocol },
            { head: 'FROM', value: session => session.remoteAddress },
            { head: 'SINCE', value: session => lasting(Date.now() - Date.parse(session.startedAt)), align: 'right' },
            { head: 'IDLE', value: session => lasting(Date.now() - Date.parse(session.lastActivity)), align: 'right' },
            {
              head: 'TRANSFERS',
              value: session =>
                session.transfers.map(({ direction, path, bytes: moved }) => `${direction} ${path} ${bytes(moved)}`).join(', '),
            },
          ],
          'Nobody is logged in.',
        ),
      );
    });

  withExamples(group.command('end <id>').description('End a session; its client is dropped'), [
    ['By its id', 'sessions end 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ])
    .option('--reason <text>', 'what the client is told')
    .action(async (id: string, options: { readonly reason?: string }, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(
        await withHub(context, global, hub => hub.call('sessions.end', { id, ...options })),
        session => `Ended the session of ${session.user} from ${session.remoteAddress}.`,
      );
    });

  const hooks = program.command('hooks').description('See the programs in the hooks folder');
  withExamples(hooks.command('list').description('List hooks, and what is wrong with those that are rejected'), [
    ['All of them', 'hooks list'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const rows = (await withHub(context, global, hub => hub.call('reports.show', { name: 'hooks' }))) as readonly HookRow[];
    const names = [...new Set(rows.flatMap(row => Object.keys(row)))];
    output.result(rows, list =>
      output.table(
        list,
        names.map(name => ({ head: name.replace(/(?=[A-Z])/g, ' ').toUpperCase(), value: (row: HookRow) => shown(row[name]) })),
        'There are no hooks; README.md in the hooks folder of the data directory tells how to make one.',
      ),
    );
  });
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
