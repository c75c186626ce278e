import type { Outcome } from './children.js';
import type { Account, Clients } from './clients.js';

export { LIMIT_MS } from './clients.js';

/** A client that somebody uses, and what it can do. Everything throws with what the client printed when it failed. */
export interface FileClient {
  readonly put: (local: string, remote: string) => Promise<unknown>;
  readonly get: (remote: string, local: string) => Promise<unknown>;
  /** Goes on with what the server has of the file. */
  readonly resumePut?: (local: string, remote: string) => Promise<unknown>;
  /** Goes on with what the local file has. */
  readonly resumeGet?: (remote: string, local: string) => Promise<unknown>;
  /** What it prints for a folder, in lines: names, or lines that end with one. */
  readonly list?: (folder: string) => Promise<readonly string[]>;
  readonly rename?: (from: string, to: string) => Promise<unknown>;
  readonly remove?: (path: string) => Promise<unknown>;
  /** What it has put may be there only a moment after it said so: a file system closes files behind the back of programs. */
  readonly closesLater?: boolean;
  /** Lets go of what it holds. */
  readonly end?: () => Promise<unknown>;
}

/** Makes a client ready for the account. Throws Lacking where this machine has it not. */
export type ClientMaker = (clients: Clients, account: Account) => FileClient | Promise<FileClient>;

/** What a program printed, when it said that it succeeded. Throws with the end of that otherwise. */
export async function succeeded(outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, output } = await outcome;
  if (code !== 0) throw new Error(`exit ${code}: ${output.slice(-1_000) || 'nothing printed'}`);
  return stdout;
}

/** The lines of a text that are not empty, without the carriage returns of some. */
export function linesOf(text: string): string[] {
  return text.split('\n').flatMap(line => line.trimEnd() || []);
}
