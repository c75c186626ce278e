import type { Command } from 'commander';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { lasting, time } from './output.js';

/** Adds `entrepot ban …`. */
export function addBanCommands(program: Command, context: CliContext): void {
  const group = program.command('ban').description('See and let in those who are turned away because logins failed');

  withExamples(group.command('list').description('List addresses, and users who may not log in by password'), [
    ['Those of now', 'ban list'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('bans.list', {})), rows =>
      output.table(
        rows,
        [
          { head: 'WHO', value: ban => `${ban.kind} ${ban.subject}` },
          { head: 'WHY', value: ban => ban.reason },
          { head: 'TIMES', value: ban => String(ban.times), align: 'right' },
          { head: 'SINCE', value: ban => time(ban.since) },
          { head: 'LEFT', value: ban => lasting(ban.until - Date.now()), align: 'right' },
        ],
        'Nobody is turned away.',
      ),
    );
  });

  withExamples(group.command('lift <address>').description('Let an address, or a user, try again'), [
    ['An address', 'ban lift 192.0.2.7'],
    ['A user', 'ban lift alice'],
  ]).action(async (subject: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('bans.lift', { subject })), lifted =>
      lifted.map(ban => `${ban.kind} ${ban.subject} may try again.`).join('\n'),
    );
  });
}
