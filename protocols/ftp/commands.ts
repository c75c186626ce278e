import type { Command } from './command.js';
import { DATA_COMMANDS } from './data-commands.js';
import { FILE_COMMANDS } from './file-commands.js';
import { HASH_COMMANDS } from './hash-commands.js';
import { infoCommands } from './info-commands.js';
import { LIST_COMMANDS } from './list-commands.js';
import { LOGIN_COMMANDS } from './login-commands.js';
import { SITE_COMMANDS } from './site-commands.js';
import { TRANSFER_COMMANDS } from './transfer-commands.js';

const ALL: readonly Command[] = [
  ...LOGIN_COMMANDS,
  ...infoCommands(() => ALL),
  ...DATA_COMMANDS,
  ...FILE_COMMANDS,
  ...LIST_COMMANDS,
  ...TRANSFER_COMMANDS,
  ...HASH_COMMANDS,
  ...SITE_COMMANDS,
];

/** Every command by each of its names. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  ALL.flatMap(command => [command.name, ...(command.aliases ?? [])].map(name => [name, command] as const)),
);
