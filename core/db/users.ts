import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError, StaleVersion } from '../errors.js';
import { uuidv7 } from '../ids.js';
import { write } from './change.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';
import { foldUsername } from './names.js';
import type { Page } from './page.js';
import type { User, UserFields, UserFilter, UserOrder, UserWindow } from './user.js';
import { checkFields, toColumns, toUser, type UserRow } from './user-record.js';

export { checkUsername } from './names.js';
export type { Page } from './page.js';
export type { PublicKey } from './public-keys.js';
export {
  type Mount,
  type NamePattern,
  type Permissions,
  PROOFS,
  type Proof,
  RIGHTS,
  type Right,
  type User,
  type UserFields,
  type UserFilter,
} from './user.js';

/** A key or a mount, as one query reads both: fingerprint, algorithm, data, comment; or path, storage, directory. */
interface PartRow {
  readonly kind: 'key' | 'mount';
  readonly user_id: string;
  readonly position: number;
  readonly a: string;
  readonly b: string;
  readonly c: string;
  readonly d: string;
}

/**
 * Users, their keys and their mounts. One class a table, methods named for what callers need; no generic CRUD and no interface, since
 * there is one implementation. Every method takes an optional transaction; writes publish 'records.changed' after commit.
 */
@injectable()
export class UserRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** Compares the folded form (NFKC, lower case). As many queries for a name that nobody has: how long it takes tells nothing. */
  async findByUsername(username: string, trx?: Knex.Transaction): Promise<User | undefined> {
    const db = trx ?? this.database.knex;
    return (await withParts(db, await db<UserRow>('users').where({ username_folded: foldUsername(username) })))[0];
  }

  async find(id: string, trx?: Knex.Transaction): Promise<User | undefined> {
    const db = trx ?? this.database.knex;
    return (await withParts(db, await db<UserRow>('users').where({ id })))[0];
  }

  /** Whether the user of this name has a password; undefined when there is no such user. */
  async hasPassword(username: string): Promise<boolean | undefined> {
    const row = await this.database
      .knex<UserRow>('users')
      .where({ username_folded: foldUsername(username) })
      .first('password_hash');
    return row && row.password_hash !== null;
  }

  /** Whether there is a user of this name who may log in by certain methods only. Costs the same for a name that nobody has. */
  async isBoundToMethods(username: string): Promise<boolean> {
    const row = await this.database
      .knex<UserRow>('users')
      .where({ username_folded: foldUsername(username) })
      .first('methods');
    return row !== undefined && row.methods !== '[]';
  }

  /** Undefined when there is no such user, or he has no password. */
  async passwordHash(id: string, trx?: Knex.Transaction): Promise<string | undefined> {
    const row = await (trx ?? this.database.knex)<UserRow>('users').where({ id }).first('password_hash');
    return row?.password_hash ?? undefined;
  }

  /** The page after `cursor`, by username, with the total. Throws 'invalid-request' for a cursor that no page gave. */
  async page(filter: UserFilter, cursor: string | undefined, limit: number): Promise<Page<User>> {
    const db = this.database.reader;
    const matching = matchingUsers(db, filter);
    const [count] = await matching.clone().count({ total: '*' });
    if (cursor !== undefined) matching.where('username_folded', '>', decodeCursor(cursor));
    const rows = await matching.orderBy('username_folded').limit(limit + 1);
    const items = await withParts(db, rows.slice(0, limit));
    const total = Number(count?.total ?? 0);
    return rows.length > limit
      ? { items, total, next: Buffer.from(foldUsername(items.at(-1)!.username)).toString('base64url') }
      : { items, total };
  }

  /** A part of the sorted list, with the total. */
  async window(filter: UserFilter, { order, descending, offset, limit }: UserWindow): Promise<Omit<Page<User>, 'next'>> {
    const db = this.database.reader;
    const matching = matchingUsers(db, filter);
    const [count] = await matching.clone().count({ total: '*' });
    const rows = await matching
      .orderBy(COLUMNS[order], descending ? 'desc' : 'asc')
      .orderBy('username_folded')
      .offset(offset)
      .limit(limit);
    return { items: await withParts(db, rows), total: Number(count?.total ?? 0) };
  }

  /** Throws 'already-exists', or 'invalid-request' that names the field. */
  create(user: UserFields, trx?: Knex.Transaction): Promise<User> {
    const id = uuidv7();
    return this.#write(id, trx, async trx => {
      const checked = checkFields(user);
      await unlessTaken(checked.username, trx('users').insert({ ...toColumns(checked), id, created_at: Date.now(), version: 1 }));
      await replaceParts(trx, id, checked);
      return (await this.find(id, trx))!;
    });
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is no longer current; 'already-exists' when the new name is taken. */
  update(id: string, changes: Partial<UserFields>, expectedVersion: number, trx?: Knex.Transaction): Promise<User> {
    return this.#write(id, trx, async trx => {
      const checked = checkFields(changes);
      const columns = { ...toColumns(checked), version: expectedVersion + 1 };
      const changed = await unlessTaken(checked.username, trx('users').where({ id, version: expectedVersion }).update(columns));
      if (changed === 0) await refuse(await this.find(id, trx));
      await replaceParts(trx, id, checked);
      return (await this.find(id, trx))!;
    });
  }

  /** Remembers the time of a login. This is told to nobody, and leaves the version as it is: it changes nothing of what the user may do. */
  async recordLogin(id: string, at: Date): Promise<void> {
    await this.database.change([{ sql: 'UPDATE users SET last_login_at = ? WHERE id = ?', bindings: [at.getTime(), id] }]);
  }

  /** With his keys and mounts; his files stay. Throws 'not-found', or 'conflict' when `expectedVersion` is given and no longer current. */
  delete(id: string, expectedVersion?: number, trx?: Knex.Transaction): Promise<void> {
    const where = { id, ...(expectedVersion !== undefined && { version: expectedVersion }) };
    return this.#write(id, trx, async trx => {
      if ((await trx('users').where(where).del()) === 0) await refuse(await this.find(id, trx));
    });
  }

  #write<T>(id: string, trx: Knex.Transaction | undefined, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return write(this.database, this.coordinator, { table: 'users', id }, trx, work);
  }
}

const COLUMNS: Readonly<Record<UserOrder, string>> = {
  username: 'username_folded',
  createdAt: 'created_at',
  lastLoginAt: 'last_login_at',
  expiresAt: 'expires_at',
  status: 'status',
};

function matchingUsers(db: Knex, { search, status, storage }: UserFilter) {
  const matching = db<UserRow>('users');
  if (search) matching.whereRaw("username_folded LIKE ? ESCAPE '!'", [`%${foldUsername(search).replace(/[!%_]/g, '!$&')}%`]);
  if (status) matching.where({ status });
  if (storage) matching.whereIn('id', db('mounts').where({ storage }).select('user_id'));
  return matching;
}

async function withParts(db: Knex, rows: readonly UserRow[]): Promise<readonly User[]> {
  // Asked also for no rows, which a login must not notice.
  const ids = rows.map(row => row.id);
  const keys = db('public_keys')
    .whereIn('user_id', ids)
    .select(db.raw("'key' AS kind"), 'user_id', 'position', 'fingerprint AS a', 'algorithm AS b', 'data AS c', 'comment AS d');
  const mounts = db('mounts')
    .whereIn('user_id', ids)
    .select(db.raw("'mount' AS kind"), 'user_id', 'position', 'path AS a', 'storage AS b', 'directory AS c', db.raw("'' AS d"));
  const parts: PartRow[] = await keys.unionAll([mounts]);
  parts.sort((one, other) => one.position - other.position);
  return rows.map(row => {
    const own = parts.filter(part => part.user_id === row.id);
    return toUser(
      row,
      own.filter(({ kind }) => kind === 'key').map(({ a, b, c, d }) => ({ fingerprint: a, algorithm: b, data: c, comment: d })),
      own.filter(({ kind }) => kind === 'mount').map(({ a, b, c }) => ({ path: a, storage: b, directory: c })),
    );
  });
}

async function replaceParts(trx: Knex.Transaction, id: string, { keys, mounts }: Partial<UserFields>): Promise<void> {
  if (keys) await replace(trx, 'public_keys', id, keys);
  if (mounts) await replace(trx, 'mounts', id, mounts);
}

async function replace(trx: Knex.Transaction, table: string, id: string, parts: readonly object[]): Promise<void> {
  await trx(table).where({ user_id: id }).del();
  // A row at a time: a database takes only so many values in one statement.
  for (const [position, part] of parts.entries()) await trx(table).insert({ ...part, user_id: id, position });
}

async function unlessTaken<T>(username: string | undefined, query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    if (isDuplicate(error)) throw new HubError('already-exists', `There is a user '${username}' already`, { field: 'username' });
    throw error;
  }
}

async function refuse(user: User | undefined): Promise<never> {
  if (!user) throw new HubError('not-found', 'There is no such user');
  throw new StaleVersion(`Somebody else has changed user '${user.username}' in the meantime`);
}

function decodeCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString();
  if (name === '' || Buffer.from(name).toString('base64url') !== cursor)
    throw new HubError('invalid-request', 'The cursor is not one that a page gave');
  return name;
}
