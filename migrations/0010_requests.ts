import type { Knex } from 'knex';

/** What each try of a delivery asked for, without the event and without secrets. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('delivery_attempts', table => {
    table.text('request', 'longtext');
  });
}
