import type { FileAttributes } from '#core/api.js';
import { HubError, toHubError } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { parseTimeVal, timeVal } from './facts.js';
import { quoted, Refusal, type Reply } from './replies.js';

/** Commands that look at one entry or change it (RFC 959, 3659, and the drafts on MFMT and AVBL). */
export const FILE_COMMANDS: readonly Command[] = [
  {
    name: 'PWD',
    aliases: ['XPWD'],
    syntax: '',
    description: 'Name the current directory',
    run: ({ cwd }) => [257, `${quoted(cwd)} is the current directory`],
  },
  { name: 'CWD', aliases: ['XCWD'], syntax: '<path>', description: 'Change the current directory', run: changeDirectory },
  {
    name: 'CDUP',
    aliases: ['XCUP'],
    syntax: '',
    description: 'Change to the directory above',
    run: client => changeDirectory(client, '..'),
  },
  { name: 'MKD', aliases: ['XMKD'], syntax: '<path>', description: 'Make a directory', run: makeDirectory },
  { name: 'RMD', aliases: ['XRMD'], syntax: '<path>', description: 'Remove an empty directory', run: removeDirectory },
  { name: 'DELE', syntax: '<path>', description: 'Remove a file', run: removeFile },
  { name: 'RNFR', syntax: '<path>', description: 'Name the entry to move', run: renameFrom },
  { name: 'RNTO', syntax: '<path>', description: 'Move it there', run: renameTo },
  { name: 'SIZE', syntax: '<path>', description: 'Tell the size of a file', features: () => ['SIZE'], run: size },
  { name: 'MDTM', syntax: '<path>', description: 'Tell when a file was changed', features: () => ['MDTM', 'TVFS'], run: modificationTime },
  { name: 'MFMT', syntax: '<time> <path>', description: 'Set when a file was changed', features: () => ['MFMT'], run: modifyTime },
  { name: 'MFCT', syntax: '<time> <path>', description: 'Not kept by storages', run: () => [504, 'Times of creation are not kept'] },
  {
    name: 'MFF',
    syntax: '<fact=value;...> <path>',
    description: 'Set facts of a file',
    features: () => ['MFF modify;unix.mode;'],
    run: modifyFacts,
  },
  { name: 'AVBL', syntax: '[<path>]', description: 'Tell how many bytes are free', features: () => ['AVBL'], run: available },
];

async function changeDirectory(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  if ((await client.files.stat(path)).type !== 'directory') throw new HubError('not-a-directory', 'Not a directory');
  client.cwd = path;
  return [250, `${quoted(path)} is the current directory`];
}

async function makeDirectory(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  try {
    await client.files.mkdir(path);
  } catch (error) {
    const failure = toHubError(error);
    // RFC 959 knows 550 alone here, and clients that make many at once go by it.
    if (failure.code === 'already-exists') throw new Refusal(550, failure.message);
    throw failure;
  }
  return [257, `${quoted(path)} created`];
}

async function removeDirectory(client: Client, argument: string): Promise<Reply> {
  await client.files.removeDirectory(client.path(argument));
  return [250, 'Directory removed'];
}

async function removeFile(client: Client, argument: string): Promise<Reply> {
  await client.files.removeFile(client.path(argument));
  return [250, 'File removed'];
}

async function renameFrom(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  await client.files.lstat(path);
  client.renameFrom = path;
  return [350, 'RNTO comes next'];
}

async function renameTo(client: Client, argument: string): Promise<Reply> {
  const from = client.renameFrom;
  if (from === undefined) return [503, 'RNFR comes first'];
  await client.files.rename(from, client.path(argument), { overwrite: true });
  return [250, 'Moved'];
}

async function size(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  // What a text has on its way depends on its lines: a number that only looks right would corrupt a resumed transfer.
  if (client.ascii) return [550, 'SIZE is not told in ASCII mode: TYPE I first'];
  const info = await client.files.stat(path);
  if (info.type !== 'file') throw new HubError('is-a-directory', 'Not a file');
  return [213, String(info.size)];
}

async function modificationTime(client: Client, argument: string): Promise<Reply> {
  try {
    return [213, timeVal((await client.files.stat(client.path(argument))).mtime)];
  } catch (error) {
    // Some clients set times by it; a file of such a name comes first.
    const [, time, name] = /^(\d{14}) (.+)$/s.exec(argument) ?? [];
    if (time === undefined || name === undefined || toHubError(error).code !== 'not-found') throw error;
    return modifyTime(client, argument);
  }
}

async function modifyTime(client: Client, argument: string): Promise<Reply> {
  const [time, name] = splitFirst(argument);
  const mtime = parseTimeVal(time);
  await client.files.setAttributes(client.path(name), { mtime });
  return [213, `Modify=${timeVal(mtime)}; ${name}`];
}

async function modifyFacts(client: Client, argument: string): Promise<Reply> {
  const [facts, name] = splitFirst(argument);
  const path = client.path(name);
  let attributes: FileAttributes = {};
  for (const fact of facts.split(';').filter(text => text !== '')) {
    const [key = '', value = ''] = fact.split('=');
    if (key.toLowerCase() === 'modify') attributes = { ...attributes, mtime: parseTimeVal(value) };
    else if (key.toLowerCase() === 'unix.mode' && /^[0-7]{3,5}$/.test(value))
      attributes = { ...attributes, mode: Number.parseInt(value, 8) & 0o7777 };
    else return [504, 'Only modify and unix.mode can be set'];
  }
  await client.files.setAttributes(path, attributes);
  return [213, `${facts} ${name}`];
}

async function available(client: Client, argument: string): Promise<Reply> {
  const { free } = await client.files.space(client.path(argument || '.'));
  return [213, String(free)];
}

/** What stands before and after the first space. */
export function splitFirst(argument: string): [first: string, rest: string] {
  const space = argument.indexOf(' ');
  return space < 0 ? [argument, ''] : [argument.slice(0, space), argument.slice(space + 1)];
}
