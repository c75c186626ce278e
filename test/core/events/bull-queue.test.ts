import 'reflect-metadata';
import { basename } from 'node:path';
import test from 'ava';
import { BullEventQueue } from '#core/events/bull-queue.js';
import { testEventQueue } from '../../conformance/event-queue.js';
import { onEachDatabase } from '../../support/databases.js';
import { type Service, startRedis } from '../../support/services.js';

let redis: Service;
test.before(async () => {
  redis = await startRedis();
});
test.after.always(() => redis?.stop());

testEventQueue(
  'BullMQ',
  ({ deliveries, rules, coordinator, settings, directory }) =>
    new BullEventQueue(deliveries, rules, coordinator, settings, { url: redis.url, tls: {}, keyPrefix: basename(directory) }),
  onEachDatabase,
);
