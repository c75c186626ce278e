import { type DigestRange, type HashAlgorithm, HubError } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import type { Reply } from './replies.js';

/** Names of digests as HASH and its option write them (draft-bryan-ftpext-hash). */
const ALGORITHMS: Readonly<Record<string, HashAlgorithm>> = {
  'SHA-256': 'sha256',
  'SHA-512': 'sha512',
  'SHA-384': 'sha384',
  'SHA-1': 'sha1',
  MD5: 'md5',
};

/** Commands that tell digests of files. */
export const HASH_COMMANDS: readonly Command[] = [
  {
    name: 'HASH',
    syntax: '<path>',
    description: 'Tell the digest of a file',
    features: client => [
      `HASH ${Object.entries(ALGORITHMS)
        .map(([name, algorithm]) => `${name}${algorithm === client.hash ? '*' : ''}`)
        .join(';')}`,
    ],
    run: hash,
  },
  digestCommand('XMD5', 'md5'),
  digestCommand('XSHA1', 'sha1', ['XSHA']),
  digestCommand('XSHA256', 'sha256'),
  digestCommand('XSHA512', 'sha512'),
];

/** OPTS HASH: tells the digest that HASH gives, or chooses it. */
export function chooseHash(client: Client, name: string): Reply {
  if (name !== '') {
    const chosen = ALGORITHMS[name.toUpperCase()];
    if (!chosen) return [501, 'Unknown digest'];
    client.hash = chosen;
  }
  return [200, nameOf(client.hash)];
}

async function hash(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  const { size } = await client.files.stat(path);
  const digest = await client.files.checksum(path, client.hash);
  return [213, `${nameOf(client.hash)} 0-${size} ${digest} ${argument}`];
}

function nameOf(algorithm: HashAlgorithm): string {
  return Object.keys(ALGORITHMS).find(name => ALGORITHMS[name] === algorithm)!;
}

function digestCommand(name: string, algorithm: HashAlgorithm, aliases: readonly string[] = []): Command {
  return {
    name,
    aliases,
    syntax: '<path> | "<path>" <first> <end>',
    description: `Tell the ${nameOf(algorithm)} digest of a file, or of the bytes before <end>`,
    features: () => [name],
    run: async (client, argument) => {
      const { path, range } = parse(argument);
      return [250, (await client.files.checksum(client.path(path), algorithm, range)).toUpperCase()];
    },
  };
}

/** Only a path between quotes may be followed by numbers: every other one may end in them. */
function parse(argument: string): { readonly path: string; readonly range: DigestRange } {
  const [, path, rest = ''] = /^"((?:[^"]|"")*)"(.*)$/s.exec(argument) ?? [];
  if (path === undefined) return { path: argument, range: {} };
  const numbers = rest.trim() === '' ? [] : rest.trim().split(/ +/).map(Number);
  if (numbers.length > 2 || numbers.some(number => !Number.isSafeInteger(number) || number < 0))
    throw new HubError('invalid-request', 'Expected "path" first end');
  const [offset = 0, end] = numbers;
  if (end !== undefined && end <= offset) throw new HubError('invalid-request', 'Nothing lies between these offsets');
  return { path: path.replaceAll('""', '"'), range: end === undefined ? { offset } : { offset, length: end - offset } };
}
