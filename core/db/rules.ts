import type { Knex } from 'knex';
import { injectable } from 'tsyringe';
import { z } from 'zod';
import { Coordinator } from '../cluster/coordinator.js';
import { HubError, StaleVersion } from '../errors.js';
import type { Rule, RuleAction } from '../events/rule.js';
import { uuidv7 } from '../ids.js';
import { Secrets } from '../secrets.js';
import { write } from './change.js';
import { Database } from './database.js';

/** A rule as the database keeps it. */
export interface StoredRule extends Rule {
  readonly createdAt: number;
  /** Rises with each change. */
  readonly version: number;
}

/** What create() and update() take. */
export type RuleFields = Omit<Rule, 'id'>;

interface RuleRow {
  readonly id: string;
  readonly name: string;
  readonly enabled: number | boolean;
  readonly events: string;
  readonly guards: string;
  readonly conditions: string;
  readonly actions: string;
  readonly created_at: number;
  readonly version: number;
}

const namesSchema = z.array(z.string());
const conditionsSchema = z.strictObject({ paths: namesSchema.exactOptional(), users: namesSchema.exactOptional() });
const optionsSchema = z.record(z.string(), z.unknown());
const sealedSchema = z.array(z.strictObject({ type: z.string(), options: z.string() }));

/**
 * Rules that admins made. The options of an action are sealed as a whole: beside secrets that are marked, a URL may hold
 * a token. Whether a rule makes sense is RuleTable.check()'s business. Every method takes an optional transaction;
 * writes publish 'records.changed' after commit.
 */
@injectable()
export class RuleRepository {
  constructor(
    private readonly database: Database,
    private readonly coordinator: Coordinator,
    private readonly secrets: Secrets,
  ) {}

  /** All of them, oldest first. */
  async list(trx?: Knex.Transaction): Promise<readonly StoredRule[]> {
    const rows = await (trx ?? this.database.knex)<RuleRow>('rules').orderBy('id');
    return rows.map(row => this.#fromRow(row));
  }

  async find(id: string, trx?: Knex.Transaction): Promise<StoredRule | undefined> {
    const row = await (trx ?? this.database.knex)<RuleRow>('rules').where({ id }).first();
    return row && this.#fromRow(row);
  }

  create(fields: RuleFields, trx?: Knex.Transaction): Promise<StoredRule> {
    const rule: StoredRule = { id: uuidv7(), ...fields, createdAt: Date.now(), version: 1 };
    return this.#write(rule.id, trx, async trx => {
      await trx('rules').insert(this.#toRow(rule));
      return rule;
    });
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is given and no longer current. */
  update(id: string, changes: Partial<RuleFields>, expectedVersion?: number, trx?: Knex.Transaction): Promise<StoredRule> {
    return this.#write(id, trx, async trx => {
      const row = await trx<RuleRow>('rules').where({ id }).forUpdate().first();
      const current = row && this.#fromRow(row);
      if (!current) throw notFound(id);
      if (expectedVersion !== undefined && expectedVersion !== current.version) throw stale();
      const rule: StoredRule = { ...current, ...changes, version: current.version + 1 };
      await trx('rules').where({ id }).update(this.#toRow(rule));
      return rule;
    });
  }

  /** Throws 'not-found'. Deliveries of a rule that is disabled wait until it is enabled. */
  async setEnabled(id: string, enabled: boolean, trx?: Knex.Transaction): Promise<void> {
    await this.update(id, { enabled }, undefined, trx);
  }

  /** Throws 'not-found', or 'conflict' when `expectedVersion` is given and no longer current. What is still to be delivered for the rule is dead with its next try. */
  async delete(id: string, expectedVersion?: number, trx?: Knex.Transaction): Promise<void> {
    const where = { id, ...(expectedVersion !== undefined && { version: expectedVersion }) };
    await this.#write(id, trx, async trx => {
      if ((await trx('rules').where(where).del()) > 0) return;
      if (await trx<RuleRow>('rules').where({ id }).first('id')) throw stale();
      throw notFound(id);
    });
  }

  #write<T>(id: string, trx: Knex.Transaction | undefined, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return write(this.database, this.coordinator, { table: 'rules', id }, trx, work);
  }

  #toRow(rule: StoredRule): RuleRow {
    return {
      id: rule.id,
      name: rule.name,
      enabled: rule.enabled ? 1 : 0,
      events: JSON.stringify(rule.events),
      guards: JSON.stringify(rule.guards),
      conditions: JSON.stringify(rule.conditions),
      actions: JSON.stringify(
        rule.actions.map(({ type, options }) => ({ type, options: this.secrets.seal(JSON.stringify(options), rule.id) })),
      ),
      created_at: rule.createdAt,
      version: rule.version,
    };
  }

  #fromRow(row: RuleRow): StoredRule {
    try {
      return {
        id: row.id,
        name: row.name,
        enabled: Boolean(row.enabled),
        events: namesSchema.parse(JSON.parse(row.events)),
        guards: namesSchema.parse(JSON.parse(row.guards)),
        conditions: conditionsSchema.parse(JSON.parse(row.conditions)),
        actions: this.#openActions(row),
        createdAt: row.created_at,
        version: row.version,
      };
    } catch (cause) {
      throw new HubError('internal', `The record of rule '${row.name}' is damaged`, { cause });
    }
  }

  #openActions(row: RuleRow): readonly RuleAction[] {
    const actions = sealedSchema.parse(JSON.parse(row.actions));
    return actions.map(({ type, options }) => ({ type, options: optionsSchema.parse(JSON.parse(this.secrets.open(options, row.id))) }));
  }
}

function stale(): HubError {
  return new StaleVersion('Somebody else has changed it in the meantime');
}

function notFound(id: string): HubError {
  return new HubError('not-found', `There is no rule '${id}'`);
}
