import { injectable } from 'tsyringe';
import { Secrets } from '../secrets.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';

/** What is known of a request that may have come before: nothing yet, it is under way, it was another one, or what it was answered. */
export type Earlier = 'new' | 'running' | 'other' | { readonly answer: string };

const KEEP_MS = 24 * 3_600_000;
/** A request that was cut off by the end of the hub is not under way for ever. */
const RUN_MS = 5 * 60_000;

interface Row {
  readonly key: string;
  readonly request: string;
  readonly answer: string | null;
  readonly created_at: number;
}

/** Answers that may be asked for twice, kept for a day and sealed: they may hold what is shown once. Of requests, which may hold passwords, a fingerprint is kept. */
@injectable()
export class IdempotencyRepository {
  constructor(
    private readonly database: Database,
    private readonly secrets: Secrets,
  ) {}

  /** Claims a key, by its digest, for a request. */
  async claim(key: string, asked: string): Promise<Earlier> {
    const request = this.secrets.fingerprint(asked, key);
    const now = Date.now();
    await this.database
      .knex<Row>('idempotent_answers')
      .where('created_at', '<', now - KEEP_MS)
      .del();
    await this.database
      .knex<Row>('idempotent_answers')
      .where({ key, answer: null })
      .where('created_at', '<', now - RUN_MS)
      .del();
    try {
      await this.database.knex('idempotent_answers').insert({ key, request, answer: null, created_at: now });
      return 'new';
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    const row = await this.database.knex<Row>('idempotent_answers').where({ key }).first();
    if (!row || row.request !== request) return row ? 'other' : 'running';
    return row.answer === null ? 'running' : { answer: this.secrets.open(row.answer, key) };
  }

  /** Keeps what the request was answered. */
  async keep(key: string, answer: string): Promise<void> {
    await this.database
      .knex('idempotent_answers')
      .where({ key })
      .update({ answer: this.secrets.seal(answer, key) });
  }

  /** The request failed: it may be tried again. */
  async forget(key: string): Promise<void> {
    await this.database.knex('idempotent_answers').where({ key }).del();
  }
}
