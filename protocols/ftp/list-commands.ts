import { type FileInfo, HubError } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { ALL_FACTS, listLine, machineLine } from './facts.js';
import { type Found, type ListRequest, linesOf, openListing } from './listing.js';
import { end, write } from './pumps.js';
import type { Reply } from './replies.js';
import { exchange } from './transfer-commands.js';

/** Commands that list (RFC 959, 3659). */
export const LIST_COMMANDS: readonly Command[] = [
  { name: 'LIST', syntax: '[<path or pattern>]', description: 'List a directory as `ls -l` does', run: list },
  { name: 'NLST', syntax: '[<path or pattern>]', description: 'List the names in a directory', run: listNames },
  { name: 'MLSD', syntax: '[<path>]', description: 'List a directory for machines', run: listFacts },
  {
    name: 'MLST',
    syntax: '[<path>]',
    description: 'Tell the facts of one entry',
    features: client => [`MLST ${ALL_FACTS.map(fact => `${fact}${client.facts.includes(fact) ? '*' : ''};`).join('')}`],
    run: tellFacts,
  },
  {
    name: 'STAT',
    open: true,
    during: true,
    syntax: '[<path>]',
    description: 'Tell how things are, or list over this connection',
    run: status,
  },
];

/** Lines of a listing that goes over the control connection: it blocks everything else. */
const MAX_STATUS_ENTRIES = 1_000;

function list(client: Client, argument: string): Promise<Reply> {
  const now = Date.now();
  return send(client, { path: client.path(withoutFlags(argument) || '.'), file: true, glob: true }, info => listLine(info, now));
}

async function listNames(client: Client, argument: string): Promise<Reply> {
  const wanted = withoutFlags(argument);
  const path = client.path(wanted || '.');
  // The names in a directory that was named are paths, so that they can be asked for as they stand.
  const beside = wanted.slice(0, wanted.lastIndexOf('/') + 1);
  const below = wanted === '' || wanted === '.' ? '' : wanted.endsWith('/') ? wanted : `${wanted}/`;
  return send(client, { path, file: true, glob: true }, ({ name }, found) => (found === 'directory' ? below : beside) + name);
}

function listFacts(client: Client, argument: string): Promise<Reply> {
  return send(client, { path: client.path(argument || '.'), file: false, glob: false }, info => machineLine(info, client.facts));
}

async function send(client: Client, request: ListRequest, line: (info: FileInfo, found: Found) => string): Promise<Reply> {
  client.takeRestart();
  client.requirePort();
  const { found, batches } = await openListing(client.files, request);
  await exchange(client, false, async stream => {
    for await (const batch of batches) {
      const text = linesOf(batch, info => line(info, found));
      if (text !== '') await write(stream, text);
    }
    await end(stream);
  });
  return [226, 'Listing complete'];
}

async function tellFacts(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument || '.');
  return [250, 'Facts', ` ${machineLine(await client.files.lstat(path), client.facts, path)}`, 'End'];
}

function status(client: Client, argument: string): Reply | Promise<Reply> {
  if (argument !== '') return listStatus(client, argument);
  const { session, channel, line } = client;
  const lines = [
    `Entrepot, from ${line.remoteAddress}`,
    session ? `Logged in as ${session.user.username}` : 'Not logged in',
    `${line.isSecure ? 'TLS' : 'No TLS'}, data ${client.isProtected ? 'protected' : 'in clear'}, TYPE ${client.ascii ? 'A' : 'I'}`,
    channel ? 'A transfer is under way' : 'No transfer',
  ];
  return [211, ...lines, 'End'];
}

async function listStatus(client: Client, argument: string): Promise<Reply> {
  const path = client.path(argument);
  const { type } = await client.files.stat(path);
  const now = Date.now();
  const lines: string[] = [];
  const { batches } = await openListing(client.files, { path, file: true, glob: false });
  for await (const batch of batches) {
    for (const line of linesOf(batch, info => listLine(info, now))
      .split('\r\n')
      .slice(0, -1))
      lines.push(` ${line}`);
    if (lines.length > MAX_STATUS_ENTRIES) throw new HubError('unavailable', 'Too many entries: use LIST');
  }
  return [type === 'directory' ? 212 : 213, `Status of ${path}`, ...lines, 'End'];
}

/** Clients send flags of `ls`, which change nothing here. */
function withoutFlags(argument: string): string {
  return argument.replace(/^(-[A-Za-z0-9]+( |$))+/, '');
}
