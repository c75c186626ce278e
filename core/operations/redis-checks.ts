import semver from 'semver';
import { redisSettings } from '../cluster/open.js';
import { describeRedis, redisClient } from '../cluster/redis-connection.js';
import type { Config } from '../config/schema.js';
import type { Finding } from './machine-checks.js';

const OLDEST = '6.2.0';
const COMMAND_MS = 3_000;

/** Whether the Redis of the configuration answers, is new enough, and keeps what it is given. Nothing without one. */
export async function checkRedis(config: Config): Promise<readonly Finding[]> {
  const settings = redisSettings(config);
  if (!settings) return [];
  const check = 'redis';
  const place = describeRedis(settings.url);
  const client = await redisClient(settings, { commandTimeout: COMMAND_MS, retryStrategy: null });
  let reason = '';
  client.on('error', error => {
    reason ||= error.message;
  });
  try {
    await client.connect();
    const version = /^redis_version:(.+)$/m.exec(await client.info('server'))?.[1]?.trim() ?? '0.0.0';
    if (semver.lt(version, OLDEST)) return [{ check, result: 'fail', detail: `${place} is Redis ${version}; ${OLDEST} is needed` }];
    return [
      { check, result: 'ok', detail: `${place}, Redis ${version}` },
      await checkPolicy(() => client.config('GET', 'maxmemory-policy')),
    ];
  } catch (error) {
    const detail = `${place} does not serve: ${reason || (error as Error).message}; limits hold for each process by itself, deliveries wait`;
    return [{ check, result: 'fail', detail }];
  } finally {
    client.disconnect();
  }
}

async function checkPolicy(ask: () => Promise<unknown>): Promise<Finding> {
  const check = 'redis memory';
  const answer = await ask().catch(() => undefined);
  const policy = Array.isArray(answer) ? String(answer[1]) : undefined;
  if (policy === 'noeviction') return { check, result: 'ok', detail: 'maxmemory-policy noeviction' };
  if (policy === undefined)
    return { check, result: 'warn', detail: 'CONFIG GET is not allowed; see to it that maxmemory-policy is noeviction' };
  return {
    check,
    result: 'fail',
    detail: `maxmemory-policy is ${policy}: when it is full, Redis drops slots and jobs; set it to noeviction`,
  };
}
