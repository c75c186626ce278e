import type { Command } from 'commander';
import { HubError } from '../errors.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot reload`. */
export function addReloadCommand(program: Command, context: CliContext): void {
  withExamples(
    program
      .command('reload')
      .description('Replace the processes of the running hub one by one, with the configuration as it is now; nobody is refused'),
    [['After a change of the configuration, or an update', 'reload']],
  ).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const done = await withHub(context, global, hub => {
      if (!hub.live) throw new HubError('unavailable', 'No hub runs on this data directory');
      return hub.call('hub.reload', {});
    });
    output.result(done, ({ processes }) => `Replaced: ${processes.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ')}`);
  });
}
