import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError, StaleVersion } from '../errors.js';
import { uuidv7 } from '../ids.js';
import type { Admin, AdminFields, AdminRole } from './admin.js';
import { write } from './change.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';
import { checkUsername, foldUsername } from './names.js';

export type { Admin, AdminRole } from './admin.js';

interface AdminRow {
  readonly id: string;
  readonly username: string;
  readonly username_folded: string;
  readonly role: AdminRole;
  readonly status: 'active' | 'disabled';
  readonly password_hash: string | null;
  readonly created_at: number;
  readonly last_login_at: number | null;
  readonly version: number;
}

/** Those who administer. One of them, at least, is an active owner, once there was one. Writes publish 'records.changed' after commit. */
@injectable()
export class AdminRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** All of them, by name. */
  async list(): Promise<readonly Admin[]> {
    return (await this.database.knex<AdminRow>('admins').orderBy('username_folded')).map(toAdmin);
  }

  async find(id: string): Promise<Admin | undefined> {
    const row = await this.database.knex<AdminRow>('admins').where({ id }).first();
    return row && toAdmin(row);
  }

  /** Compares the folded form (NFKC, lower case). */
  async findByUsername(username: string): Promise<Admin | undefined> {
    const row = await this.database
      .knex<AdminRow>('admins')
      .where({ username_folded: foldUsername(username) })
      .first();
    return row && toAdmin(row);
  }

  async isEmpty(): Promise<boolean> {
    return (await this.database.knex<AdminRow>('admins').first('id')) === undefined;
  }

  /** Undefined when there is no such admin, or he has no password. */
  async passwordHash(id: string): Promise<string | undefined> {
    return (await this.database.knex<AdminRow>('admins').where({ id }).first('password_hash'))?.password_hash ?? undefined;
  }

  /** Throws 'already-exists', or 'invalid-request' for a name that is none. With `first`, throws 'conflict' when there is an admin already. */
  create(fields: AdminFields, { first = false }: { readonly first?: boolean } = {}): Promise<Admin> {
    const id = uuidv7();
    const columns = toColumns(fields);
    return this.#write(id, async trx => {
      if (first) await lockAdmins(trx);
      if (first && (await trx<AdminRow>('admins').first('id'))) throw new HubError('conflict', 'There is an admin already');
      await unlessTaken(fields.username, trx('admins').insert({ ...columns, id, created_at: Date.now(), version: 1 }));
      return toAdmin((await trx<AdminRow>('admins').where({ id }).first())!);
    });
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is no longer current or no active owner would be left. */
  update(id: string, changes: Partial<AdminFields>, expectedVersion: number): Promise<Admin> {
    const columns = toColumns(changes);
    return this.#write(id, async trx => {
      await lockAdmins(trx);
      const query = trx('admins')
        .where({ id, version: expectedVersion })
        .update({ ...columns, version: expectedVersion + 1 });
      if ((await unlessTaken(changes.username, query)) === 0) await refuse(trx, id);
      await requireOwner(trx);
      return toAdmin((await trx<AdminRow>('admins').where({ id }).first())!);
    });
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is given and no longer current, or no active owner would be left. */
  delete(id: string, expectedVersion?: number): Promise<void> {
    const where = { id, ...(expectedVersion !== undefined && { version: expectedVersion }) };
    return this.#write(id, async trx => {
      await lockAdmins(trx);
      if ((await trx('admins').where(where).del()) === 0) await refuse(trx, id);
      await requireOwner(trx);
    });
  }

  /** Leaves the version as it is. */
  async recordLogin(id: string, at: Date): Promise<void> {
    await this.database.change([{ sql: 'UPDATE admins SET last_login_at = ? WHERE id = ?', bindings: [at.getTime(), id] }]);
  }

  #write<T>(id: string, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return write(this.database, this.coordinator, { table: 'admins', id }, undefined, work);
  }
}

function toAdmin(row: AdminRow): Admin {
  const { id, username, role, status, version } = row;
  return {
    id,
    username,
    role,
    status,
    hasPassword: row.password_hash !== null,
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at ?? undefined,
    version,
  };
}

function toColumns({ username, role, status, passwordHash }: Partial<AdminFields>): Partial<AdminRow> {
  const name = username === undefined ? undefined : checkUsername(username);
  return {
    ...(name !== undefined && { username: name, username_folded: foldUsername(name) }),
    ...(role && { role }),
    ...(status && { status }),
    ...(passwordHash !== undefined && { password_hash: passwordHash }),
  };
}

/** Of several who change admins, one does it at a time, also where the database has more than one connection that writes. */
async function lockAdmins(trx: Knex.Transaction): Promise<void> {
  await trx('settings').where({ key: 'hub.id' }).forUpdate().first('key');
}

async function requireOwner(trx: Knex.Transaction): Promise<void> {
  const left = await trx<AdminRow>('admins').where({ role: 'owner', status: 'active' }).first('id');
  if (!left) throw new HubError('conflict', 'The last owner must stay one: make somebody else an owner first');
}

async function unlessTaken<T>(username: string | undefined, query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    if (isDuplicate(error)) throw new HubError('already-exists', `There is an admin '${username}' already`, { field: 'username' });
    throw error;
  }
}

async function refuse(trx: Knex.Transaction, id: string): Promise<never> {
  const row = await trx<AdminRow>('admins').where({ id }).first('username');
  if (!row) throw new HubError('not-found', 'There is no such admin');
  throw new StaleVersion(`Somebody else has changed admin '${row.username}' in the meantime`);
}
