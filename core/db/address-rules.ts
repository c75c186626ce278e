import { injectable } from 'tsyringe';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError } from '../errors.js';
import { uuidv7 } from '../ids.js';
import { parseRange } from '../net.js';
import { write } from './change.js';
import { Database } from './database.js';
import { isDuplicate } from './errors.js';

/** What holds for the clients of an address or a range, whoever they are: 'allow' wins over 'deny', and over being turned away for failed logins. */
export interface AddressRule {
  readonly id: string;
  readonly range: string;
  readonly action: 'allow' | 'deny';
  readonly comment: string;
  readonly createdAt: number;
}

interface Row extends Omit<AddressRule, 'createdAt'> {
  readonly created_at: number;
}

/** Rules that admins made for addresses. Writes publish 'records.changed' after commit. */
@injectable()
export class AddressRuleRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
  ) {}

  /** All of them, the newest first. */
  async list(): Promise<readonly AddressRule[]> {
    const rows = await this.database.knex<Row>('address_rules').orderBy('id', 'desc');
    return rows.map(({ created_at, ...rule }) => ({ ...rule, createdAt: created_at }));
  }

  /** Throws 'invalid-request' for a range that is none, and 'already-exists'. */
  async create({ range, action, comment }: Omit<AddressRule, 'id' | 'createdAt'>): Promise<AddressRule> {
    const [network, bits] = parseRange(range);
    const canonical = `${network.toString()}/${bits}`;
    const id = uuidv7();
    const row = { id, range: canonical, action, comment, created_at: Date.now() };
    await this.#write(id, trx =>
      trx('address_rules')
        .insert(row)
        .catch((error: unknown) => {
          if (isDuplicate(error)) throw new HubError('already-exists', `There is a rule for ${canonical} already`);
          throw error;
        }),
    );
    return { id, range: canonical, action, comment, createdAt: row.created_at };
  }

  /** Throws 'not-found'. */
  async delete(id: string): Promise<void> {
    const deleted = await this.#write(id, trx => trx('address_rules').where({ id }).del());
    if (deleted === 0) throw new HubError('not-found', 'There is no such address rule');
  }

  #write<T>(id: string, work: (trx: Parameters<Parameters<typeof write>[4]>[0]) => Promise<T>): Promise<T> {
    return write(this.database, this.coordinator, { table: 'address_rules', id }, undefined, work);
  }
}
