import type { Logger } from '../log.js';
import type { Database } from './database.js';
import type { ServerOptions } from './server-options.js';
import { SqliteDatabase } from './sqlite-database.js';

/** Where the records are and how they are kept. */
export interface DatabaseOptions extends Partial<ServerOptions> {
  /** 'sqlite:FILE', relative to the data directory, or 'sqlite::memory:'; 'mysql://…' or 'postgres://…'. */
  readonly url: string;
  /** Whether a commit waits for the disk, or only survives the end of the process. A server may know better. */
  readonly durability: 'disk' | 'process';
  readonly dataDirectory: string;
  readonly log: Logger;
}

/** Opens the database that `url` names; an SQLite file is made when it is missing. Throws 'unavailable' with a sentence that names the place. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  if (options.url.startsWith('sqlite:')) return SqliteDatabase.open(options);
  // Loaded only by those who have a server.
  const { ServerDatabase } = await import('./server-database.js');
  return ServerDatabase.open(options);
}
