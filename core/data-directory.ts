import { access, chmod, constants, mkdir } from 'node:fs/promises';
import { HubError } from './errors.js';

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
