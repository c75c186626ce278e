import type { Knex } from 'knex';

/** Which data directory a process has, and which Redis: so that nodes of one name, and of two Redis servers, are told apart. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('processes', table => {
    table.string('installation', 36).notNullable().defaultTo('');
    table.string('redis', 36).notNullable().defaultTo('');
  });
}
