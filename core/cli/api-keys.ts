import { type Command, Option } from 'commander';
import { API_KEY_SCOPES, type ApiKeyScope } from '../db/api-key.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { time } from './output.js';
import { wholeNumber } from './values.js';

const DAY_MS = 86_400_000;
const MAX_DAYS = 3_650;

interface CreateOptions {
  readonly admin?: string;
  readonly user?: string;
  readonly scope: ApiKeyScope;
  readonly days?: number;
}

/** Adds `entrepot api-key …`. */
export function addApiKeyCommands(program: Command, context: CliContext): void {
  const group = program.command('api-key').description('Keys by which programs use the HTTP API');

  withExamples(group.command('list').description('List the keys of everybody'), [['All of them', 'api-key list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('api-keys.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'ID', value: key => key.id },
            { head: 'NAME', value: key => key.name },
            { head: 'OF', value: key => `${key.kind} ${key.owner ?? '(gone)'}` },
            { head: 'SCOPE', value: key => key.scope },
            { head: 'EXPIRES', value: key => time(key.expiresAt) },
            { head: 'LAST USE', value: key => time(key.lastUsedAt) },
          ],
          'There are no keys.',
        ),
      );
    },
  );

  withExamples(group.command('create <name>').description('Make a key with the rights of an account; it is printed once'), [
    ['For Prometheus', 'api-key create prometheus --admin ada --scope metrics'],
    ['For a script of alice, for 90 days', 'api-key create nightly --user alice --scope write --days 90'],
  ])
    .addOption(new Option('--admin <name>', 'of this admin').conflicts('user'))
    .option('--user <name>', 'of this user')
    .addOption(new Option('--scope <scope>', 'what of it the key may').choices([...API_KEY_SCOPES]).makeOptionMandatory())
    .option('--days <number>', 'how long it is good; for ever unless told', wholeNumber(1, MAX_DAYS))
    .action(async (name: string, { admin, user, scope, days }: CreateOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const owner = admin ?? user;
      if (owner === undefined) self.error("error: required option '--admin <name>' or '--user <name>' not specified");
      const expiresAt = days === undefined ? null : Date.now() + days * DAY_MS;
      const input = { kind: admin === undefined ? 'user' : 'admin', owner, name, scope, expiresAt } as const;
      output.result(
        await withHub(context, global, hub => hub.call('api-keys.create', input)),
        ({ key, token }) => `Made key ${key.id} of ${key.kind} ${key.owner}\nKey: ${token}\nIt is shown this once.`,
      );
    });

  withExamples(group.command('remove <id>').description('Revoke a key'), [
    ['By its id', 'api-key remove 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    await withHub(context, global, hub => hub.call('api-keys.remove', { id }));
    output.result({ id }, () => `Revoked key ${id}.`);
  });
}
