import 'reflect-metadata';
import test from 'ava';
import { Redis } from 'ioredis';
import { configSchema } from '#core/config/schema.js';
import { checkRedis } from '#core/operations/redis-checks.js';
import { freePort } from '../../support/free-port.js';
import { startRedis } from '../../support/services.js';

const configOf = (redis: object) => configSchema.parse({ redis });

test('says nothing without a Redis', async t => {
  t.deepEqual(await checkRedis(configOf({})), []);
});

test('says which Redis there is, and that it keeps what it is given', async t => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const client = new Redis(redis.port);
  await client.config('SET', 'requirepass', 'very secret');
  client.disconnect();
  const url = `redis://:very%20secret@127.0.0.1:${redis.port}/2`;
  const found = await checkRedis(configOf({ url }));
  t.deepEqual(
    found.map(({ check, result }) => [check, result]),
    [
      ['redis', 'ok'],
      ['redis memory', 'ok'],
    ],
  );
  t.regex(found[0]!.detail, new RegExp(`^redis://127\\.0\\.0\\.1:${redis.port}/2, Redis \\d+\\.\\d+`));
  const [refused] = await checkRedis(configOf({ url: `redis://:wrong@127.0.0.1:${redis.port}` }));
  t.is(refused!.result, 'fail');
  t.notRegex(JSON.stringify([found, refused]), /secret|wrong/);
});

test('finds fault with one that drops keys when it is full, and with one that is not there', async t => {
  const redis = await startRedis('--maxmemory-policy', 'allkeys-lru');
  t.teardown(() => redis.stop());
  const [, memory] = await checkRedis(configOf({ url: redis.url }));
  t.is(memory!.result, 'fail');
  t.regex(memory!.detail, /allkeys-lru.*noeviction/);
  const [absent] = await checkRedis(configOf({ url: `redis://127.0.0.1:${await freePort()}` }));
  t.is(absent!.result, 'fail');
  t.regex(absent!.detail, /does not serve: connect ECONNREFUSED/);
});
