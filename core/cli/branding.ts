import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Branding } from '../operations/branding.js';
import { withHub } from './connection.js';
import { type CliContext, UsageError } from './context.js';
import { surroundings, withExamples } from './group.js';

interface SetOptions {
  readonly name?: string;
  readonly colour?: string;
  readonly logo?: string;
}

const PICTURES: readonly (readonly [type: string, begins: string])[] = [
  ['png', '89504e47'],
  ['jpeg', 'ffd8ff'],
  ['gif', '47494638'],
  ['webp', '52494646'],
];

/** Adds `entrepot branding …`. */
export function addBrandingCommands(program: Command, context: CliContext): void {
  const group = program.command('branding').description('Name, colour and logo of the pages');

  withExamples(group.command('show').description('Show name, colour and logo'), [['As it is', 'branding show']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('branding.show', {})), describe);
    },
  );

  withExamples(group.command('set').description('Change what is given; an empty text takes it away'), [
    ['A name and a colour', "branding set --name 'Files of Acme' --colour '#1c7ed6'"],
    ['A logo: a PNG, JPEG, WebP or GIF of 140 kB at most', 'branding set --logo logo.png'],
  ])
    .option('--name <text>', 'what the pages call the hub')
    .option('--colour <colour>', "as '#rrggbb'")
    .option('--logo <file>', 'a picture')
    .action(async ({ name, colour, logo }: SetOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      if (name === undefined && colour === undefined && logo === undefined) throw new UsageError('Give --name, --colour or --logo');
      const input = {
        ...(name !== undefined && { name }),
        ...(colour !== undefined && { colour }),
        ...(logo !== undefined && { logo: logo === '' ? '' : await pictureOf(logo) }),
      };
      output.result(await withHub(context, global, hub => hub.call('branding.set', input)), describe);
    });
}

function describe({ name, colour, logo }: Branding): string {
  return [`Name: ${name || '(Entrepot)'}`, `Colour: ${colour || '(green)'}`, `Logo: ${logo === '' ? '(none)' : 'set'}`].join('\n');
}

/** A file as a data: URL; what its first bytes say counts, not its name. */
async function pictureOf(file: string): Promise<string> {
  const content = await readFile(file).catch((cause: unknown) => {
    throw new UsageError(`The picture ${file} cannot be read`, { cause });
  });
  const type = PICTURES.find(([, begins]) => content.toString('hex', 0, 8).startsWith(begins))?.[0];
  if (type === undefined) throw new UsageError(`${file} is no PNG, JPEG, WebP or GIF`);
  return `data:image/${type};base64,${content.toString('base64')}`;
}
