import type { Knex } from 'knex';

/** Rules, the event log, and the outbox: deliveries with each of their tries. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('rules', table => {
    table.string('id', 36).primary();
    table.string('name', 255).notNullable();
    table.boolean('enabled').notNullable();
    table.text('events', 'longtext').notNullable();
    table.text('guards', 'longtext').notNullable();
    table.text('conditions', 'longtext').notNullable();
    table.text('actions', 'longtext').notNullable();
    table.bigInteger('created_at').notNullable();
    table.integer('version').notNullable();
  });
  await knex.schema.createTable('events', table => {
    table.string('id', 36).primary();
    table.string('type', 100).notNullable();
    table.string('username', 255);
    table.text('path', 'longtext');
    table.bigInteger('time').notNullable();
    table.string('state', 10).notNullable();
    table.text('event', 'longtext').notNullable();
    table.text('proof', 'longtext');
    table.index(['type', 'id'], 'events_by_type');
    table.index(['username', 'id'], 'events_by_user');
    table.index(['state', 'id'], 'events_pending', { predicate: knex.whereRaw("state = 'pending'") });
  });
  await knex.schema.createTable('deliveries', table => {
    table.string('id', 36).primary();
    table.string('event_id', 36).notNullable().references('id').inTable('events');
    table.string('target', 255).notNullable();
    table.string('state', 10).notNullable();
    table.integer('attempt').notNullable();
    table.integer('failures').notNullable();
    table.bigInteger('due_at');
    table.string('claimed_by', 128);
    table.bigInteger('claimed_at');
    table.text('last_error', 'longtext');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('finished_at');
    table.index(['event_id'], 'deliveries_by_event');
    table.index(['target', 'due_at'], 'deliveries_due', { predicate: knex.whereRaw('due_at is not null') });
    table.index(['claimed_by'], 'deliveries_claimed', { predicate: knex.whereRaw('claimed_by is not null') });
    table.index(['state', 'id'], 'deliveries_by_state');
  });
  // MySQL has no partial indices: a column that is null where nothing is due takes the place of one.
  if (knex.client.dialect === 'mysql')
    await knex.raw(`ALTER TABLE deliveries
      ADD COLUMN due_target VARCHAR(255) GENERATED ALWAYS AS (CASE WHEN due_at IS NULL THEN NULL ELSE target END) VIRTUAL,
      DROP INDEX deliveries_due, ADD INDEX deliveries_due (due_target, due_at)`);
  await knex.schema.createTable('delivery_attempts', table => {
    table.string('delivery_id', 36).notNullable().references('id').inTable('deliveries');
    table.integer('attempt').notNullable();
    table.bigInteger('started_at').notNullable();
    table.integer('duration_ms').notNullable();
    table.boolean('succeeded').notNullable();
    table.text('summary', 'longtext').notNullable();
    table.text('answer', 'longtext');
    table.primary(['delivery_id', 'attempt']);
  });
}
