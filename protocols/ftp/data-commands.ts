import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { addressWithin, toHubError } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { ActivePort, parseExtendedPort, parsePort } from './data-port.js';
import { ftpSrvCommand } from './ftp-srv.js';
import type { PassivePort } from './passive.js';
import { Refusal, type Reply } from './replies.js';

/** Commands about the data connection and how files go over it (RFC 959, 2428). */
export const DATA_COMMANDS: readonly Command[] = [
  { name: 'PASV', syntax: '', description: 'Let the hub listen for the next data connection (IPv4)', run: passive },
  { name: 'EPSV', syntax: '[1|2|ALL]', description: 'The same, also for IPv6', features: () => ['EPSV'], run: extendedPassive },
  { name: 'PORT', syntax: 'h1,h2,h3,h4,p1,p2', description: 'Let the hub connect to the client (IPv4)', run: active },
  {
    name: 'EPRT',
    syntax: '|family|address|port|',
    description: 'The same, also for IPv6',
    features: ({ context }) => (context.options.active ? ['EPRT'] : []),
    run: extendedActive,
  },
  { name: 'TYPE', syntax: 'A|I|L 8', description: 'Send files as text or as they are', run: type },
  { name: 'MODE', ...ftpSrvCommand('mode') },
  { name: 'STRU', ...ftpSrvCommand('stru') },
  { name: 'ALLO', ...ftpSrvCommand('allo') },
];

const FIRST_ALLOWED_PORT = 1_024;

async function passive(client: Client): Promise<Reply> {
  if (client.extendedOnly) return [503, 'EPSV ALL was given'];
  if (!isIPv4(client.line.reachedAddress)) return [425, 'PASV is for IPv4: use EPSV'];
  const address = await announcedAddress(client);
  const { port } = await listen(client);
  return [227, `Entering Passive Mode (${address.replaceAll('.', ',')},${port >> 8},${port & 0xff})`];
}

async function extendedPassive(client: Client, argument: string): Promise<Reply> {
  if (argument.toUpperCase() === 'ALL') {
    client.extendedOnly = true;
    return [200, 'Only EPSV from here on'];
  }
  const family = isIPv6(client.line.reachedAddress) ? '2' : '1';
  if (argument !== '' && argument !== '1' && argument !== '2') return [501, 'Expected 1, 2 or ALL'];
  if (argument !== '' && argument !== family) return [522, `Network protocol not supported, use (${family})`];
  const { port } = await listen(client);
  return [229, `Entering Extended Passive Mode (|||${port}|)`];
}

async function listen(client: Client): Promise<PassivePort> {
  client.closePort();
  const { remoteAddress, localAddress } = client.line;
  try {
    const port = await client.context.ports.open({ user: client.session!.user.id, remoteAddress, localAddress });
    client.expect(port);
    // A client that left meanwhile must not leave a listener behind.
    if (!client.session) client.closePort();
    return port;
  } catch (error) {
    throw new Refusal(425, toHubError(error).message);
  }
}

/** What clients behind NAT, or inside it, have to connect to. */
async function announcedAddress({ context, line }: Client): Promise<string> {
  const { host, networks } = context.options.passive;
  const announced = networks.find(({ clients }) => addressWithin(line.remoteAddress, clients))?.host ?? host;
  if (announced === undefined) return line.reachedAddress;
  if (isIPv4(announced)) return announced;
  try {
    return (await lookup(announced, { family: 4 })).address;
  } catch {
    throw new Refusal(425, 'The address for data connections cannot be found; use EPSV');
  }
}

function active(client: Client, argument: string): Reply {
  return expectAt(client, parsePort(argument));
}

function extendedActive(client: Client, argument: string): Reply {
  try {
    return expectAt(client, parseExtendedPort(argument));
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code === 'unsupported') return [522, failure.message];
    throw failure;
  }
}

/** Never to anyone but the client itself, and to no service of its machine (RFC 2577). */
function expectAt(client: Client, { host, port }: { readonly host: string; readonly port: number }): Reply {
  if (client.extendedOnly) return [503, 'EPSV ALL was given'];
  if (!client.context.options.active) return [502, 'Active mode is off here: use PASV or EPSV'];
  if (!addressWithin(client.line.remoteAddress, [host])) return [504, 'Only to the address that you come from'];
  if (port < FIRST_ALLOWED_PORT) return [504, 'Not to a port below 1024'];
  client.expect(new ActivePort(host, port, client.line.localAddress));
  return [200, 'Data goes there'];
}

function type(client: Client, argument: string): Reply {
  const wanted = argument.toUpperCase().trim();
  if (/^(A|A N|I|L 8)$/.test(wanted)) {
    client.ascii = wanted.startsWith('A');
    return [200, client.ascii ? 'Files go as text, line ends as CRLF' : 'Files go as they are'];
  }
  if (/^[AEIL]( \w)?$/.test(wanted)) return [504, 'Only A, I and L 8 are known'];
  return [501, 'Expected A or I'];
}
