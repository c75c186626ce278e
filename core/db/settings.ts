import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError } from '../errors.js';
import { write } from './change.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';

/** Settings that have one value, as JSON by key. The owner of a key checks what it reads. Writes publish 'records.changed' after commit. */
@injectable()
export class SettingsRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** Undefined when the key was never set. */
  async get(key: string, trx?: Knex.Transaction): Promise<unknown> {
    const row = await (trx ?? this.database.knex)<{ key: string; value: string }>('settings').where({ key }).first('value');
    if (!row) return undefined;
    try {
      return JSON.parse(row.value);
    } catch (cause) {
      throw new HubError('internal', `The setting '${key}' is damaged`, { cause });
    }
  }

  /** Sets or replaces. */
  set(key: string, value: unknown, trx?: Knex.Transaction): Promise<void> {
    return this.#write(key, trx, async trx => {
      await trx('settings').insert(toRow(key, value)).onConflict('key').merge();
    });
  }

  /** Sets the key unless it is there, and says whether it did: of several processes that try, one succeeds. */
  async add(key: string, value: unknown): Promise<boolean> {
    try {
      await this.#write(key, undefined, async trx => {
        await trx('settings').insert(toRow(key, value));
      });
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  /** Replaces the value by what `change` makes of it, while no other process changes it. `change` may be called again, and changes nothing but records, by `trx`. */
  async update(key: string, change: (value: unknown, trx: Knex.Transaction) => Promise<unknown>): Promise<void> {
    if ((await this.get(key)) === undefined) await this.add(key, null);
    await this.#write(key, undefined, async trx => {
      await trx('settings').where({ key }).forUpdate().first('key');
      const value = await change((await this.get(key, trx)) ?? undefined, trx);
      await trx('settings').where({ key }).update(toRow(key, value));
    });
  }

  #write(key: string, trx: Knex.Transaction | undefined, work: (trx: Knex.Transaction) => Promise<void>): Promise<void> {
    return write(this.database, this.coordinator, { table: 'settings', id: key }, trx, work);
  }
}

function toRow(key: string, value: unknown): { key: string; value: string; updated_at: number } {
  return { key, value: JSON.stringify(value ?? null), updated_at: Date.now() };
}
