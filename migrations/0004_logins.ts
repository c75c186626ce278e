import type { Knex } from 'knex';

/** How each user must log in, and those who are turned away because they failed to. */
export async function up(knex: Knex): Promise<void> {
  // MySQL has defaults of long texts only as expressions, which knex does not write.
  if (knex.client.dialect === 'mysql') await knex.raw("ALTER TABLE users ADD COLUMN methods LONGTEXT NOT NULL DEFAULT ('[]')");
  else
    await knex.schema.alterTable('users', table => {
      table.text('methods').notNullable().defaultTo('[]');
    });
  await knex.schema.createTable('bans', table => {
    table.string('kind', 16).notNullable();
    table.string('subject', 190).notNullable();
    table.integer('times').notNullable();
    table.text('reason', 'longtext').notNullable();
    table.bigInteger('since').notNullable();
    table.bigInteger('until').notNullable();
    table.primary(['kind', 'subject']);
  });
}
