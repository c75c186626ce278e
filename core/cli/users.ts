import { type Command, Option } from 'commander';
import { DEFAULT_RIGHTS } from '../db/user.js';
import type { OperationInput } from '../operations/index.js';
import { type Caller, withHub } from './connection.js';
import { type CliContext, UsageError } from './context.js';
import { surroundings, withExamples } from './group.js';
import { type Output, renderFields, time } from './output.js';
import { commaList, futureTime, listsByPath, readKeys, readPassword, repeated, wholeNumber } from './values.js';

type Settings = Omit<OperationInput<'users.set'>, 'username'>;
type UserView = Awaited<ReturnType<typeof showUser>>;

interface UserOptions {
  readonly passwordFile?: string;
  readonly key?: readonly string[];
  readonly home?: string;
  readonly description?: string;
  readonly permission?: Readonly<Record<string, readonly string[]>>;
  readonly allow?: Readonly<Record<string, readonly string[]>>;
  readonly deny?: Readonly<Record<string, readonly string[]>>;
  readonly hide?: readonly string[];
  readonly expires?: number | null;
  readonly protocols?: readonly string[];
  readonly addresses?: readonly string[];
  readonly maxSessions?: number;
  readonly method?: readonly string[];
  readonly status?: 'active' | 'disabled';
}

/** Adds `entrepot user …`. */
export function addUserCommands(program: Command, context: CliContext): void {
  const group = program.command('user').description('Add and change those who may log in');
  const command = (definition: string, description: string) => group.command(definition).description(description);

  withExamples(settings(command('add <name>', 'Add a user; a password is made and printed once unless one or a key is given')), [
    ['With a password that is made, and the home data:/alice', 'user add alice'],
    ['With a password of yours', 'user add alice --password-file - < password.txt'],
    ['With a key, read-only below /reports', 'user add bob --key bob.pub --permission "/reports=list,download"'],
    ['With a home in another storage', 'user add carol --home archive:/carol'],
  ])
    .option('--key <file>', 'public keys, one a line; repeats', repeated)
    .action(async (name: string, options: UserOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const keys = (await Promise.all((options.key ?? []).map(file => readKeys(context, file)))).flat();
      const input = { username: name, ...(await settingsOf(context, options)), keys };
      const added = await withHub(context, global, hub => hub.call('users.add', input), { creates: true });
      if (added.warning !== undefined) output.note(`Warning: ${added.warning}`);
      output.result({ ...added.user, ...(added.password !== undefined && { password: added.password }) }, user =>
        [
          `Added ${user.username}, home ${homeOf(user)}`,
          ...(added.password === undefined ? [] : [`Password: ${added.password}`, 'It is shown this once.']),
        ].join('\n'),
      );
    });

  withExamples(command('list', 'List users'), [
    ['All of them', 'user list'],
    ['Those with a text in their name', 'user list --search ali'],
  ])
    .option('--search <text>', 'a part of the name')
    .action(async (options: { readonly search?: string }, self: Command) => {
      const { global, output } = surroundings(self, context);
      const page = await withHub(context, global, hub => hub.call('users.list', options));
      output.result(page, ({ items }) =>
        output.table(
          items,
          [
            { head: 'NAME', value: user => user.username },
            { head: 'STATUS', value: user => user.status },
            { head: 'HOME', value: homeOf },
            {
              head: 'LOGS IN BY',
              value: user =>
                [...(user.hasPassword ? ['password'] : []), ...(user.keys.length ? [`${user.keys.length} keys`] : [])].join(', '),
            },
            { head: 'LAST LOGIN', value: user => time(user.lastLoginAt ?? undefined) },
          ],
          'There are no users yet; `entrepot user add NAME` adds one.',
        ),
      );
    });

  withExamples(command('show <name>', 'Show everything about a user'), [['One user', 'user show alice']]).action(
    async (name: string, _options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => showUser(hub, name)), describeUser);
    },
  );

  withExamples(settings(command('set <name>', 'Change a user; takes effect at once')), [
    ['A new password', 'user set alice --password-file -'],
    ['May only look and fetch in /reports', 'user set alice --permission "/reports=list,download"'],
    ['May not use *.exe below /in', 'user set alice --deny "/in=*.exe"'],
    ['Only with the key and then the password', 'user set alice --method publickey+password'],
    ['Until the end of the year, from the office only', 'user set alice --expires 2026-12-31 --addresses 10.0.0.0/8'],
  ])
    .addOption(new Option('--status <status>', 'whether the user may log in').choices(['active', 'disabled']))
    .action(async (name: string, options: UserOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const { status } = options;
      const input = { ...(await settingsOf(context, options)), ...(status && { status }) };
      if (Object.keys(input).length === 0) throw new UsageError('There is nothing to change; `entrepot user set --help` lists what can be');
      const { warning, ...changed } = await withHub(context, global, hub => hub.call('users.set', { username: name, ...input }));
      if (warning !== undefined) output.note(`Warning: ${warning}`);
      output.result(changed, describeUser);
    });

  withExamples(command('reset-second-factor <name>', 'Ask a user for no code any more'), [
    ['Who lost the device', 'user reset-second-factor alice'],
  ]).action(async (name: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('users.reset-second-factor', { username: name })),
      user => `${user.username} is asked for no code any more.`,
    );
  });

  addKeyCommands(group, context);
  addMountCommands(group, context);

  for (const [verb, operation, done] of [
    ['disable', 'users.disable', 'can no longer log in; open sessions were ended'],
    ['enable', 'users.enable', 'can log in again'],
  ] as const) {
    withExamples(command(`${verb} <name>`, verb === 'disable' ? 'Refuse logins and end sessions' : 'Allow logins again'), [
      [`The user alice`, `user ${verb} alice`],
    ]).action(async (name: string, _options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call(operation, { username: name })), user => `${user.username} ${done}.`);
    });
  }

  withExamples(command('remove <name>', 'Delete a user; the files stay'), [['The user alice', 'user remove alice']]).action(
    async (name: string, _options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(
        await withHub(context, global, hub => hub.call('users.remove', { username: name })),
        user => `Removed ${user.username}. The files in ${homeOf(user)} stay.`,
      );
    },
  );
}

function addKeyCommands(group: Command, context: CliContext): void {
  const keys = group.command('key').description('Add and remove public keys');
  withExamples(keys.command('add <name> <file>').description("Add the public keys of a file, '-' for standard input"), [
    ['A key', 'user key add alice ~/.ssh/id_ed25519.pub'],
  ]).action(async (name: string, file: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const lines = await readKeys(context, file);
    const added = await withHub(context, global, async hub => {
      const all = [];
      for (const key of lines) all.push(await hub.call('users.keys.add', { username: name, key }));
      return all;
    });
    output.result(added, list => list.map(key => `Added ${key.algorithm} ${key.fingerprint}`).join('\n'));
  });
  withExamples(keys.command('remove <name> <key>').description('Remove a key by its fingerprint or comment'), [
    ['By fingerprint', 'user key remove alice SHA256:u1mXZ…'],
  ]).action(async (name: string, key: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('users.keys.remove', { username: name, key })),
      removed => `Removed ${removed.fingerprint}`,
    );
  });
}

function addMountCommands(group: Command, context: CliContext): void {
  const mounts = group.command('mount').description('Put storages at paths of a user');
  const show = (output: Output, list: readonly { readonly path: string; readonly storage: string; readonly directory: string }[]) =>
    output.result(list, rows =>
      output.table(
        rows,
        [
          { head: 'PATH', value: mount => mount.path },
          { head: 'IS', value: mount => `${mount.storage}:${mount.directory}` },
        ],
        'There are no mounts.',
      ),
    );
  withExamples(mounts.command('add <name> <path> <target>').description('Put STORAGE:/path at a path'), [
    ['A directory that others use too', 'user mount add alice /shared data:/shared'],
  ]).action(async (name: string, path: string, target: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    show(output, await withHub(context, global, hub => hub.call('users.mounts.add', { username: name, path, target })));
  });
  withExamples(mounts.command('list <name>').description('List mounts; the one at / is the home'), [
    ['Of alice', 'user mount list alice'],
  ]).action(async (name: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    show(output, await withHub(context, global, hub => hub.call('users.mounts.list', { username: name })));
  });
  withExamples(mounts.command('remove <name> <path>').description('Take a mount away; the files stay'), [
    ['What is at /shared', 'user mount remove alice /shared'],
  ]).action(async (name: string, path: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    show(output, await withHub(context, global, hub => hub.call('users.mounts.remove', { username: name, path })));
  });
}

function settings(command: Command): Command {
  return command
    .option('--password-file <file>', "file with the password, '-' for standard input")
    .option('--home <target>', 'STORAGE:/path (default data:/<name>)')
    .option('--description <text>', 'for administrators')
    .option(
      '--permission <path=rights>',
      "rights below a path, such as '/in=list,upload'; '*' is all, none after '=' forgets the entry; repeats (default: all but create-links)",
      listsByPath,
    )
    .option('--allow <path=patterns>', "only names like these below a path, such as '/in=*.csv,*.txt'; repeats", listsByPath)
    .option('--deny <path=patterns>', "no names like these below a path, such as '/in=*.exe'; repeats", listsByPath)
    .option('--hide <path>', 'names that are not allowed below this path are also invisible; repeats', repeated)
    .option('--expires <date>', "no logins from then on: 2026-12-31, '90d' or 'never'", futureTime)
    .option('--protocols <list>', "such as sftp,ftp; 'all' for all", commaList)
    .option('--addresses <list>', "where logins may come from, such as 10.0.0.0/8,192.0.2.7; 'all' for anywhere", commaList)
    .option(
      '--method <proofs>',
      "how to log in: publickey, password, or both as publickey+password; repeats for a choice; 'any' for any",
      repeated,
    )
    .option('--max-sessions <number>', 'sessions at the same time; 0 for the limit of the hub alone', wholeNumber(0));
}

async function settingsOf(context: CliContext, options: UserOptions): Promise<Settings> {
  const { home, description, permission, expires, protocols, addresses, maxSessions, method } = options;
  const patterns = patternsOf(options);
  return {
    ...(options.passwordFile !== undefined && { password: await readPassword(context, options.passwordFile) }),
    ...(home !== undefined && { home }),
    ...(description !== undefined && { description }),
    ...(permission && {
      permissions: Object.fromEntries(Object.entries(permission).map(([path, rights]) => [path, rights.length ? [...rights] : null])),
    }),
    ...(patterns.length > 0 && { patterns }),
    ...(expires !== undefined && { expiresAt: expires }),
    ...(protocols && { protocols: [...protocols] }),
    ...(addresses && { addresses: [...addresses] }),
    ...(maxSessions !== undefined && { maxSessions: maxSessions || null }),
    ...(method && { methods: method.filter(name => name !== 'any') }),
  };
}

function patternsOf({ allow = {}, deny = {}, hide = [] }: UserOptions): NonNullable<Settings['patterns']> {
  const paths = new Set([...Object.keys(allow), ...Object.keys(deny), ...hide]);
  return [...paths].map(path => ({
    path,
    ...(allow[path] && { allow: [...allow[path]] }),
    ...(deny[path] && { deny: [...deny[path]] }),
    ...(hide.includes(path) && { hidden: true }),
  }));
}

function showUser(hub: Caller, name: string) {
  return hub.call('users.show', { username: name });
}

function homeOf({ mounts }: Pick<UserView, 'mounts'>): string {
  const home = mounts.find(({ path }) => path === '/');
  return home ? `${home.storage}:${home.directory}` : '';
}

function describeUser(user: UserView): string {
  const lines = (texts: readonly string[]) => texts.join('; ') || undefined;
  return renderFields([
    ['Name', user.username],
    ['Status', user.status],
    ['Description', user.description],
    ['Password', user.hasPassword ? 'set' : 'none'],
    ...user.keys.map(key => ['Key', `${key.algorithm} ${key.fingerprint} ${key.comment}`.trim()] as const),
    ...user.mounts.map(
      mount =>
        [
          mount.path === '/' ? 'Home' : 'Mount',
          `${mount.path === '/' ? '' : `${mount.path} is `}${mount.storage}:${mount.directory}`,
        ] as const,
    ),
    ...Object.entries(user.permissions).map(([path, rights]) => ['Rights', `${path}: ${rightsText(rights)}`] as const),
    ...user.patterns.map(
      ({ path, allow, deny, hidden }) =>
        [
          'Names',
          `${path}: ${[allow.length ? `only ${allow.join(', ')}` : '', deny.length ? `not ${deny.join(', ')}` : '', hidden ? 'others hidden' : ''].filter(Boolean).join('; ')}`,
        ] as const,
    ),
    ['Logs in by', user.methods.join(' or ') || 'any one key or password'],
    ['Protocols', lines(user.protocols) ?? 'all'],
    ['Addresses', lines(user.addresses) ?? 'all'],
    ['Sessions', user.maxSessions ?? undefined],
    ['Expires', time(user.expiresAt ?? undefined)],
    ['Added', time(user.createdAt)],
    ['Last login', time(user.lastLoginAt ?? undefined) || 'never'],
  ]);
}

function rightsText(rights: readonly string[]): string {
  if (rights.length === 0) return 'none';
  return rights.length === DEFAULT_RIGHTS.length && DEFAULT_RIGHTS.every(right => rights.includes(right))
    ? 'all but create-links'
    : rights.join(', ');
}
