import { createHash } from 'node:crypto';
import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { randomToken, uuidv7 } from '../ids.js';
import { write } from './change.js';
import { Database } from './database.js';

/** Whose a session, a key or a second factor is. */
export type AccountKind = 'admin' | 'user';

/** A browser that is logged in. */
export interface WebSession {
  readonly id: string;
  readonly kind: AccountKind;
  readonly ownerId: string;
  readonly remoteAddress: string;
  readonly userAgent: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
}

interface WebSessionRow {
  readonly id: string;
  readonly kind: AccountKind;
  readonly owner_id: string;
  readonly remote_address: string;
  readonly user_agent: string;
  readonly created_at: number;
  readonly last_used_at: number;
}

const TOKEN_BYTES = 32;
const MAX_USER_AGENT = 255;
/** The last use is written at most that often. */
const TOUCH_MS = 30_000;

/** Browser sessions, of which only digests of their tokens are kept. Ends publish 'records.changed' after commit. */
@injectable()
export class WebSessionRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** Makes a session; the token is given this once. */
  async create(
    owner: Pick<WebSession, 'kind' | 'ownerId'>,
    client: Pick<WebSession, 'remoteAddress' | 'userAgent'>,
  ): Promise<{ readonly session: WebSession; readonly token: string }> {
    const token = randomToken(TOKEN_BYTES);
    const now = Date.now();
    const row = {
      id: uuidv7(),
      kind: owner.kind,
      owner_id: owner.ownerId,
      remote_address: client.remoteAddress.slice(0, 64),
      user_agent: client.userAgent.slice(0, MAX_USER_AGENT),
      created_at: now,
      last_used_at: now,
    };
    await this.database.knex('web_sessions').insert({ ...row, token_hash: digestOf(token) });
    return { session: toSession(row), token };
  }

  /** The session of a token that was used after `usedSince` and made after `madeSince` (ms since 1970). That it is used now is noted where it `isUse`. */
  async findByToken(token: string, usedSince: number, madeSince: number, isUse: boolean): Promise<WebSession | undefined> {
    const row: WebSessionRow | undefined = await this.database
      .knex('web_sessions')
      .where({ token_hash: digestOf(token) })
      .where('last_used_at', '>', usedSince)
      .where('created_at', '>', madeSince)
      .first();
    if (!row) return undefined;
    const now = Date.now();
    if (isUse && row.last_used_at < now - TOUCH_MS)
      await this.database.change([{ sql: 'UPDATE web_sessions SET last_used_at = ? WHERE id = ?', bindings: [now, row.id] }]);
    return toSession(row);
  }

  /** Whether it has not been ended. */
  async exists(id: string): Promise<boolean> {
    return (await this.database.knex<WebSessionRow>('web_sessions').where({ id }).first('id')) !== undefined;
  }

  /** The sessions of an account, the one used last first. */
  async of(kind: AccountKind, ownerId: string, usedSince: number): Promise<readonly WebSession[]> {
    const rows: readonly WebSessionRow[] = await this.database
      .knex('web_sessions')
      .where({ kind, owner_id: ownerId })
      .where('last_used_at', '>', usedSince)
      .orderBy('last_used_at', 'desc');
    return rows.map(toSession);
  }

  /** Ends a session of an account. Whether there was one. */
  async end(kind: AccountKind, ownerId: string, id: string): Promise<boolean> {
    return (await this.#delete(id, { kind, owner_id: ownerId, id })) > 0;
  }

  /** Ends every session of an account but the one of id `except`. */
  async endAll(kind: AccountKind, ownerId: string, except = ''): Promise<void> {
    const ended = (await this.of(kind, ownerId, 0)).filter(({ id }) => id !== except);
    for (const { id } of ended) await this.end(kind, ownerId, id);
  }

  /** Forgets those that were not used since `usedSince`, or made before `madeSince`. */
  async prune(usedSince: number, madeSince: number): Promise<void> {
    await this.database.change([
      { sql: 'DELETE FROM web_sessions WHERE last_used_at <= ? OR created_at <= ?', bindings: [usedSince, madeSince] },
    ]);
  }

  #delete(id: string, where: object): Promise<number> {
    return write(this.database, this.coordinator, { table: 'web_sessions', id }, undefined, trx => trx('web_sessions').where(where).del());
  }
}

/** What of a token is kept: tokens are random, so a plain digest cannot be guessed. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function toSession(row: WebSessionRow): WebSession {
  return {
    id: row.id,
    kind: row.kind,
    ownerId: row.owner_id,
    remoteAddress: row.remote_address,
    userAgent: row.user_agent,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  };
}
