import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError } from '../errors.js';
import { randomToken, uuidv7 } from '../ids.js';
import type { ApiKey, ApiKeyScope } from './api-key.js';
import { write } from './change.js';
import { Database } from './database.js';
import { type AccountKind, digestOf } from './web-sessions.js';

interface Row {
  readonly id: string;
  readonly prefix: string;
  readonly kind: AccountKind;
  readonly owner_id: string;
  readonly name: string;
  readonly scope: ApiKeyScope;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
}

const PREFIX = 'ek_';
const SECRET_BYTES = 32;
const SHOWN = PREFIX.length + 6;
/** The last use is written at most that often. */
const TOUCH_MS = 60_000;
const MAX_KEYS = 100;

/** Keys of programs, of which only digests are kept. */
@injectable()
export class ApiKeyRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** Makes a key, which is given this once. Throws 'conflict' beyond 100 of one account. */
  async create(
    fields: Pick<ApiKey, 'kind' | 'ownerId' | 'name' | 'scope' | 'expiresAt'>,
  ): Promise<{ readonly key: ApiKey; readonly token: string }> {
    const token = `${PREFIX}${randomToken(SECRET_BYTES)}`;
    const { kind, ownerId, name, scope, expiresAt } = fields;
    if ((await this.of(kind, ownerId)).length >= MAX_KEYS) throw new HubError('conflict', `An account has ${MAX_KEYS} keys at most`);
    const row: Row = {
      id: uuidv7(),
      prefix: token.slice(0, SHOWN),
      kind,
      owner_id: ownerId,
      name,
      scope,
      created_at: Date.now(),
      expires_at: expiresAt ?? null,
      last_used_at: null,
    };
    await this.database.knex('api_keys').insert({ ...row, token_hash: digestOf(token) });
    return { key: toKey(row), token };
  }

  /** The key that a token is, unless it has expired; its use is noted. */
  async findByToken(token: string): Promise<ApiKey | undefined> {
    if (!token.startsWith(PREFIX)) return undefined;
    const now = Date.now();
    const row: Row | undefined = await this.database
      .knex('api_keys')
      .where({ token_hash: digestOf(token) })
      .first();
    if (!row || (row.expires_at !== null && row.expires_at <= now)) return undefined;
    if ((row.last_used_at ?? 0) < now - TOUCH_MS)
      await this.database.change([{ sql: 'UPDATE api_keys SET last_used_at = ? WHERE id = ?', bindings: [now, row.id] }]);
    return toKey(row);
  }

  /** Whether it has not been revoked. */
  async exists(id: string): Promise<boolean> {
    return (await this.database.knex<Row>('api_keys').where({ id }).first('id')) !== undefined;
  }

  /** Those of an account, the newest first. */
  async of(kind: AccountKind, ownerId: string): Promise<readonly ApiKey[]> {
    return (await this.database.knex<Row>('api_keys').where({ kind, owner_id: ownerId }).orderBy('id', 'desc')).map(toKey);
  }

  /** All of them, the newest first. */
  async list(): Promise<readonly ApiKey[]> {
    return (await this.database.knex<Row>('api_keys').orderBy('id', 'desc')).map(toKey);
  }

  /** Revokes a key, of one account where `owner` is given. Throws 'not-found'. */
  async delete(id: string, owner?: Pick<ApiKey, 'kind' | 'ownerId'>): Promise<void> {
    const where = { id, ...(owner && { kind: owner.kind, owner_id: owner.ownerId }) };
    const deleted = await write(this.database, this.coordinator, { table: 'api_keys', id }, undefined, trx =>
      trx('api_keys').where(where).del(),
    );
    if (deleted === 0) throw new HubError('not-found', 'There is no such key');
  }
}

function toKey(row: Row): ApiKey {
  const { id, kind, name, prefix, scope } = row;
  return {
    id,
    kind,
    ownerId: row.owner_id,
    name,
    prefix,
    scope,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
