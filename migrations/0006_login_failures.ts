import type { Knex } from 'knex';

/** Failed logins of late, so that a guesser's count outlives a restart. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('login_failures', table => {
    table.string('id', 36).notNullable().primary();
    table.string('kind', 16).notNullable();
    table.string('subject', 190).notNullable();
    table.bigInteger('at').notNullable().index('login_failures_at');
    table.index(['subject', 'kind'], 'login_failures_subject');
  });
}
