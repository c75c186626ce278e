import type { Command } from 'commander';
import type { StorageDirectory, StorageView } from '../operations/storages.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { type Column, renderFields, time } from './output.js';
import { assignments, readOptions, wholeNumber } from './values.js';

interface AddOptions {
  readonly kind: string;
  readonly option?: Readonly<Record<string, string>>;
  readonly optionFile?: Readonly<Record<string, string>>;
}

/** Adds `entrepot storage …`. */
export function addStorageCommands(program: Command, context: CliContext): void {
  const group = program.command('storage').description('Add and test places where files are kept');

  withExamples(group.command('add <name>').description('Add a storage; it is tried before it is kept'), [
    ['A folder on this machine', 'storage add archive --kind local --option root=/srv/archive'],
    [
      'Another SFTP server',
      'storage add partner --kind sftp --option host=sftp.example.com --option username=hub --option hostKey=SHA256:… --option-file password=/run/secrets/partner',
    ],
  ])
    .requiredOption('--kind <kind>', "what it is: 'local', 'memory', or a kind that an extension brings")
    .option('--option <name=value>', 'an option of this kind; repeats', assignments)
    .option('--option-file <name=file>', "an option that stands in a file, such as a secret; '-' is standard input; repeats", assignments)
    .action(async (name: string, { kind, option = {}, optionFile = {} }: AddOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const options = { ...option, ...(await readOptions(context, optionFile)) };
      const added = await withHub(context, global, hub => hub.call('storages.add', { name, kind, options }), { creates: true });
      output.result(
        added,
        storage => `Added ${storage.name}. \`entrepot user add NAME --home ${storage.name}:/path\` gives someone a home in it.`,
      );
    });

  withExamples(group.command('set <name>').description('Change options of a storage; it is tried before it is kept'), [
    ['After its files were moved', 'storage set data --option root=/srv/files'],
  ])
    .option('--option <name=value>', 'an option and its new value; repeats', assignments)
    .option('--option-file <name=file>', "an option that stands in a file, such as a secret; '-' is standard input; repeats", assignments)
    .action(async (name: string, { option = {}, optionFile = {} }: Omit<AddOptions, 'kind'>, self: Command) => {
      const { global, output } = surroundings(self, context);
      const options = { ...option, ...(await readOptions(context, optionFile)) };
      const storage = await withHub(context, global, hub => hub.call('storages.set', { name, options }));
      output.result(storage, ({ name }) => `Changed ${name}.`);
    });

  withExamples(group.command('list').description('List storages'), [['All of them', 'storage list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('storages.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'NAME', value: storage => storage.name },
            { head: 'KIND', value: storage => storage.kind },
            { head: 'OPTIONS', value: optionsOf },
            { head: 'FROM', value: storage => (storage.discovered ? 'storages.discover' : 'added') },
          ],
          'There are no storages.',
        ),
      );
    },
  );

  withExamples(group.command('show <name>').description('Show a storage'), [['The one of new users', 'storage show data']]).action(
    async (name: string, _options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('storages.show', { name })), storage =>
        renderFields([
          ['Name', storage.name],
          ['Kind', storage.kind],
          ['From', storage.discovered ? 'storages.discover' : 'added'],
          ...Object.entries(storage.options).map(([option, value]) => [option, textOf(value)] as const),
        ]),
      );
    },
  );

  withExamples(group.command('test <name>').description('Open a storage and look at its root'), [
    ['Whether it can be reached', 'storage test archive'],
  ]).action(async (name: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const result = await withHub(context, global, hub => hub.call('storages.test', { name }));
    output.result(result, ({ ok, message, durationMs }) =>
      ok ? `${name} works (${durationMs} ms).` : `${name} does not work: ${message}`,
    );
    if (!result.ok) process.exitCode = 1;
  });

  withExamples(group.command('browse <name> [path]').description('List a directory of a storage, as the administrator'), [
    ['What is at the top', 'storage browse data'],
    ["What is in alice's home, a thousand entries on", 'storage browse data /alice --offset 1000'],
  ])
    .option('--limit <number>', 'how many at most', wholeNumber(1, 1_000), 200)
    .option('--offset <number>', 'how many to pass over', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .action(async (name: string, path: string | undefined, page: { limit: number; offset: number }, self: Command) => {
      const { global, output } = surroundings(self, context);
      const asked = { name, ...(path !== undefined && { path }), ...page };
      output.result(await withHub(context, global, hub => hub.call('storages.browse', asked)), ({ items, total }) => {
        const table = output.table(items, ENTRY_COLUMNS, 'There is nothing there.');
        const end = page.offset + items.length;
        return end >= total ? table : `${table}\n${items.length} of ${total}; more with --offset ${end}`;
      });
    });

  withExamples(group.command('remove <name>').description('Take a storage off the list; its files stay'), [
    ['The one called archive', 'storage remove archive'],
  ]).action(async (name: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('storages.remove', { name })),
      storage => `Removed ${storage.name}. Its files stay.`,
    );
  });
}

const ENTRY_COLUMNS: readonly Column<StorageDirectory['items'][number]>[] = [
  { head: 'NAME', value: ({ name, type }) => (type === 'directory' ? `${name}/` : name) },
  { head: 'SIZE', value: ({ type, size }) => (type === 'directory' ? undefined : size), align: 'right' },
  { head: 'CHANGED', value: ({ mtime }) => time(mtime) },
];

function optionsOf({ options }: StorageView): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${textOf(value)}`)
    .join(' ');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
