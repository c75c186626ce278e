import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import type { Credential, Session } from '#core/api.js';
import { LoginService } from '#core/auth/login.js';
import { Passwords } from '#core/auth/passwords.js';
import { SessionRegistry } from '#core/auth/session.js';
import { UserRepository } from '#core/db/users.js';
import { HubError } from '#core/errors.js';
import { Guards } from '#core/guards.js';
import { startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';
import { put, recorded } from '../vfs/support.js';

const password = (text: string): Credential => ({ kind: 'password', password: text });
const keyData = (seed: number) => Buffer.alloc(51, seed);
const key = (seed: number): Credential => ({ kind: 'public-key', algorithm: 'ssh-ed25519', data: keyData(seed) });
const keyOf = (seed: number) => ({
  fingerprint: `SHA256:${seed}`,
  algorithm: 'ssh-ed25519',
  data: keyData(seed).toString('base64'),
  comment: '',
});

const USERS: NonNullable<TestHubOptions['users']> = {
  alice: { password: 'alice-secret', keys: [keyOf(1)] },
  bob: { password: 'bob-secret', keys: [keyOf(2)] },
  nokeys: { password: 'nokeys-secret' },
  nopassword: { keys: [keyOf(3)] },
  disabled: { password: 'right', status: 'disabled', keys: [keyOf(4)] },
  expired: { password: 'right', expiresAt: 1 },
  ftponly: { password: 'right', protocols: ['ftp'] },
  elsewhere: { password: 'right', addresses: ['10.0.0.0/8'] },
};

async function withUsers(t: ExecutionContext, options: TestHubOptions = {}) {
  const hub = await startHub(t, { users: USERS, ...options });
  const service = hub.hub.get(LoginService);
  const login = (username: string, credentials: readonly Credential[], remoteAddress = '192.0.2.1'): Promise<Session> =>
    service.login({ username, credentials, protocol: 'sftp', remoteAddress });
  return { hub, service, login };
}

async function reasons(hub: TestHub): Promise<string[]> {
  return (await recorded(hub)).flatMap(event => (event.type === 'login.failed' ? [event.data.reason] : []));
}

test('whatever the reason, the client hears the same, and the operator the reason', async t => {
  const { hub, login } = await withUsers(t);
  const rows: readonly (readonly [user: string, credential: Credential, reason: string])[] = [
    ['nobody', password('x'), 'No such user'],
    ['nobody', key(1), 'No such user'],
    ['alice', password('wrong'), 'Wrong password'],
    ['alice', password(''), 'Wrong password'],
    ['alice', key(2), 'The key is not known'],
    ['nopassword', password('x'), 'The user has no password'],
    ['disabled', password('right'), 'The user is disabled'],
    ['disabled', key(4), 'The user is disabled'],
    ['expired', password('right'), 'The user has expired'],
    ['ftponly', password('right'), 'The user may not use sftp'],
    ['elsewhere', password('right'), 'The user may not log in from this address'],
  ];
  for (const [user, credential] of rows)
    await t.throwsAsync(login(user, [credential]), { instanceOf: HubError, code: 'authentication-failed', message: 'Login failed' }, user);
  t.deepEqual(
    await reasons(hub),
    rows.map(([, , reason]) => reason),
  );
  t.deepEqual(await hub.hub.get(SessionRegistry).list(), []);
});

/** Users whose passwords are hashed under the eyes of `hashes()`. */
async function withCountedHashes(t: ExecutionContext, options: TestHubOptions = {}) {
  let count = 0;
  class Counted extends Passwords {
    override verify(kept: string | undefined, offered: string): Promise<boolean> {
      count++;
      return super.verify(kept, offered);
    }
  }
  const users = await withUsers(t, { ...options, configure: container => void container.registerSingleton(Passwords, Counted) });
  return { ...users, hashes: () => count };
}

test('a hash is computed for every password, whether there is such a user or not', async t => {
  const { login, hashes } = await withCountedHashes(t);
  for (const user of ['nobody', 'alice', 'nopassword', 'disabled', '']) await login(user, [password('wrong')]).catch(() => undefined);
  t.is(hashes(), 4, 'one for each name that was given');
});

test('a password that is no use without the key is hashed once, right or wrong, and neither log nor client tells which', async t => {
  const both = { password: 'right', keys: [keyOf(5)] };
  const { hub, login, hashes } = await withCountedHashes(t, {
    users: { both: { ...both, methods: ['publickey+password'] }, keyonly: { ...both, methods: ['publickey'] } },
  });
  for (const user of ['both', 'keyonly']) {
    for (const guess of ['wrong', 'right']) {
      const before = hashes();
      await t.throwsAsync(login(user, [password(guess)]), { code: 'authentication-failed', message: 'Login failed' });
      t.is(hashes() - before, 1, `${user} ${guess}`);
    }
  }
  const [wrong, right, ...others] = await reasons(hub);
  t.is(wrong, right);
  t.is(others[0], others[1]);
  t.is(right, 'The user logs in by publickey+password, not by password');
});

test('each of several proofs is verified once, and all of them must be right', async t => {
  const { hub, login, hashes } = await withCountedHashes(t, {
    users: { both: { password: 'right', keys: [keyOf(5)], methods: ['publickey+password'] } },
  });
  await t.throwsAsync(login('both', [key(5)]), { code: 'second-factor-required' });
  await t.throwsAsync(login('both', [key(5), password('wrong')]), { code: 'authentication-failed' });
  await t.throwsAsync(login('both', [key(6), password('right')]), { code: 'authentication-failed' });
  t.is((await login('both', [key(5), password('right')])).info.user, 'both');
  t.is(hashes(), 3);
  t.deepEqual(await reasons(hub), ['Wrong password', 'The key is not known']);
});

test('an unexpected failure tells the client nothing of the account', async t => {
  const { hub, login } = await withUsers(t);
  hub.hub.get(Guards).register('login', () => {
    throw new TypeError('secret detail');
  });
  await t.throwsAsync(login('alice', [password('alice-secret')]), { code: 'unavailable', message: 'Refused: the check failed' });
  const users = hub.hub.get(UserRepository);
  users.findByUsername = async () => {
    throw new HubError('internal', "The record of user 'alice' is damaged");
  };
  await t.throwsAsync(login('alice', [password('alice-secret')]), { code: 'unavailable', message: 'Login failed' });
});

test('a guard can refuse a login with its reason', async t => {
  const { hub, login } = await withUsers(t);
  hub.hub.get(Guards).register('login', ({ user }) => {
    if (user === 'bob') throw new HubError('permission-denied', 'Not on Sundays');
  });
  await t.throwsAsync(login('bob', [password('bob-secret')]), { code: 'permission-denied', message: 'Not on Sundays' });
  t.is((await login('alice', [password('alice-secret')])).info.user, 'alice');
  t.deepEqual(await reasons(hub), ['Not on Sundays']);
});

test('200 logins with credentials in any order never give another identity', async t => {
  const { login } = await withUsers(t, { values: { defence: { enabled: false } } });
  const owners = { alice: [password('alice-secret'), key(1)], bob: [password('bob-secret'), key(2)], nokeys: [password('nokeys-secret')] };
  const offered = [...Object.values(owners).flat(), key(3), key(9), password('wrong')];
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 200; round++) {
    const username = Object.keys(owners)[random(3)] as keyof typeof owners;
    const credentials = Array.from({ length: 1 + random(3) }, () => offered[random(offered.length)]!);
    const [firstPassword, firstKey] = ['password', 'public-key'].map(kind => credentials.find(credential => credential.kind === kind));
    const right = owners[username].some(own => own === firstPassword || own === firstKey);
    const session = await login(username, credentials).catch(() => undefined);
    t.is(session?.info.user, right ? username : undefined, `round ${round}`);
    await session?.end();
  }
});

test('a key is accepted before the signature only for a user who has it and may be in', async t => {
  const { service } = await withUsers(t);
  const accepts = (user: string, seed: number) =>
    service.acceptsKey(user, { kind: 'public-key', algorithm: 'ssh-ed25519', data: keyData(seed) });
  t.true(await accepts('alice', 1));
  t.true(await accepts('ALICE', 1));
  for (const [user, seed] of [
    ['alice', 2],
    ['nobody', 1],
    ['disabled', 4],
    ['', 1],
    ['nokeys', 1],
  ] as const)
    t.false(await accepts(user, seed), user);
});

test('limits of sessions name themselves, and a refused one holds no slot', async t => {
  const { login, hub } = await withUsers(t, { values: { limits: { sessions: 4, sessionsPerUser: 2, sessionsPerAddress: 3 } } });
  const open = [await login('alice', [key(1)]), await login('alice', [key(1)])];
  for (let i = 0; i < 5; i++)
    await t.throwsAsync(login('alice', [key(1)]), { code: 'too-many-sessions', message: 'Too many sessions of this user' });
  open.push(await login('bob', [key(2)]));
  for (let i = 0; i < 5; i++)
    await t.throwsAsync(login('bob', [key(2)]), { code: 'too-many-sessions', message: 'Too many sessions from this address' });
  open.push(await login('bob', [key(2)], '192.0.2.2'));
  for (let i = 0; i < 5; i++) await t.throwsAsync(login('nopassword', [key(3)], '192.0.2.3'), { message: 'Too many sessions' });
  for (const session of open) await session.end();
  const again = [await login('alice', [key(1)]), await login('alice', [key(1)]), await login('bob', [key(2)])];
  t.is(again.length, 3);
  t.is((await recorded(hub)).filter(({ type }) => type === 'session.ended').length, 4);
});

test('connections that have not logged in are counted by address, IPv6 by its /64', async t => {
  const { service } = await withUsers(t, { values: { limits: { unauthenticatedPerAddress: 2 } } });
  const held = [service.admit('2001:db8::1')!, service.admit('2001:db8::2')!];
  t.is(service.admit('2001:db8::3'), undefined);
  held.push(service.admit('2001:db8:0:1::1')!, service.admit('192.0.2.1')!, service.admit('::ffff:192.0.2.1')!);
  t.is(service.admit('192.0.2.1'), undefined);
  held[0]!.release();
  held[0]!.release();
  t.truthy(service.admit('2001:db8::3'));
  t.is(service.admit('2001:db8::3'), undefined, 'releasing twice frees one place');
});

test('what is changed of a user holds in his open sessions at once, and who may no longer be in is out', async t => {
  const { hub, login } = await withUsers(t);
  const users = hub.hub.get(UserRepository);
  const change = async (name: string, changes: Parameters<UserRepository['update']>[1]) => {
    const user = (await users.findByUsername(name))!;
    await users.update(user.id, changes, user.version);
  };
  const [alice, bob] = [await login('alice', [key(1)]), await login('bob', [key(2)])];
  await put(alice.files, '/f', 'x');
  await change('alice', { permissions: { '/': ['list'] } });
  while ((await put(alice.files, '/f', 'x').catch((error: HubError) => error.code)) !== 'permission-denied')
    await new Promise(setImmediate);
  t.is((await alice.files.stat('/f')).size, 1);
  const ended = (session: Session) =>
    new Promise(resolve => session.signal.addEventListener('abort', () => resolve(session.signal.reason)));
  const upload = await bob.files.open('/f', { write: true, create: true });
  const [first, second] = [ended(alice), ended(bob)];
  await change('alice', { status: 'disabled' });
  await users.delete(bob.user.id);
  t.is(await first, 'The user is disabled');
  t.is(await second, 'The user was removed');
  await t.throwsAsync(upload.close(), { code: 'aborted' });
});

test('a user who is disabled while he logs in does not get in', async t => {
  const { hub, login } = await withUsers(t);
  const users = hub.hub.get(UserRepository);
  hub.hub.get(Guards).register('login', async () => {
    const user = (await users.findByUsername('alice'))!;
    await users.update(user.id, { status: 'disabled' }, user.version);
  });
  await t.throwsAsync(login('alice', [key(1)]), { code: 'authentication-failed', message: 'Login failed' });
});

test('a session that asks for nothing is ended', async t => {
  const { login } = await withUsers(t, { values: { limits: { idle: '300ms' } } });
  const session = await login('alice', [key(1)]);
  await new Promise(resolve => session.signal.addEventListener('abort', resolve));
  t.is(session.signal.reason, 'Idle for too long');
});

test('a record that cannot be used ends the sessions of its user, and nothing else', async t => {
  const { hub, login } = await withUsers(t);
  const [alice, bob] = [await login('alice', [key(1)]), await login('bob', [key(2)])];
  const users = hub.hub.get(UserRepository);
  await users.update(alice.user.id, { permissions: { [`/${'x'.repeat(300)}`]: ['*'] } }, alice.user.version);
  await new Promise(resolve => (alice.signal.aborted ? resolve(undefined) : alice.signal.addEventListener('abort', resolve)));
  t.false(bob.signal.aborted);
});

test('a certificate of TLS lets in whom its subject names, and nobody else', async t => {
  const { hub, service, login } = await withUsers(t);
  const certificate = (commonName: string): Credential => ({ kind: 'certificate', commonName, fingerprint: 'AB:CD' });
  t.is((await login('alice', [certificate('alice')])).info.user, 'alice');
  const unnamed = await service.login({ credentials: [certificate('bob')], protocol: 'ftp', remoteAddress: '192.0.2.1' });
  t.is(unnamed.info.user, 'bob');
  await t.throwsAsync(login('alice', [certificate('bob')]), { code: 'authentication-failed' });
  await t.throwsAsync(login('disabled', [certificate('disabled')]), { code: 'authentication-failed' });
  await t.throwsAsync(login('nobody', [certificate('nobody')]), { code: 'authentication-failed' });
  t.deepEqual(await reasons(hub), ['The certificate is not for this user', 'The user is disabled', 'No such user']);
});
