import type { Knex } from 'knex';

/** A named backend with options. */
export interface Storage {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly version: number;
}

export declare class StorageRepository {
  findByName(name: string, trx?: Knex.Transaction): Promise<Storage | undefined>;
  list(trx?: Knex.Transaction): Promise<readonly Storage[]>;
  /** Throws 'already-exists'. */
  create(storage: Pick<Storage, 'name' | 'kind' | 'options'>, trx?: Knex.Transaction): Promise<Storage>;
  /** Throws 'not-found', or 'conflict' while a user's mount uses it; the message names one. */
  delete(name: string, trx?: Knex.Transaction): Promise<void>;
}
