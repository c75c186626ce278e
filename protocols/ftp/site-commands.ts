import type { Client } from './client.js';
import type { Command } from './command.js';
import { parseTimeVal } from './facts.js';
import { splitFirst } from './file-commands.js';
import type { Reply } from './replies.js';

/** SITE: what RFC 959 leaves to each server. The rights of the user decide, as everywhere. */
export const SITE_COMMANDS: readonly Command[] = [
  {
    name: 'SITE',
    syntax: '<command> <parameters>',
    description: 'Commands of this server: SITE HELP',
    features: () => ['SITE CHMOD;UTIME;SYMLINK;HELP'],
    run: site,
  },
];

const SUBCOMMANDS: Readonly<Record<string, (client: Client, argument: string) => Reply | Promise<Reply>>> = {
  CHMOD: changeMode,
  UTIME: changeTimes,
  SYMLINK: makeLink,
  HELP: () => [214, 'SITE commands', ' CHMOD <octal mode> <path>', ' UTIME <time> <path>', ' SYMLINK <target> <path>', 'End'],
};

function site(client: Client, argument: string): Reply | Promise<Reply> {
  const [name, rest] = splitFirst(argument);
  const run = Object.hasOwn(SUBCOMMANDS, name.toUpperCase()) ? SUBCOMMANDS[name.toUpperCase()] : undefined;
  return run ? run(client, rest) : [504, 'Unknown SITE command'];
}

async function changeMode(client: Client, argument: string): Promise<Reply> {
  const [mode, path] = splitFirst(argument);
  if (!/^[0-7]{3,4}$/.test(mode)) return [501, 'Expected an octal mode'];
  await client.files.setAttributes(client.path(path), { mode: Number.parseInt(mode, 8) });
  return [200, 'Mode changed'];
}

/** Both forms that clients use: a time and a path, or a path, the times of access, change and creation, and 'UTC'. */
async function changeTimes(client: Client, argument: string): Promise<Reply> {
  const [, name, accessed, modified] = /^(.+) (\d{12,14}) (\d{12,14}) \d{12,14} UTC$/s.exec(argument) ?? [];
  if (name !== undefined && accessed !== undefined && modified !== undefined) {
    await client.files.setAttributes(client.path(name), { atime: parseTimeVal(accessed), mtime: parseTimeVal(modified) });
  } else {
    const [time, path] = splitFirst(argument);
    const mtime = parseTimeVal(time);
    await client.files.setAttributes(client.path(path), { mtime });
  }
  return [200, 'Times changed'];
}

async function makeLink(client: Client, argument: string): Promise<Reply> {
  const [target, path] = words(argument);
  if (target === undefined || path === undefined) return [501, 'Expected a target and a path; between quotes where they hold spaces'];
  await client.files.symlink(target.startsWith('/') ? client.files.resolve(target) : target, client.path(path));
  return [200, 'Link made'];
}

function words(argument: string): readonly string[] {
  const found = [...argument.matchAll(/"((?:[^"]|"")*)"|(\S+)/gs)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '');
  return found.length === 2 ? found : [];
}
