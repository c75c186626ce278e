import { type Command, Option } from 'commander';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { time } from './output.js';

interface AddOptions {
  readonly action: 'allow' | 'deny';
  readonly comment?: string;
}

/** Adds `entrepot address-rule …`. */
export function addAddressRuleCommands(program: Command, context: CliContext): void {
  const group = program.command('address-rule').description('Let clients of an address always in, or never');

  withExamples(group.command('list').description('List rules for addresses'), [['All of them', 'address-rule list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('address-rules.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'ID', value: rule => rule.id },
            { head: 'RANGE', value: rule => rule.range },
            { head: 'ACTION', value: rule => rule.action },
            { head: 'SINCE', value: rule => time(rule.createdAt) },
            { head: 'COMMENT', value: rule => rule.comment },
          ],
          'There are no rules: everybody may try to log in, from everywhere.',
        ),
      );
    },
  );

  withExamples(group.command('add <range>').description("Add a rule; 'allow' wins over 'deny', and over bans"), [
    ['Keep a network out', 'address-rule add 203.0.113.0/24 --action deny'],
    ['Never ban the office', 'address-rule add 198.51.100.7 --action allow --comment office'],
  ])
    .addOption(new Option('--action <action>', 'what holds for its clients').choices(['allow', 'deny']).makeOptionMandatory())
    .option('--comment <text>', 'what it is for')
    .action(async (range: string, { action, comment }: AddOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const input = { range, action, ...(comment !== undefined && { comment }) };
      output.result(
        await withHub(context, global, hub => hub.call('address-rules.add', input)),
        rule => `Added rule ${rule.id}: ${rule.action} ${rule.range}`,
      );
    });

  withExamples(group.command('remove <id>').description('Delete a rule'), [
    ['By its id', 'address-rule remove 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    await withHub(context, global, hub => hub.call('address-rules.remove', { id }));
    output.result({ id }, () => `Removed rule ${id}.`);
  });
}
