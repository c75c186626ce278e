import { printable } from '#core/api.js';
import type { Client } from './client.js';
import type { Command } from './command.js';
import { ALL_FACTS } from './facts.js';
import { splitFirst } from './file-commands.js';
import { ftpSrvCommand } from './ftp-srv.js';
import { chooseHash } from './hash-commands.js';
import type { Reply } from './replies.js';

/** Commands about the server and the client (RFC 959, 2389, 2640). `all` gives the whole table. */
export function infoCommands(all: () => readonly Command[]): readonly Command[] {
  return [
    {
      name: 'FEAT',
      open: true,
      syntax: '',
      description: 'List what this server can beyond RFC 959',
      run: client => features(client, all()),
    },
    {
      name: 'HELP',
      open: true,
      syntax: '[<command>]',
      description: 'List commands, or explain one',
      run: (_client, argument) => help(argument, all()),
    },
    { name: 'OPTS', open: true, syntax: '<command> <options>', description: 'Choose how a command works', run: options },
    { name: 'SYST', open: true, ...ftpSrvCommand('syst') },
    { name: 'NOOP', open: true, during: true, ...ftpSrvCommand('noop') },
    { name: 'CLNT', open: true, syntax: '<name>', description: 'Name the client', features: () => ['CLNT'], run: clientName },
    {
      name: 'LANG',
      open: true,
      syntax: '[<tag>]',
      description: 'Choose the language of replies',
      features: () => ['LANG EN*'],
      run: language,
    },
  ];
}

function features(client: Client, commands: readonly Command[]): Reply {
  const lines = ['UTF8', ...commands.flatMap(command => command.features?.(client) ?? [])];
  return [211, 'Extensions', ...lines.map(line => ` ${line}`), 'End'];
}

function help(name: string, commands: readonly Command[]): Reply {
  if (name === '') {
    const names = commands.map(command => command.name);
    const lines: string[] = [];
    for (let at = 0; at < names.length; at += 8) lines.push(` ${names.slice(at, at + 8).join(' ')}`);
    return [214, 'Commands', ...lines, 'HELP <command> explains one'];
  }
  const command = commands.find(one => one.name === name.toUpperCase());
  return command ? [214, `${command.name} ${command.syntax}`.trim(), command.description] : [502, 'Unknown command'];
}

function options(client: Client, argument: string): Reply {
  const [name, rest] = splitFirst(argument);
  switch (name.toUpperCase()) {
    case 'UTF8':
    case 'UTF-8':
      return rest.toUpperCase() === 'OFF' ? [504, 'Names are UTF-8 always'] : [200, 'Names are UTF-8'];
    case 'MLST':
      return chooseFacts(client, rest);
    case 'HASH':
      return chooseHash(client, rest);
    default:
      return [501, 'Nothing can be chosen there'];
  }
}

function chooseFacts(client: Client, wanted: string): Reply {
  const names = wanted.toLowerCase().split(';');
  client.facts = ALL_FACTS.filter(fact => names.includes(fact));
  return [200, `MLST OPTS ${client.facts.map(fact => `${fact};`).join('')}`];
}

function clientName(client: Client, name: string): Reply {
  client.context.log.debug({ remoteAddress: client.line.remoteAddress, client: printable(name.slice(0, 200)) }, 'A client named itself');
  return [200, 'Noted'];
}

function language(_client: Client, tag: string): Reply {
  return tag === '' || /^en(-|$)/i.test(tag) ? [200, 'Replies are in English'] : [504, 'Replies are in English only'];
}
