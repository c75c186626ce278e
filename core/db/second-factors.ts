import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { Secrets } from '../secrets.js';
import { write } from './change.js';
import { Database } from './database.js';
import type { AccountKind } from './web-sessions.js';

/** The second factor of an account: a secret that an authenticator app shares, and codes for when that is lost. */
export interface SecondFactor {
  /** In base32. */
  readonly secret: string;
  /** Whether the account has shown that its app has it: before that, nobody is asked for it. */
  readonly confirmed: boolean;
  /** The step of time whose code was used last; it and those before are used up. */
  readonly lastStep: number;
  /** Digests of the recovery codes that are left. */
  readonly recovery: readonly string[];
}

interface Row {
  readonly kind: AccountKind;
  readonly owner_id: string;
  readonly secret: string;
  readonly confirmed: number | boolean;
  readonly last_step: number;
  readonly recovery: string;
}

/** Second factors; their secrets are sealed. Writes publish 'records.changed' after commit. */
@injectable()
export class SecondFactorRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
    private readonly secrets: Secrets,
  ) {}

  async find(kind: AccountKind, ownerId: string): Promise<SecondFactor | undefined> {
    const row = await this.database.knex<Row>('second_factors').where({ kind, owner_id: ownerId }).first();
    return (
      row && {
        secret: this.secrets.open(row.secret, ownerId),
        confirmed: Boolean(row.confirmed),
        lastStep: row.last_step,
        recovery: JSON.parse(row.recovery) as string[],
      }
    );
  }

  /** Those of `ownerIds` who have one that is confirmed. */
  async those(kind: AccountKind, ownerIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database
      .knex<Row>('second_factors')
      .where({ kind, confirmed: true })
      .whereIn('owner_id', [...ownerIds])
      .select('owner_id');
    return new Set(rows.map(row => row.owner_id));
  }

  /** Begins anew: a secret that is still to be confirmed replaces one that is not. Whether it did; a confirmed one stays. */
  begin(kind: AccountKind, ownerId: string, secret: string): Promise<boolean> {
    return write(this.database, this.coordinator, { table: 'second_factors', id: ownerId }, undefined, async trx => {
      if (await trx('second_factors').where({ kind, owner_id: ownerId, confirmed: true }).forUpdate().first('kind')) return false;
      await trx('second_factors').where({ kind, owner_id: ownerId }).del();
      const row = { kind, owner_id: ownerId, secret: this.secrets.seal(secret, ownerId), confirmed: false, last_step: 0, recovery: '[]' };
      await trx('second_factors').insert({ ...row, created_at: Date.now() });
      return true;
    });
  }

  /** Confirms it, with the digests of new recovery codes; or replaces these. */
  async confirm(kind: AccountKind, ownerId: string, recovery: readonly string[]): Promise<void> {
    await write(this.database, this.coordinator, { table: 'second_factors', id: ownerId }, undefined, trx =>
      trx('second_factors')
        .where({ kind, owner_id: ownerId })
        .update({ confirmed: true, recovery: JSON.stringify(recovery) }),
    );
  }

  /** Uses up the code of a step and those before. Whether nobody did before. */
  async useStep(kind: AccountKind, ownerId: string, step: number): Promise<boolean> {
    const used = await this.database
      .knex('second_factors')
      .where({ kind, owner_id: ownerId })
      .where('last_step', '<', step)
      .update({ last_step: step });
    return used === 1;
  }

  /** Uses up a recovery code by its digest. Whether nobody did before. */
  async useRecovery(kind: AccountKind, ownerId: string, digest: string): Promise<boolean> {
    return this.database.transaction(async trx => {
      const row: Row | undefined = await trx('second_factors').where({ kind, owner_id: ownerId }).forUpdate().first();
      const left = row ? (JSON.parse(row.recovery) as string[]) : [];
      if (!left.includes(digest)) return false;
      const rest = JSON.stringify(left.filter(other => other !== digest));
      return (await trx('second_factors').where({ kind, owner_id: ownerId }).update({ recovery: rest })) === 1;
    });
  }

  /** Whether there was one. */
  async delete(kind: AccountKind, ownerId: string): Promise<boolean> {
    const deleted = await write(this.database, this.coordinator, { table: 'second_factors', id: ownerId }, undefined, trx =>
      trx('second_factors').where({ kind, owner_id: ownerId }).del(),
    );
    return deleted > 0;
  }
}
