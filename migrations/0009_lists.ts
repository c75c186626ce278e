import type { Knex } from 'knex';

/** What the lists of the pages are sorted by. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('users', table => {
    table.index(['created_at', 'username_folded'], 'users_by_creation');
    table.index(['last_login_at', 'username_folded'], 'users_by_login');
    table.index(['expires_at', 'username_folded'], 'users_by_expiry');
    table.index(['status', 'username_folded'], 'users_by_status');
  });
  await knex.schema.alterTable('deliveries', table => {
    table.index(['target', 'id'], 'deliveries_by_target');
  });
}
