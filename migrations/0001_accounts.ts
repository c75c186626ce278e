import type { Knex } from 'knex';

/** Users with their keys, and the settings that have one value. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', table => {
    table.string('id', 36).notNullable().primary();
    table.string('username', 64).notNullable();
    table.string('username_folded', 190).notNullable().unique({ indexName: 'users_username_folded' });
    table.string('status', 16).notNullable();
    table.text('description', 'longtext').notNullable();
    table.string('password_hash', 255);
    table.text('permissions', 'longtext').notNullable();
    table.text('patterns', 'longtext').notNullable();
    table.bigInteger('expires_at');
    table.text('protocols', 'longtext').notNullable();
    table.text('addresses', 'longtext').notNullable();
    table.integer('max_sessions');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('last_login_at');
    table.integer('version').notNullable();
  });
  await knex.schema.createTable('public_keys', table => {
    table.string('user_id', 36).notNullable().references('users.id').onDelete('CASCADE');
    table.string('fingerprint', 64).notNullable();
    table.integer('position').notNullable();
    table.string('algorithm', 64).notNullable();
    table.text('data', 'longtext').notNullable();
    table.text('comment', 'longtext').notNullable();
    table.primary(['user_id', 'fingerprint']);
  });
  await knex.schema.createTable('settings', table => {
    table.string('key', 128).notNullable().primary();
    table.text('value', 'longtext').notNullable();
    table.bigInteger('updated_at').notNullable();
  });
}
