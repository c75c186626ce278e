import type { Knex } from 'knex';

/** Those who administer, browser sessions, keys of programs, second factors, linked identities, and answers that may be asked for twice. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('admins', table => {
    table.string('id', 36).notNullable().primary();
    table.string('username', 64).notNullable();
    table.string('username_folded', 190).notNullable().unique({ indexName: 'admins_username_folded' });
    table.string('role', 16).notNullable();
    table.string('status', 16).notNullable();
    table.string('password_hash', 255);
    table.bigInteger('created_at').notNullable();
    table.bigInteger('last_login_at');
    table.integer('version').notNullable();
  });
  await knex.schema.createTable('web_sessions', table => {
    table.string('id', 36).notNullable().primary();
    table.string('token_hash', 64).notNullable().unique({ indexName: 'web_sessions_token' });
    table.string('kind', 8).notNullable();
    table.string('owner_id', 36).notNullable();
    table.string('remote_address', 64).notNullable();
    table.string('user_agent', 255).notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('last_used_at').notNullable();
    table.index(['owner_id', 'kind'], 'web_sessions_owner');
  });
  await knex.schema.createTable('api_keys', table => {
    table.string('id', 36).notNullable().primary();
    table.string('token_hash', 64).notNullable().unique({ indexName: 'api_keys_token' });
    table.string('prefix', 16).notNullable();
    table.string('kind', 8).notNullable();
    table.string('owner_id', 36).notNullable();
    table.string('name', 100).notNullable();
    table.string('scope', 16).notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at');
    table.bigInteger('last_used_at');
    table.index(['owner_id', 'kind'], 'api_keys_owner');
  });
  await knex.schema.createTable('second_factors', table => {
    table.string('kind', 8).notNullable();
    table.string('owner_id', 36).notNullable();
    table.text('secret', 'longtext').notNullable();
    table.boolean('confirmed').notNullable();
    table.bigInteger('last_step').notNullable();
    table.text('recovery', 'longtext').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['owner_id', 'kind']);
  });
  await knex.schema.createTable('identities', table => {
    table.string('provider', 64).notNullable();
    table.string('subject', 190).notNullable();
    table.string('kind', 8).notNullable();
    table.string('owner_id', 36).notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['provider', 'subject', 'kind']);
  });
  await knex.schema.createTable('address_rules', table => {
    table.string('id', 36).notNullable().primary();
    table.string('range', 64).notNullable().unique({ indexName: 'address_rules_range' });
    table.string('action', 8).notNullable();
    table.string('comment', 255).notNullable();
    table.bigInteger('created_at').notNullable();
  });
  await knex.schema.createTable('idempotent_answers', table => {
    table.string('key', 64).notNullable().primary();
    table.string('request', 64).notNullable();
    table.text('answer', 'longtext');
    table.bigInteger('created_at').notNullable().index('idempotent_answers_created_at');
  });
}
