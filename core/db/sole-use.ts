import { access, open, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { HubError } from '../errors.js';

/** A killed process takes a moment to end. */
const ENDING_MS = 2_000;
const PAUSE_MS = 50;

/**
 * That one hub alone works on an SQLite file, whichever data directory it has: an exclusive lock of the file `<database>.lock`, which the
 * system takes back when the process ends, however it ends. Commands that open the database without a hub do not ask for it.
 */
export class SoleUse {
  private constructor(private readonly lock: Sqlite.Database | undefined) {}

  /** Throws 'conflict' when another hub works on the database `file`, with a sentence that says what to do. */
  static async take(file: string): Promise<SoleUse> {
    const soleUse = await SoleUse.tryTake(file);
    if (soleUse) return soleUse;
    throw new HubError(
      'conflict',
      `Another hub works on the database ${file}: stop it, or give this one another \`database.url\`. SQLite serves one hub; several nodes need MySQL or PostgreSQL.`,
    );
  }

  /** Resolves to undefined when another one has it. */
  static async tryTake(file: string): Promise<SoleUse | undefined> {
    const path = `${await realFile(file)}.lock`;
    // Whoever opens the database says why it cannot be made.
    if (!(await isThere(dirname(path)))) return new SoleUse(undefined);
    const began = performance.now();
    for (;;) {
      const lock = await tryToLock(path);
      if (lock) return new SoleUse(lock);
      if (performance.now() - began > ENDING_MS) return undefined;
      await sleep(PAUSE_MS);
    }
  }

  /** May be repeated. */
  release(): void {
    this.lock?.close();
  }
}

/** The file that `url` names; undefined for a database in memory or on a server. */
export function sqliteFile({ url, dataDirectory }: { readonly url: string; readonly dataDirectory: string }): string | undefined {
  return url.startsWith('sqlite:') && url !== 'sqlite::memory:' ? resolve(dataDirectory, url.slice('sqlite:'.length)) : undefined;
}

/** By links, one file has many names. */
async function realFile(file: string): Promise<string> {
  return realpath(file).catch(async () => join(await realpath(dirname(file)).catch(() => dirname(file)), basename(file)));
}

async function isThere(directory: string): Promise<boolean> {
  return access(directory).then(
    () => true,
    () => false,
  );
}

async function tryToLock(path: string): Promise<Sqlite.Database | undefined> {
  let lock: Sqlite.Database | undefined;
  try {
    await (await open(path, 'a', 0o600)).close();
    lock = new Sqlite(path, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (/^SQLITE_(BUSY|LOCKED)/.test(String(code))) return undefined;
    throw new HubError('unavailable', `The file ${path}, which keeps a second hub from the database, cannot be used: ${String(message)}.`, {
      cause: error,
    });
  }
}
