import { access, chmod, constants, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from './errors.js';
import { randomToken } from './ids.js';

/** Makes the data directory when it is missing, for its owner alone. Throws 'unavailable' when it cannot be written. */
export async function makeDataDirectory(directory: string): Promise<void> {
  try {
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    if (made !== undefined) await chmod(directory, 0o700);
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new HubError(
      'unavailable',
      `The data directory ${directory} cannot be written: ${(error as Error).message}. Give another one by --data-dir.`,
      { cause: error },
    );
  }
}

/** The name that the data directory has for other hubs on the same database: made once, and kept in the file `installation`. */
export async function installationOf(directory: string): Promise<string> {
  const file = join(directory, 'installation');
  const read = async () => (await readFile(file, 'utf8')).trim();
  return read().catch(async () => {
    const made = `${file}.${randomToken(6)}`;
    await writeFile(made, `${randomToken(9)}\n`, { mode: 0o600 });
    // One of several processes that start together names it for all.
    await link(made, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(made);
    return read();
  });
}
