import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { uuidv7 } from '../ids.js';
import { write } from './change.js';
import { Database } from './database.js';

/** An interrupted upload that can be resumed. */
export interface KeptUpload {
  readonly id: string;
  /** Undefined once the user was removed. */
  readonly userId: string | undefined;
  /** The path as the user saw it. */
  readonly path: string;
  readonly storage: string;
  readonly storagePath: string;
  /** Where in the storage the content is. */
  readonly temporary: string;
  /** In bytes. */
  readonly size: number;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Whose upload, to which place. */
export type UploadPlace = Pick<KeptUpload, 'storage' | 'storagePath'> & { readonly userId: string };

interface UploadRow {
  readonly id: string;
  readonly user_id: string | null;
  readonly path: string;
  readonly storage: string;
  readonly storage_path: string;
  readonly temporary: string;
  readonly size: number;
  readonly expires_at: number;
}

/** Interrupted uploads, at most one for a user and a place. What is kept publishes 'records.changed' with the user's id after commit. */
@injectable()
export class UploadRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** Keeps an upload in the place of those of the same user to the same place, which it resolves to. Throws when the user is gone. */
  keep(upload: Omit<KeptUpload, 'id'>): Promise<readonly KeptUpload[]> {
    const { userId, path, storage, storagePath, temporary, size, expiresAt } = upload;
    return write(this.database, this.coordinator, { table: 'uploads', id: userId ?? '' }, undefined, async trx => {
      const replaced = userId === undefined ? [] : await taken(trx, { userId, storage, storagePath });
      await trx('uploads').insert({
        id: uuidv7(),
        user_id: userId ?? null,
        path,
        storage,
        storage_path: storagePath,
        temporary,
        size,
        expires_at: expiresAt,
      });
      return replaced;
    });
  }

  /** Takes the upload off the record: of several who try, one gets it. */
  take(place: UploadPlace): Promise<KeptUpload | undefined> {
    return this.database.transaction(async trx => (await taken(trx, place))[0]);
  }

  /** Takes the one of that id off the record, and says whether it was there. */
  async remove(id: string): Promise<boolean> {
    return (await this.database.knex<UploadRow>('uploads').where({ id }).del()) > 0;
  }

  async ofUser(userId: string): Promise<readonly KeptUpload[]> {
    return (await this.database.knex<UploadRow>('uploads').where({ user_id: userId })).map(toUpload);
  }

  async ofStorage(storage: string): Promise<readonly KeptUpload[]> {
    return (await this.database.knex<UploadRow>('uploads').where({ storage })).map(toUpload);
  }

  async list(): Promise<readonly KeptUpload[]> {
    return (await this.database.knex<UploadRow>('uploads').orderBy('id')).map(toUpload);
  }

  /** Those whose time was over at `now`, or whose user is gone. */
  async overdue(now: number): Promise<readonly KeptUpload[]> {
    return (await this.database.knex<UploadRow>('uploads').where('expires_at', '<=', now).orWhereNull('user_id')).map(toUpload);
  }
}

async function taken(trx: Knex.Transaction, { userId, storage, storagePath }: UploadPlace): Promise<readonly KeptUpload[]> {
  // Whoever comes at the same time waits here, where the database has more than one connection that writes.
  await trx('users').where({ id: userId }).forUpdate().first('id');
  const place = { user_id: userId, storage, storage_path: storagePath };
  const rows = await trx<UploadRow>('uploads').where(place);
  const ids = rows.map(row => row.id);
  if (ids.length > 0) await trx<UploadRow>('uploads').whereIn('id', ids).del();
  return rows.map(toUpload);
}

function toUpload(row: UploadRow): KeptUpload {
  return {
    id: row.id,
    userId: row.user_id ?? undefined,
    path: row.path,
    storage: row.storage,
    storagePath: row.storage_path,
    temporary: row.temporary,
    size: row.size,
    expiresAt: row.expires_at,
  };
}
