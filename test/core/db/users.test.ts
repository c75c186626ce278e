import 'reflect-metadata';
import type { ExecutionContext } from 'ava';
import { LocalCoordinator } from '#core/cluster/local.js';
import type { Database } from '#core/db/database.js';
import { StorageRepository } from '#core/db/storages.js';
import { checkUsername, type UserFields, UserRepository } from '#core/db/users.js';
import { HubError } from '#core/errors.js';
import { Secrets } from '#core/secrets.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { hubDatabase } from './temporary-database.js';

interface Setup {
  readonly database: Database;
  readonly users: UserRepository;
  readonly storages: StorageRepository;
  /** 'table id' of each record that was told to have changed. */
  readonly changed: string[];
}

async function setUp(t: ExecutionContext): Promise<Setup> {
  const database = await hubDatabase(t);
  const coordinator = new LocalCoordinator();
  const changed: string[] = [];
  coordinator.listen('records.changed', ({ table, id }) => void changed.push(`${table} ${id}`));
  const storages = new StorageRepository(database, coordinator, new Secrets(Buffer.alloc(32)));
  return { database, users: new UserRepository(database, coordinator), storages, changed };
}

function fields(username: string, more: Partial<UserFields> = {}): UserFields {
  return {
    username,
    status: 'active',
    description: '',
    keys: [],
    permissions: { '/': ['*'] },
    patterns: [],
    mounts: [{ path: '/', storage: 'data', directory: `/${username}` }],
    expiresAt: undefined,
    protocols: [],
    addresses: [],
    maxSessions: undefined,
    ...more,
  };
}

const key = (name: string) => ({ fingerprint: `SHA256:${name}`, algorithm: 'ssh-ed25519', data: 'AAAA', comment: name });

test('keeps every field of a user', async t => {
  const { users } = await setUp(t);
  const all = fields('alice', {
    passwordHash: '$argon2id$x',
    description: 'näive "quoted"',
    keys: [key('z'), key('a')],
    permissions: { '/': ['list'], '/in/*': ['upload', 'overwrite'] },
    patterns: [{ path: '/in', allow: ['*.csv'], deny: ['~*'], hidden: true }],
    mounts: [
      { path: '/', storage: 'data', directory: '/alice' },
      { path: '/b', storage: 'inbox', directory: '/' },
    ],
    expiresAt: 1_900_000_000_000,
    protocols: ['sftp'],
    addresses: ['10.0.0.0/8'],
    maxSessions: 3,
  });
  const user = await users.create(all);
  const { passwordHash, ...visible } = all;
  t.like(user, { ...visible, hasPassword: true, version: 1, lastLoginAt: undefined });
  t.deepEqual(await users.find(user.id), user);
  t.is(await users.passwordHash(user.id), passwordHash);
  t.false('passwordHash' in user);
});

test('finds a user however his name is written, and takes no second of that name', async t => {
  const { users } = await setUp(t);
  const user = await users.create(fields('Zoë'));
  for (const spelling of ['zoë', 'ZOË', 'zoe\u0308', 'ｚoë']) {
    t.is((await users.findByUsername(spelling))?.id, user.id, spelling);
    await t.throwsAsync(users.create(fields(spelling)), { instanceOf: HubError, code: 'already-exists' });
  }
  t.is(await users.findByUsername('zoe'), undefined);
  t.is(user.username, 'Zoë');
});

test('takes as user names only what is safe as the name of a directory', async t => {
  for (const name of ['a', 'a.b', 'a_b@c+d-e', '0', 'Ünï', '名前', 'x'.repeat(64)]) t.is(checkUsername(name), name);
  for (const name of ['', '.', '..', '.a', '-rf', '_a', 'a/b', 'a\\b', 'a b', 'a\n', 'a\0', 'x'.repeat(65), '\u202ea', '🙂', 'a:b']) {
    t.throws(() => checkUsername(name), { instanceOf: HubError, code: 'invalid-request' }, JSON.stringify(name));
  }
  t.throws(() => checkUsername('℀'), { code: 'invalid-request' }, 'a sign whose normal form holds a slash');
});

test('reads a user in two queries at most', async t => {
  const { database, users } = await setUp(t);
  await users.create(fields('alice', { keys: [key('a'), key('b')] }));
  let queries = 0;
  database.knex.on('query', () => queries++);
  await users.findByUsername('alice');
  t.true(queries <= 2, String(queries));
});

test('changes only what is given, and clears what is given as undefined', async t => {
  const { users } = await setUp(t);
  const user = await users.create(fields('alice', { passwordHash: 'x', maxSessions: 3, keys: [key('a')], expiresAt: 5 }));
  const changed = await users.update(user.id, { description: 'new', maxSessions: undefined }, 1);
  t.deepEqual(changed, { ...user, description: 'new', maxSessions: undefined, version: 2 });
  const replaced = await users.update(user.id, { username: 'bob', keys: [key('b')], passwordHash: undefined }, 2);
  t.like(replaced, { username: 'bob', keys: [key('b')], hasPassword: false, version: 3 });
  t.is(await users.findByUsername('alice'), undefined);
  t.is((await users.findByUsername('BOB'))?.id, user.id);
});

test('refuses a change to a version that is not current, to a user who is gone, and to a name that is taken', async t => {
  const { users } = await setUp(t);
  const user = await users.create(fields('alice'));
  await users.create(fields('bob'));
  await users.update(user.id, { description: 'first' }, 1);
  await t.throwsAsync(users.update(user.id, { description: 'second' }, 1), { code: 'conflict', message: /alice/ });
  await t.throwsAsync(users.update('nobody', { description: 'x' }, 1), { code: 'not-found' });
  await t.throwsAsync(users.update(user.id, { username: 'BOB' }, 2), { code: 'already-exists' });
  t.is((await users.find(user.id))?.description, 'first');
});

test('names the field that is wrong, and writes nothing', async t => {
  const { users } = await setUp(t);
  const wrong: readonly (readonly [Partial<UserFields>, RegExp])[] = [
    [{ maxSessions: 0 }, /^maxSessions/],
    [{ permissions: { in: ['*'] } }, /^permissions/],
    [{ mounts: [{ path: 'x', storage: 'data', directory: '/' }] }, /^mounts\.0\.path/],
    [{ mounts: [1, 2].map(() => ({ path: '/', storage: 'data', directory: '/' })) }, /^mounts/],
    [{ keys: [key('a'), key('a')] }, /^keys/],
    [{ patterns: [{ path: '/', allow: [''], deny: [], hidden: false }] }, /^patterns\.0\.allow/],
    [JSON.parse('{"permissions":{"/":["fly"]}}'), /^permissions/],
    [JSON.parse('{"quota":1}'), /quota/],
  ];
  for (const [more, message] of wrong) await t.throwsAsync(users.create(fields('alice', more)), { code: 'invalid-request', message });
  t.is((await users.page({}, undefined, 10)).total, 0);
});

test('gives pages in the order of the names, with the total, and searches without regard to case', async t => {
  const { users } = await setUp(t);
  for (const name of ['delta', 'Alpha', 'charlie', 'bravo', 'a_b', 'axb']) await users.create(fields(name));
  const first = await users.page({}, undefined, 4);
  t.deepEqual([first.items.map(user => user.username), first.total], [['a_b', 'Alpha', 'axb', 'bravo'], 6]);
  const second = await users.page({}, first.next, 4);
  t.deepEqual([second.items.map(user => user.username), second.total, second.next], [['charlie', 'delta'], 6, undefined]);
  t.deepEqual(
    (await users.page({ search: 'A_B' }, undefined, 10)).items.map(user => user.username),
    ['a_b'],
  );
  t.is((await users.page({ search: 'LPH' }, undefined, 10)).total, 1);
  t.is((await users.page({ search: '%' }, undefined, 10)).total, 0);
  await t.throwsAsync(users.page({}, 'not a cursor!', 10), { code: 'invalid-request' });
});

test('remembers the time of a login, and tells nobody of it', async t => {
  const { users, changed } = await setUp(t);
  const user = await users.create(fields('alice'));
  changed.length = 0;
  await users.recordLogin(user.id, new Date(1234));
  t.deepEqual(await users.find(user.id), { ...user, lastLoginAt: 1234 });
  t.deepEqual(changed, []);
});

test('deletes a user with his keys and mounts', async t => {
  const { database, users } = await setUp(t);
  const user = await users.create(fields('alice', { keys: [key('a')] }));
  await users.delete(user.id);
  t.deepEqual([await database.knex('public_keys'), await database.knex('mounts'), await users.find(user.id)], [[], [], undefined]);
  await t.throwsAsync(users.delete(user.id), { code: 'not-found' });
});

test('tells of a change after it is committed, and not of one that is rolled back', async t => {
  const { database, users, changed } = await setUp(t);
  const user = await users.create(fields('alice'));
  t.deepEqual(changed, [`users ${user.id}`]);
  await database.transaction(async trx => {
    await users.update(user.id, { description: 'x' }, 1, trx);
    t.is(changed.length, 1);
  });
  t.is(changed.length, 2);
  const rolledBack = database.transaction(async trx => {
    await users.delete(user.id, undefined, trx);
    throw new Error('no');
  });
  await t.throwsAsync(rolledBack, { message: 'no' });
  t.is(changed.length, 2);
  t.is((await users.find(user.id))?.description, 'x');
});

test('says which record is damaged, instead of guessing rights', async t => {
  const { database, users } = await setUp(t);
  const user = await users.create(fields('alice'));
  for (const permissions of ['{"/":["fly"]}', '{', '[]']) {
    await database.knex('users').where({ id: user.id }).update({ permissions });
    await t.throwsAsync(users.findByUsername('alice'), { code: 'internal', message: /'alice' is damaged \(permissions\)/ });
  }
});

test('keeps storages by name, and none that a user still has mounted is deleted', async t => {
  const { users, storages, changed } = await setUp(t);
  const data = await storages.create({ name: 'data', kind: 'local', options: { root: '/srv', deep: { list: [1] } } });
  await storages.create({ name: 'archive', kind: 'memory', options: {} });
  t.deepEqual(await storages.findByName('data'), data);
  t.deepEqual(
    (await storages.list()).map(storage => storage.name),
    ['archive', 'data'],
  );
  await t.throwsAsync(storages.create({ name: 'data', kind: 'memory', options: {} }), { code: 'already-exists', message: /'data'/ });
  for (const name of ['', '..', 'a/b', 'a:b', '-x'])
    await t.throwsAsync(storages.create({ name, kind: 'memory', options: {} }), { code: 'invalid-request' });
  const user = await users.create(fields('alice'));
  await t.throwsAsync(storages.delete('data'), { code: 'conflict', message: /user 'alice' has it at \// });
  await users.delete(user.id);
  await storages.delete('data');
  await t.throwsAsync(storages.delete('data'), { code: 'not-found' });
  t.is(changed.filter(change => change === `storages ${data.id}`).length, 2);
});

test('sees what a transaction has not committed only inside it', async t => {
  const { database, users } = await setUp(t);
  const rolledBack = database.transaction(async trx => {
    const user = await users.create(fields('alice'), trx);
    t.is((await users.findByUsername('alice', trx))?.id, user.id);
    throw new Error('no');
  });
  await t.throwsAsync(rolledBack, { message: 'no' });
  t.is(await users.findByUsername('alice'), undefined);
});
