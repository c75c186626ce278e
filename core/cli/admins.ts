import { type Command, Option } from 'commander';
import { ADMIN_ROLES, type AdminRole } from '../db/admin.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { time } from './output.js';
import { readPassword } from './values.js';

interface AdminOptions {
  readonly role?: AdminRole;
  readonly passwordFile?: string;
}

/** Adds `entrepot admin …`. */
export function addAdminCommands(program: Command, context: CliContext): void {
  const group = program.command('admin').description('Add and change those who administer the hub in a browser');
  const command = (definition: string, description: string) =>
    group.command(definition).description(description).option('--password-file <file>', "file with the password, '-' for standard input");

  withExamples(command('create <name>', 'Add an admin; a password is made and printed once unless one is given'), [
    ['An owner, who may do everything', 'admin create ada'],
    ['Someone who may look and not touch', 'admin create vic --role viewer'],
  ])
    .addOption(new Option('--role <role>', 'what he may do').choices([...ADMIN_ROLES]).default('owner'))
    .action(async (username: string, options: AdminOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const input = { username, role: options.role ?? 'owner', ...(await passwordOf(context, options)) };
      const added = await withHub(context, global, hub => hub.call('admins.create', input), { creates: true });
      output.result(added, ({ admin, password }) => [`Added ${admin.username}, ${admin.role}`, ...madePassword(password)].join('\n'));
    });

  withExamples(group.command('list').description('List admins'), [['All of them', 'admin list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('admins.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'NAME', value: admin => admin.username },
            { head: 'ROLE', value: admin => admin.role },
            { head: 'STATUS', value: admin => admin.status },
            { head: 'LAST LOGIN', value: admin => time(admin.lastLoginAt ?? undefined) },
          ],
          'There are no admins yet; `entrepot admin create NAME` adds one.',
        ),
      );
    },
  );

  withExamples(command('reset-password <name>', 'Set a password and end the browser sessions of an admin'), [
    ['One that is made, and printed once', 'admin reset-password ada'],
  ]).action(async (username: string, options: AdminOptions, self: Command) => {
    const { global, output } = surroundings(self, context);
    const input = { username, ...(await passwordOf(context, options)) };
    const changed = await withHub(context, global, hub => hub.call('admins.reset-password', input));
    output.result(changed, ({ admin, password }) => [`${admin.username} has a new password.`, ...madePassword(password)].join('\n'));
  });

  withExamples(group.command('reset-second-factor <name>').description('Ask an admin for no code any more, and end his browser sessions'), [
    ['Who lost the device', 'admin reset-second-factor ada'],
  ]).action(async (username: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('admins.reset-second-factor', { username })),
      admin => `${admin.username} is asked for no code any more.`,
    );
  });

  withExamples(group.command('remove <name>').description('Delete an admin; one owner has to stay'), [
    ['The admin vic', 'admin remove vic'],
  ]).action(async (username: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('admins.remove', { username })), admin => `Removed ${admin.username}.`);
  });
}

async function passwordOf(context: CliContext, { passwordFile }: AdminOptions): Promise<{ readonly password?: string }> {
  return passwordFile === undefined ? {} : { password: await readPassword(context, passwordFile) };
}

function madePassword(password: string | undefined): readonly string[] {
  return password === undefined ? [] : [`Password: ${password}`, 'It is shown this once.'];
}
