import type { Command } from 'commander';
import type { ConfigRow } from '../config/load.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot config …`. */
export function addConfigCommands(program: Command, context: CliContext): void {
  const group = program.command('config').description('Check and show the configuration');

  withExamples(group.command('check').description('Check file, environment and extensions; opens nothing'), [
    ['Before a restart', 'config check --config /etc/entrepot/config.yaml'],
  ]).action(async (_options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const { readAll } = await import('./shipped-types.js');
    const { protocols, extensions } = await readAll(context, global);
    const checked = {
      ok: true,
      protocols: protocols.map(({ type }) => type.name),
      extensions: extensions.map(({ loaded }) => loaded.extension.name),
    };
    output.result(checked, () => 'The configuration is good.');
  });

  withExamples(group.command('print').description('Print every option with its value; secrets are hidden'), [
    ['And where each value comes from', 'config print --sources'],
  ])
    .option('--sources', 'show the file, variable or default that each value comes from')
    .action(async ({ sources = false }: { readonly sources?: boolean }, self: Command) => {
      const { global, output } = surroundings(self, context);
      const { readAll } = await import('./shipped-types.js');
      const rows = (await readAll(context, global)).sources.sources();
      if (sources)
        output.result(rows, list =>
          output.table(
            list,
            [
              { head: 'OPTION', value: row => row.path },
              { head: 'VALUE', value: row => shown(row.value) },
              { head: 'SOURCE', value: row => row.source },
            ],
            'There are no options.',
          ),
        );
      else {
        const { stringify } = await import('yaml');
        output.result(nested(rows), tree => stringify(tree).trimEnd());
      }
    });

  group
    .command('document', { hidden: true })
    .description('Print OPTIONS.md')
    .action(async (_options, self: Command) => {
      const { output } = surroundings(self, context);
      const { documentShipped } = await import('./shipped-document.js');
      output.write((await documentShipped(context)).trimEnd());
    });
}

function shown(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

function nested(rows: readonly ConfigRow[]): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const { names, value } of rows) {
    if (value === undefined) continue;
    let place = tree;
    for (const name of names.slice(0, -1)) {
      place[name] ??= {};
      place = place[name] as Record<string, unknown>;
    }
    place[names.at(-1)!] = value;
  }
  return tree;
}
