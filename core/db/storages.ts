import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { z } from 'zod';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError, StaleVersion } from '../errors.js';
import { uuidv7 } from '../ids.js';
import { Secrets } from '../secrets.js';
import { write } from './change.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';
import { checkStorageName } from './names.js';

/** A named backend with options. */
export interface Storage {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly version: number;
}

interface StorageRow {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly options: string;
  readonly created_at: number;
  readonly version: number;
}

/** The backend that knows them checks what is in the options. */
const optionsSchema = z.record(z.string(), z.unknown());

/**
 * Storages, without the discovered ones. Their options are sealed as a whole, since only the backend knows which of them are secrets.
 * Every method takes an optional transaction; writes publish 'records.changed' after commit.
 */
@injectable()
export class StorageRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
    private readonly secrets: Secrets,
  ) {}

  async findByName(name: string, trx?: Knex.Transaction): Promise<Storage | undefined> {
    const row = await (trx ?? this.database.knex)<StorageRow>('storages')
      .where({ name: name.normalize('NFC') })
      .first();
    return row && this.#fromRow(row);
  }

  /** All of them, by name. */
  async list(trx?: Knex.Transaction): Promise<readonly Storage[]> {
    return (await (trx ?? this.database.reader)<StorageRow>('storages').orderBy('name')).map(row => this.#fromRow(row));
  }

  /** Throws 'already-exists', or 'invalid-request' for a name that is not allowed. */
  create({ name, kind, options }: Pick<Storage, 'name' | 'kind' | 'options'>, trx?: Knex.Transaction): Promise<Storage> {
    const id = uuidv7();
    return write(this.database, this.coordinator, { table: 'storages', id }, trx, async trx => {
      const row = {
        id,
        name: checkStorageName(name),
        kind,
        options: this.secrets.seal(JSON.stringify(options), id),
        created_at: Date.now(),
        version: 1,
      };
      await trx('storages')
        .insert(row)
        .catch((error: unknown) => {
          if (isDuplicate(error)) throw new HubError('already-exists', `There is a storage '${row.name}' already`);
          throw error;
        });
      return this.#fromRow(row);
    });
  }

  /** Replaces the options. Throws 'not-found', or 'conflict' when `expectedVersion` is no longer current. */
  async update(name: string, options: Storage['options'], expectedVersion: number): Promise<Storage> {
    const storage = await this.findByName(name);
    if (!storage) throw new HubError('not-found', `There is no storage '${name}'`);
    return write(this.database, this.coordinator, { table: 'storages', id: storage.id }, undefined, async trx => {
      const columns = { options: this.secrets.seal(JSON.stringify(options), storage.id), version: expectedVersion + 1 };
      if ((await trx('storages').where({ id: storage.id, version: expectedVersion }).update(columns)) === 0) throw staleStorage(name);
      return { ...storage, options, version: expectedVersion + 1 };
    });
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is given and no longer current, or while a user's mount uses it; the message names one. The files stay. */
  async delete(name: string, expectedVersion?: number, trx?: Knex.Transaction): Promise<void> {
    const storage = await this.findByName(name, trx);
    if (!storage) throw new HubError('not-found', `There is no storage '${name}'`);
    await write(this.database, this.coordinator, { table: 'storages', id: storage.id }, trx, async trx => {
      const mount = await trx('mounts')
        .join('users', 'users.id', 'mounts.user_id')
        .where({ storage: storage.name })
        .first<{ username: string; path: string } | undefined>('username', 'path');
      if (mount)
        throw new HubError('conflict', `The storage '${storage.name}' is in use: user '${mount.username}' has it at ${mount.path}`);
      const where = { id: storage.id, ...(expectedVersion !== undefined && { version: expectedVersion }) };
      if ((await trx('storages').where(where).del()) === 0) throw staleStorage(name);
    });
  }

  #fromRow(row: StorageRow): Storage {
    try {
      // Records of versions that did not seal yet are plain JSON.
      const text = row.options.startsWith('{') ? row.options : this.secrets.open(row.options, row.id);
      const options = optionsSchema.parse(JSON.parse(text));
      return { id: row.id, name: row.name, kind: row.kind, options, createdAt: row.created_at, version: row.version };
    } catch (cause) {
      throw new HubError('internal', `The record of storage '${row.name}' is damaged (options)`, { cause });
    }
  }
}

function staleStorage(name: string): HubError {
  return new StaleVersion(`Somebody else has changed storage '${name}' in the meantime`);
}
