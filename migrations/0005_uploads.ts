import type { Knex } from 'knex';

/** Interrupted uploads that are kept for their users. One whose user was removed stays until its temporary is. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('uploads', table => {
    table.string('id', 36).notNullable().primary();
    table.string('user_id', 36).references('users.id').onDelete('SET NULL').index('uploads_user');
    table.text('path', 'longtext').notNullable();
    table.string('storage', 255).notNullable();
    table.text('storage_path', 'longtext').notNullable();
    table.text('temporary', 'longtext').notNullable();
    table.bigInteger('size').notNullable();
    table.bigInteger('expires_at').notNullable().index('uploads_expiry');
  });
}
