import 'reflect-metadata';
import { SqlEventQueue } from '#core/events/sql-queue.js';
import { testEventQueue } from '../../conformance/event-queue.js';
import { onEachDatabase } from '../../support/databases.js';

testEventQueue(
  'SQL',
  ({ deliveries, rules, coordinator, settings }) => new SqlEventQueue(deliveries, rules, coordinator, settings),
  onEachDatabase,
);
