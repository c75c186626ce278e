import type { Knex } from 'knex';

/** Named storages, and where users see them. A mount may name a storage that has no row: a discovered one. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('storages', table => {
    table.string('id', 36).notNullable().primary();
    table.string('name', 64).notNullable().unique({ indexName: 'storages_name' });
    table.string('kind', 64).notNullable();
    table.text('options', 'longtext').notNullable();
    table.bigInteger('created_at').notNullable();
    table.integer('version').notNullable();
  });
  await knex.schema.createTable('mounts', table => {
    table.string('user_id', 36).notNullable().references('users.id').onDelete('CASCADE');
    table.integer('position').notNullable();
    table.text('path', 'longtext').notNullable();
    table.string('storage', 255).notNullable().index('mounts_storage');
    table.text('directory', 'longtext').notNullable();
    table.primary(['user_id', 'position']);
  });
}
