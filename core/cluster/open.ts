import type { Config } from '../config/schema.js';
import type { Logger } from '../log.js';
import type { Coordinator } from './coordinator.js';
import { LocalCoordinator } from './local.js';
import type { RedisSettings } from './redis-connection.js';

/** The coordinator that the configuration asks for: by Redis, or that of the processes of this `machine`, where there are several. Does not wait for a Redis that is away. Throws for settings that cannot work. */
export async function openCoordinator(config: Config, log: Logger, machine?: Coordinator): Promise<Coordinator> {
  const redis = redisSettings(config);
  if (!redis) return machine ?? new LocalCoordinator();
  // Loaded only by those who have a Redis.
  const { RedisCoordinator } = await import('./redis.js');
  return RedisCoordinator.connect(redis, log);
}

/** Where Redis is; undefined when the hub does without. */
export function redisSettings({ redis }: Config): RedisSettings | undefined {
  const { url, tls, keyPrefix } = redis;
  return url === undefined ? undefined : { url, tls, keyPrefix };
}
