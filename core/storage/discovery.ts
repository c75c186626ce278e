import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from '../log.js';
import type { StorageDefinition, StorageSource } from './registry.js';

/**
 * Offers every directory in `directory` as a local storage under its name. It is looked up at each request, so one that
 * is made appears without a restart. Names that start with '.' and links are left out; so is everything while
 * `directory` is missing.
 */
export class DiscoveredStorages implements StorageSource {
  readonly #directory: string;

  constructor(
    directory: string,
    private readonly log: Logger,
  ) {
    this.#directory = resolve(directory);
  }

  async findByName(name: string): Promise<StorageDefinition | undefined> {
    if (!isOffered(name)) return undefined;
    const stats: Stats | undefined = await lstat(join(this.#directory, name)).catch(() => undefined);
    return stats?.isDirectory() ? this.#definition(name) : undefined;
  }

  async list(): Promise<readonly StorageDefinition[]> {
    try {
      const entries = await readdir(this.#directory, { withFileTypes: true });
      return entries.filter(entry => entry.isDirectory() && isOffered(entry.name)).map(entry => this.#definition(entry.name));
    } catch (error) {
      this.log.warn({ directory: this.#directory, err: error }, 'The directory of discovered storages cannot be read');
      return [];
    }
  }

  #definition(name: string): StorageDefinition {
    return { name, kind: 'local', options: { root: join(this.#directory, name), create: false } };
  }
}

/** A name that means one entry of the directory, and that no decoding has changed. */
function isOffered(name: string): boolean {
  return name !== '' && !name.startsWith('.') && !/[/\0\ufffd]/.test(name);
}
