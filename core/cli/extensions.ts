import type { Command } from 'commander';
import type { OperationOutput } from '../operations/index.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot extension …`. */
export function addExtensionCommands(program: Command, context: CliContext): void {
  const group = program.command('extension').description('See what is loaded, and how it does');

  withExamples(group.command('list').description('List extensions with version, what they registered, and what fails'), [
    ['All of them', 'extension list'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('extensions.list', {})), rows =>
      output.table(
        rows,
        [
          { head: 'NAME', value: row => row.name },
          { head: 'VERSION', value: row => row.version ?? '' },
          { head: 'HEALTH', value: healthOf },
          { head: 'REGISTERED', value: row => row.registered.join(', ') },
        ],
        'No extension is loaded.',
      ),
    );
  });
}

function healthOf({ health }: OperationOutput<'extensions.list'>[number]): string {
  const { failures, deadDeliveries } = health;
  const told = failures.map(({ part, message }) => `${part}: ${message}`);
  return [...told, ...(deadDeliveries > 0 ? [`${deadDeliveries} dead deliveries`] : [])].join('; ') || 'ok';
}
