import type { Knex } from 'knex';

/** For targets that bear only so much: held while one node takes deliveries of it, and when the next may be taken, in microseconds since 1970. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('target_paces', table => {
    table.string('target', 255).notNullable().primary();
    table.bigInteger('next_at').notNullable();
  });
}
