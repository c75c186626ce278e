import type { Knex } from 'knex';

/** The processes that work on the database, so that what a dead one left is told from what a living one has under way. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('processes', table => {
    table.string('id', 36).primary();
    table.string('node', 64).notNullable();
    table.string('family', 36).notNullable();
    table.string('machine', 190).notNullable();
    table.integer('pid').notNullable();
    table.boolean('joined').notNullable();
    table.bigInteger('beat').notNullable();
    table.bigInteger('started_at').notNullable();
    table.bigInteger('seen_at').notNullable();
  });
}
