import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { type Admission, Defence, type DefenceLimits } from '#core/auth/defence.js';
import { LoginService } from '#core/auth/login.js';
import { LocalCoordinator } from '#core/cluster/local.js';
import { type Ban, BanRepository } from '#core/db/bans.js';
import { createLogger } from '#core/log.js';
import { startHub } from '../../support/hub.js';
import { hubDatabase } from '../db/temporary-database.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LIMITS: DefenceLimits = {
  unauthenticated: 200,
  unauthenticatedPerAddress: 1_000,
  enabled: true,
  delay: 200,
  failures: 15,
  userFailures: 100,
  window: 10 * MINUTE_MS,
  ban: 30 * MINUTE_MS,
  maxBan: 24 * HOUR_MS,
};

async function setUp(t: ExecutionContext, limits: Partial<DefenceLimits> = {}, random?: () => number) {
  const database = await hubDatabase(t);
  const coordinator = new LocalCoordinator();
  const bans = new BanRepository(database, coordinator);
  const lines: Record<string, unknown>[] = [];
  const log = createLogger('silent');
  log.info = log.warn = log.error = ((fields: Record<string, unknown>) => void lines.push(fields)) as typeof log.info;
  const make = async (fresh = coordinator) => {
    const defence = new Defence(fresh, bans, { ...LIMITS, ...limits }, log, random);
    await defence.start();
    return defence;
  };
  return { bans, make, lines, defence: await make() };
}

const lasts = ({ since, until }: Ban) => until - since;

async function fail(defence: Defence, times: number, address = '192.0.2.1', user = 'alice'): Promise<number[]> {
  const delays: number[] = [];
  for (let i = 0; i < times; i++) delays.push(await defence.failed(address, user));
  return delays;
}

test('under ten failures cost the constant delay, then each one more, and the fifteenth bans', async t => {
  const { defence, lines } = await setUp(t);
  t.deepEqual(await fail(defence, 9), Array(9).fill(200));
  t.deepEqual(await fail(defence, 5), [400, 800, 1_600, 3_200, 5_000]);
  t.false(defence.isBanned('192.0.2.1'));
  await fail(defence, 1);
  t.true(defence.isBanned('192.0.2.1'));
  t.false(defence.isBanned('192.0.2.2'));
  t.is(defence.admit('192.0.2.1'), undefined);
  t.like(lines.at(-1), { remoteAddress: '192.0.2.1', reason: 'Too many failed logins from this address' });
});

test('counts an IPv6 address by its /64', async t => {
  const { defence } = await setUp(t);
  for (let i = 1; i <= 15; i++) await fail(defence, 1, `2001:db8::${i}`);
  t.true(defence.isBanned('2001:db8::ffff:1'));
  t.false(defence.isBanned('2001:db8:0:1::1'));
});

test('a ban survives a restart, and grows with repetition up to a day', async t => {
  const { defence, bans, make } = await setUp(t);
  const durations: number[] = [];
  let current = defence;
  for (let round = 0; round < 8; round++) {
    await fail(current, 15);
    current = await make(new LocalCoordinator());
    t.true(current.isBanned('192.0.2.1'), 'after a restart');
    const [ban] = await current.list();
    durations.push(lasts(ban!));
    await bans.put({ ...ban!, until: Date.now() - 1 }, 0);
    current = await make(new LocalCoordinator());
    t.false(current.isBanned('192.0.2.1'), 'when its time is over');
  }
  t.deepEqual(
    durations.map(duration => duration / HOUR_MS),
    [0.5, 1, 2, 4, 8, 16, 24, 24],
  );
  const [last] = await bans.list();
  await bans.put({ ...last!, until: Date.now() - 25 * HOUR_MS }, 0);
  current = await make(new LocalCoordinator());
  await fail(current, 15);
  t.is(lasts((await current.list())[0]!), 30 * MINUTE_MS, 'what is a day old is forgotten');
});

test('failures below a ban survive a restart, each for its time', async t => {
  const { defence, make } = await setUp(t);
  await fail(defence, 14);
  const restarted = await make(new LocalCoordinator());
  t.false(restarted.isBanned('192.0.2.1'));
  await fail(restarted, 1, '192.0.2.2');
  t.false(restarted.isBanned('192.0.2.2'));
  await fail(restarted, 1);
  t.true(restarted.isBanned('192.0.2.1'));
  const short = await setUp(t, { window: 1 });
  for (let i = 0; i < 20; i++) {
    await fail(short.defence, 1);
    for (const began = Date.now(); Date.now() <= began + 1; ) await new Promise(setImmediate);
  }
  t.false(short.defence.isBanned('192.0.2.1'), 'those of before the window count no more');
});

test('counts and bans also while failures cannot be recorded', async t => {
  const { defence, bans, lines } = await setUp(t);
  bans.recordFailures = () => Promise.reject(new Error('the disk is full'));
  await fail(defence, 15);
  t.true(defence.isBanned('192.0.2.1'));
  t.true(lines.some(line => line.err instanceof Error));
});

test('lifts a ban, in every process, and counts anew from there', async t => {
  const { defence, make } = await setUp(t);
  const other = await make();
  await fail(defence, 15, '2001:db8::1');
  await t.throwsAsync(defence.lift('192.0.2.1'), { code: 'not-found', message: /ban list/ });
  while (!other.isBanned('2001:db8::1')) await new Promise(setImmediate);
  t.is((await defence.lift('2001:db8::2')).length, 1, 'any address of the /64');
  t.false(defence.isBanned('2001:db8::1'));
  while (other.isBanned('2001:db8::1')) await new Promise(setImmediate);
  await fail(defence, 14, '2001:db8::1', 'bob');
  t.false(defence.isBanned('2001:db8::1'));
  await fail(defence, 1, '2001:db8::1', 'bob');
  t.is(lasts((await defence.list())[0]!), 30 * MINUTE_MS);
});

test('counts by user from many addresses, whether there is such a user or not', async t => {
  const { defence } = await setUp(t);
  for (let i = 0; i < 100; i++) await fail(defence, 1, `10.0.0.${i}`, i % 2 ? 'alice' : 'ALICE');
  t.true(defence.isUserBanned('Alice'));
  t.false(defence.isUserBanned('bob'));
  t.false(defence.isBanned('10.0.0.1'));
  await defence.lift('alice');
  t.false(defence.isUserBanned('alice'));
});

test('tries at the same time ban once', async t => {
  const { defence } = await setUp(t);
  await Promise.all(Array.from({ length: 40 }, () => defence.failed('192.0.2.1', '')));
  t.is((await defence.list())[0]!.times, 1);
});

test('drops connections that have not logged in by chance from half of the limit on, and all at the limit', async t => {
  let random = 0.999;
  const { defence, lines } = await setUp(t, { unauthenticated: 20 }, () => random);
  const held = Array.from({ length: 10 }, () => defence.admit('192.0.2.1')!);
  random = 0.29;
  t.is(defence.admit('192.0.2.1'), undefined, 'half: three in ten');
  random = 0.31;
  held.push(defence.admit('192.0.2.1')!);
  t.is(defence.admit('192.0.2.1'), undefined, 'one more: a little more');
  random = 0.999;
  while (held.length < 20) held.push(defence.admit('192.0.2.3')!);
  t.is(defence.admit('192.0.2.4'), undefined, 'all');
  t.regex(String(lines.at(-1)?.reason), /^Too many connections/);
  for (const admission of held) admission.release();
  random = 0;
  t.truthy(defence.admit('192.0.2.4'), 'none');
});

test('has connections above the limit of an address wait for their turn, first come, first served, and refuses what is too many', async t => {
  const { defence, lines } = await setUp(t, { unauthenticated: 14, unauthenticatedPerAddress: 2 }, () => 0.999);
  const told: string[] = [];
  const admissions = new Map<string, Admission>();
  const come = (name: string, address = '192.0.2.1') =>
    defence.admitInTurn(address, admission => {
      told.push(admission ? name : `${name} refused`);
      if (admission) admissions.set(name, admission);
    });
  const leave = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => come(name));
  t.deepEqual(told.splice(0), ['a', 'b'], 'the others hear nothing');
  leave[2]!();
  admissions.get('b')!.release();
  t.deepEqual(told.splice(0), ['d'], 'the first who is still there');
  admissions.get('d')!.release();
  admissions.get('a')!.release();
  t.deepEqual(told.splice(0), ['e', 'f']);

  for (let i = 0; i < 9; i++) come(String(i));
  t.deepEqual(told.splice(0), ['7 refused', '8 refused'], 'seven in all may wait: half of the limit');
  t.regex(String(lines.at(-1)?.reason), /from this address/);
  come('other', '192.0.2.2');
  t.deepEqual(told.splice(0), ['other'], 'another address need not wait');
  await fail(defence, 15);
  admissions.get('e')!.release();
  t.deepEqual(
    told.splice(0),
    ['0', '1', '2', '3', '4', '5', '6'].map(name => `${name} refused`),
    'banned in the meantime',
  );
});

test('no more than four times the limit of an address wait, ten seconds at most', async t => {
  const { defence } = await setUp(t, { unauthenticatedPerAddress: 1 });
  const told: string[] = [];
  const began = performance.now();
  const last = new Promise<void>(resolve => {
    for (let i = 0; i < 6; i++) {
      defence.admitInTurn('192.0.2.1', admission => {
        told.push(`${i}${admission ? '' : ' refused'}`);
        if (i === 4) resolve();
      });
    }
  });
  t.deepEqual(told, ['0', '5 refused']);
  const alive = setInterval(() => undefined, 1_000);
  await last;
  clearInterval(alive);
  t.true(performance.now() - began > 9_000);
  t.deepEqual(told.slice(2), ['1 refused', '2 refused', '3 refused', '4 refused']);
});

test('can be switched off', async t => {
  const { defence } = await setUp(t, { enabled: false });
  t.deepEqual(await fail(defence, 30), Array(30).fill(0));
  t.false(defence.isBanned('192.0.2.1'));
  t.truthy(defence.admit('192.0.2.1'));
});

test('an address that is banned is turned away with the right password, and a user who is with his password only', async t => {
  const key = { fingerprint: 'SHA256:1', algorithm: 'ssh-ed25519', data: 'AAAA', comment: '' };
  const hub = await startHub(t, {
    users: { alice: { password: 'alice-secret', keys: [key] } },
    values: { defence: { delay: '1ms', failures: 3, userFailures: 5 } },
  });
  const service = hub.hub.get(LoginService);
  const login = (password: string, remoteAddress: string) =>
    service.login({ username: 'alice', credentials: [{ kind: 'password', password }], protocol: 'sftp', remoteAddress });
  const refused = { code: 'authentication-failed', message: 'Login failed' } as const;
  for (let i = 0; i < 3; i++) await t.throwsAsync(login('wrong', '192.0.2.1'), refused);
  for (const address of ['192.0.2.1', '::ffff:192.0.2.1']) await t.throwsAsync(login('alice-secret', address), { code: 'rate-limited' });
  t.is(service.admit('192.0.2.1'), undefined);
  t.is(hub.events.filter(({ type }) => type === 'login.failed').length, 3, 'what was turned away is not in the log of events');
  await (await login('alice-secret', '192.0.2.2')).end();
  for (let i = 0; i < 2; i++) await t.throwsAsync(login('wrong', '192.0.2.2'), refused);
  await t.throwsAsync(login('alice-secret', '192.0.2.3'), refused, 'the user');
  const credentials = [{ kind: 'public-key', algorithm: key.algorithm, data: Buffer.from(key.data, 'base64') }] as const;
  t.is((await service.login({ username: 'alice', credentials, protocol: 'sftp', remoteAddress: '192.0.2.4' })).info.user, 'alice');
});
