import type { Migration } from '../db/database.js';
import type { Extension } from '../extensions/extension.js';

/** What is shipped: loaded only by the commands that open a hub. */
export interface Shipped {
  readonly bundled: readonly Extension[];
  readonly migrations: readonly Migration[];
}

/** What the command line needs of the process that it runs in. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As it was called, for commands to copy: 'npx entrepot'. */
  readonly program: string;
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly errors: { write(text: string): unknown; readonly isTTY?: boolean };
  loadShipped(): Promise<Shipped>;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly dataDir: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** A command line that is wrong: exit 2. The message is one sentence. */
export class UsageError extends Error {}
