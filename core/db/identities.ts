import { injectable } from 'tsyringe';
import { HubError } from '../errors.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';
import type { AccountKind } from './web-sessions.js';

/** Who somebody is to a provider of single sign-on: `subject` never changes and is nobody else's. */
export interface Identity {
  readonly provider: string;
  readonly subject: string;
}

/** Which account each identity of a provider is. An account has one of a provider at most. */
@injectable()
export class IdentityRepository {
  constructor(private readonly database: Database) {}

  /** The id of the account; undefined when it was never linked. */
  async ownerOf({ provider, subject }: Identity, kind: AccountKind): Promise<string | undefined> {
    const row: { owner_id: string } | undefined = await this.database
      .knex('identities')
      .where({ provider, subject, kind })
      .first('owner_id');
    return row?.owner_id;
  }

  /** Links an account. Throws 'conflict' when the identity is another account's, or the account has another one of the provider. */
  async link({ provider, subject }: Identity, kind: AccountKind, ownerId: string): Promise<void> {
    await this.database.transaction(async trx => {
      const other = await trx('identities').where({ provider, kind, owner_id: ownerId }).first('subject');
      if (other) throw new HubError('conflict', 'The account is linked to somebody else of this provider');
      await trx('identities')
        .insert({ provider, subject, kind, owner_id: ownerId, created_at: Date.now() })
        .catch((error: unknown) => {
          if (isDuplicate(error)) throw new HubError('conflict', 'The identity is linked to another account');
          throw error;
        });
    });
  }

  /** Forgets the links of an account that is gone. */
  async unlink({ provider, subject }: Identity, kind: AccountKind): Promise<void> {
    await this.database.knex('identities').where({ provider, subject, kind }).del();
  }
}
