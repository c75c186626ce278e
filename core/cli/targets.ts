import type { Command } from 'commander';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot target …`. */
export function addTargetCommands(program: Command, context: CliContext): void {
  const group = program.command('target').description('See whom events are delivered to');

  withExamples(
    group.command('list').description('List webhooks, hooks of a running hub and handlers of extensions, with their deliveries'),
    [['All of them', 'target list']],
  ).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('targets.list', {})), rows =>
      output.table(
        rows,
        [
          { head: 'KIND', value: row => row.kind },
          { head: 'NAME', value: row => row.name },
          { head: 'STATE', value: row => (row.enabled ? 'enabled' : 'disabled') },
          { head: 'EVENTS', value: row => row.events.join(', ') },
          { head: 'DELIVERED', value: row => String(row.deliveries.succeeded), align: 'right' },
          { head: 'WAITING', value: row => String(row.deliveries.waiting), align: 'right' },
          { head: 'DEAD', value: row => String(row.deliveries.dead), align: 'right' },
        ],
        'Nobody wants to be told of events; `entrepot webhook add URL --event upload.completed` changes that.',
      ),
    );
  });
}
