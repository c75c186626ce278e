import type { Client } from './client.js';
import type { Reply } from './replies.js';

/** The reply, now or later; undefined when the command has answered by itself. */
export type Answer = Reply | Promise<Reply> | undefined;

/** A row of the table of commands. */
export interface Command {
  readonly name: string;
  /** Other spellings: XMKD for MKD. */
  readonly aliases?: readonly string[];
  /** May be used before the login. */
  readonly open?: boolean;
  /** May be used, without an argument, while a transfer runs. */
  readonly during?: boolean;
  /** What HELP says after the name. */
  readonly syntax: string;
  readonly description: string;
  /** Lines of FEAT (RFC 2389); none where the commands of RFC 959 are meant. */
  features?(client: Client): readonly string[];
  /** Acts for a client. `argument` is what follows the first space, unchanged. What it throws becomes the reply. */
  run(client: Client, argument: string): Answer;
}
