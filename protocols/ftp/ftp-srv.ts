import { createRequire } from 'node:module';
import type { Reply } from './replies.js';

/** A command as ftp-srv registers it, as far as it is used here: handlers that need nothing of a connection but `reply`. */
interface Registration {
  readonly handler: (this: { reply(code: number, text?: string): Reply }, request: { readonly command: { readonly arg: string } }) => Reply;
  readonly syntax: string;
  readonly description: string;
}

const load = createRequire(import.meta.url);

/** The text of each reply code, by ftp-srv. */
export const REPLY_TEXTS = load('ftp-srv/src/messages.js') as Readonly<Record<number, string>>;

/** A command that ftp-srv answers by itself. Each file is loaded alone: the package as a whole costs 17 MB. */
export function ftpSrvCommand(name: 'allo' | 'mode' | 'noop' | 'stru' | 'syst') {
  const { handler, syntax, description } = load(`ftp-srv/src/commands/registration/${name}.js`) as Registration;
  const connection = { reply: (code: number, text?: string): Reply => (text === undefined ? [code] : [code, text]) };
  return {
    run: (_client: unknown, arg: string): Reply => handler.call(connection, { command: { arg } }),
    syntax: syntax.replace('{{cmd}}', '').trim(),
    description,
  };
}
