import type { Redis } from 'ioredis';
import { answered } from './redis-connection.js';

/**
 * What Redis runs in one step. For each process P: `process:P` is there while P lives, `mine:P` are the groups in which it holds
 * something, `held:P:G` its leases in group G; `group:G` are the processes that hold something in G. `epoch` is made with the first
 * process and says whether Redis still knows what it was told. Every key ends by itself.
 */
const HELP = `
local p, me = ARGV[1], ARGV[2]
local function hold(group, lease, keep)
  redis.call('sadd', p .. 'held:' .. me .. ':' .. group, lease)
  redis.call('pexpire', p .. 'held:' .. me .. ':' .. group, keep)
  redis.call('sadd', p .. 'group:' .. group, me)
  redis.call('pexpire', p .. 'group:' .. group, keep)
  redis.call('sadd', p .. 'mine:' .. me, group)
  redis.call('pexpire', p .. 'mine:' .. me, keep)
end
local function forget()
  for _, group in ipairs(redis.call('smembers', p .. 'mine:' .. me)) do
    redis.call('del', p .. 'held:' .. me .. ':' .. group)
    redis.call('srem', p .. 'group:' .. group, me)
  end
  redis.call('del', p .. 'mine:' .. me)
end
`;

const SCRIPTS = {
  /** epoch, group, lease, limit, keepMs: 1 when it was taken, 0 when all are, -1 when Redis does not know this process. */
  hubAcquire: `${HELP}
    local group, lease, limit, keep = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
    if redis.call('get', p .. 'epoch') ~= ARGV[3] or redis.call('exists', p .. 'process:' .. me) == 0 then return -1 end
    local taken = 0
    for _, other in ipairs(redis.call('smembers', p .. 'group:' .. group)) do
      local held = p .. 'held:' .. other .. ':' .. group
      if other == me or redis.call('exists', p .. 'process:' .. other) == 1 then
        taken = taken + redis.call('scard', held)
      else
        redis.call('srem', p .. 'group:' .. group, other)
        redis.call('del', held)
      end
    end
    if taken >= limit then return 0 end
    hold(group, lease, keep)
    return 1`,
  /** group, lease. */
  hubRelease: `${HELP}
    local group, held = ARGV[3], p .. 'held:' .. me .. ':' .. ARGV[3]
    redis.call('srem', held, ARGV[4])
    if redis.call('exists', held) == 1 then return 0 end
    redis.call('srem', p .. 'group:' .. group, me)
    redis.call('srem', p .. 'mine:' .. me, group)
    return 1`,
  /**
   * lifeMs, keepMs, what is told of the process, a new epoch, { group: [lease] } as JSON, the channel of all: the epoch that holds, for
   * how many ms, how many processes have told Redis what they hold in it, and how many there are, this one included. Where Redis has just
   * started, nobody knows who is still to come back: one more.
   */
  hubRegister: `${HELP}
    local keep = ARGV[4]
    redis.call('set', p .. 'process:' .. me, ARGV[5], 'px', ARGV[3])
    redis.call('sadd', p .. 'processes', me)
    redis.call('pexpire', p .. 'processes', keep)
    local time = redis.call('time')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('set', p .. 'epoch', ARGV[6] .. ':' .. string.format('%d', now), 'nx')
    redis.call('pexpire', p .. 'epoch', keep)
    forget()
    for group, leases in pairs(cjson.decode(ARGV[7])) do
      for _, lease in ipairs(leases) do hold(group, lease, keep) end
    end
    local told = 0
    for _, other in ipairs(redis.call('smembers', p .. 'processes')) do
      told = told + redis.call('exists', p .. 'process:' .. other)
    end
    local there = tonumber(redis.call('pubsub', 'numsub', ARGV[8])[2])
    if tonumber(redis.call('info', 'server'):match('uptime_in_seconds:(%d+)')) < 5 then there = math.max(there, told) + 1 end
    local epoch = redis.call('get', p .. 'epoch')
    return {epoch, now - (tonumber(epoch:match(':(%d+)$')) or 0), told, there}`,
  /** epoch, lifeMs, keepMs: how many processes Redis knows of; 0 when it does not know this one. */
  hubBeat: `
    local p, me = ARGV[1], ARGV[2]
    if redis.call('get', p .. 'epoch') ~= ARGV[3] then return 0 end
    redis.call('pexpire', p .. 'epoch', ARGV[5])
    if redis.call('pexpire', p .. 'process:' .. me, ARGV[4]) == 0 then return 0 end
    return redis.call('scard', p .. 'processes')`,
  hubLeave: `${HELP}
    forget()
    redis.call('del', p .. 'process:' .. me)
    redis.call('srem', p .. 'processes', me)
    return 1`,
  /** What the living processes tell of themselves. */
  hubProcesses: `
    local p, told = ARGV[1], {}
    for _, other in ipairs(redis.call('smembers', p .. 'processes')) do
      local one = redis.call('get', p .. 'process:' .. other)
      if one then told[#told + 1] = one else redis.call('srem', p .. 'processes', other) end
    end
    return told`,
  /** key, windowMs, a name for the occurrence, the most that are kept: the number in the window. */
  hubCount: `
    local key, window = ARGV[1] .. 'count:' .. ARGV[3], tonumber(ARGV[4])
    local time = redis.call('time')
    local now = time[1] * 1000 + time[2] / 1000
    redis.call('zremrangebyscore', key, '-inf', now - window)
    redis.call('zadd', key, now, ARGV[5])
    redis.call('zremrangebyrank', key, 0, -1 - ARGV[6])
    redis.call('pexpire', key, window)
    return redis.call('zcard', key)`,
} as const;

/** Calls the scripts; every one is given the prefix of the keys and the id of the process first. */
export type Scripts = Readonly<Record<keyof typeof SCRIPTS, (...args: (string | number)[]) => Promise<unknown>>>;

/** Teaches `redis` the scripts. A call that is not answered within `limitMs` rejects. */
export function scriptsOf(redis: Redis, keyPrefix: string, processId: string, limitMs: number): Scripts {
  const client = redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  const calls = Object.entries(SCRIPTS).map(([name, lua]) => {
    redis.defineCommand(name, { numberOfKeys: 0, lua });
    return [name, (...args: (string | number)[]) => answered(client[name]!(keyPrefix, processId, ...args), limitMs)];
  });
  return Object.fromEntries(calls) as Scripts;
}
