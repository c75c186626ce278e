import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { Passwords } from '#core/auth/passwords.js';
import { DEFAULT_RIGHTS } from '#core/db/user.js';
import { UserRepository } from '#core/db/users.js';
import { Hub } from '#core/hub.js';
import { createLogger } from '#core/log.js';
import { servicesOf } from '#core/operations/hub-services.js';
import { type OperationInput, type OperationName, type OperationOutput, runOperation } from '#core/operations/index.js';
import { bundled, migrations } from '#extensions/bundled.js';

interface Fixture {
  readonly hub: Hub;
  readonly directory: string;
  call<N extends OperationName>(name: N, input: OperationInput<N>): Promise<OperationOutput<N>>;
}

async function open(
  t: ExecutionContext,
  { start = false, values = {} }: { readonly start?: boolean; readonly values?: object } = {},
): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'entrepot-operations-'));
  const hub = await Hub.open({
    dataDirectory: directory,
    env: {},
    values: {
      database: { url: 'sqlite::memory:' },
      protocols: { sftp: { host: '127.0.0.1', port: 0 }, ftp: { enabled: false }, web: { enabled: false } },
      ...values,
    },
    bundled,
    migrations,
    log: createLogger('silent', 'json'),
  });
  t.teardown(async () => {
    await hub.stop(AbortSignal.abort());
    await rm(directory, { recursive: true, force: true });
  });
  if (start) await hub.start();
  const services = servicesOf(hub);
  return { hub, directory, call: (name, input) => runOperation(services, name, input) as Promise<never> };
}

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkDnDZwMBNtfqxoCtFTxcB9YCuMrh5uyC9fVzRgvP8 laptop';

test('adds a user with a made password that logs in, and makes the home', async t => {
  const { hub, directory, call } = await open(t);
  const { user, password } = await call('users.add', { username: 'alice' });
  t.deepEqual(user.mounts, [{ path: '/', storage: 'data', directory: '/alice' }]);
  t.true(await hub.get(Passwords).verify(await hub.get(UserRepository).passwordHash(user.id), password!));
  t.true((await stat(join(directory, 'files/alice'))).isDirectory());
});

test('gives back no password that was given, and makes none beside a key', async t => {
  const { call } = await open(t);
  t.is((await call('users.add', { username: 'alice', password: 'a long one' })).password, undefined);
  const { user, password } = await call('users.add', { username: 'bob', keys: [KEY] });
  t.is(password, undefined);
  t.false(user.hasPassword);
  t.is(user.keys[0]!.comment, 'laptop');
});

test('refuses a user that is there, in another case too, and leaves nothing of a refused one', async t => {
  const { directory, call } = await open(t);
  await call('users.add', { username: 'alice' });
  await t.throwsAsync(call('users.add', { username: 'ALICE' }), { code: 'already-exists' });
  await t.throwsAsync(call('users.add', { username: '../evil' }), { code: 'invalid-request' });
  await t.throwsAsync(call('users.add', { username: 'carol', password: '' }), { code: 'invalid-request', message: /empty/ });
  t.deepEqual(await readdir(join(directory, 'files')), ['alice']);
});

test('names the nearest storage, right, protocol and user where one was mistyped', async t => {
  const { call } = await open(t);
  await call('users.add', { username: 'alice' });
  await t.throwsAsync(call('users.add', { username: 'bob', home: 'dta:/bob' }), { message: /did you mean 'data'/ });
  await t.throwsAsync(call('users.set', { username: 'alice', permissions: { '/': ['downlod'] } }), { message: /did you mean 'download'/ });
  await t.throwsAsync(call('users.set', { username: 'alice', protocols: ['stfp'] }), { message: /did you mean 'sftp'/ });
  await t.throwsAsync(call('users.show', { username: 'alcie' }), { code: 'not-found', message: /did you mean 'alice'/ });
  await t.throwsAsync(call('users.set', { username: 'alice', addresses: ['10.0.0.0/99'] }), { message: /neither an address nor a range/ });
});

test('changes rights and patterns by path, and takes an entry away', async t => {
  const { call } = await open(t);
  await call('users.add', { username: 'alice' });
  const set = await call('users.set', {
    username: 'alice',
    permissions: { '/in/': ['list', 'upload'] },
    patterns: [{ path: '/in', deny: ['*.exe'] }],
  });
  t.deepEqual(set.permissions, { '/': DEFAULT_RIGHTS, '/in': ['list', 'upload'] });
  t.deepEqual(set.patterns, [{ path: '/in', allow: [], deny: ['*.exe'], hidden: false }]);
  const hidden = await call('users.set', { username: 'alice', patterns: [{ path: '/in', hidden: true }] });
  t.deepEqual(hidden.patterns, [{ path: '/in', allow: [], deny: ['*.exe'], hidden: true }]);
  const unset = await call('users.set', { username: 'alice', permissions: { '/in': null }, patterns: [{ path: '/in', deny: [] }] });
  t.deepEqual(unset.permissions, { '/': DEFAULT_RIGHTS });
  t.deepEqual(unset.patterns, []);
  await t.throwsAsync(call('users.set', { username: 'alice', permissions: { '/': null } }), { code: 'invalid-request' });
});

test('sets and lifts expiry, addresses, protocols and the limit of sessions', async t => {
  const { call } = await open(t);
  await call('users.add', {
    username: 'alice',
    expiresAt: 4_000_000_000_000,
    maxSessions: 2,
    protocols: ['sftp'],
    addresses: ['10.0.0.0/8'],
  });
  t.like(await call('users.show', { username: 'alice' }), {
    expiresAt: 4_000_000_000_000,
    maxSessions: 2,
    protocols: ['sftp'],
    addresses: ['10.0.0.0/8'],
  });
  const lifted = await call('users.set', { username: 'alice', expiresAt: null, maxSessions: null, protocols: [], addresses: [] });
  t.like(lifted, { expiresAt: undefined, maxSessions: undefined, protocols: [], addresses: [] });
});

test('disables, enables and removes a user, whose files stay', async t => {
  const { directory, call } = await open(t);
  await call('users.add', { username: 'alice' });
  t.is((await call('users.disable', { username: 'alice' })).status, 'disabled');
  t.is((await call('users.enable', { username: 'alice' })).status, 'active');
  await call('users.remove', { username: 'alice' });
  await t.throwsAsync(call('users.show', { username: 'alice' }), { code: 'not-found' });
  t.deepEqual(await readdir(join(directory, 'files')), ['alice']);
});

test('adds and removes keys, by fingerprint or comment', async t => {
  const { call } = await open(t);
  await call('users.add', { username: 'alice' });
  const key = await call('users.keys.add', { username: 'alice', key: KEY });
  await t.throwsAsync(call('users.keys.add', { username: 'alice', key: KEY }), { code: 'already-exists' });
  t.is((await call('users.keys.remove', { username: 'alice', key: 'laptop' })).fingerprint, key.fingerprint);
  await t.throwsAsync(call('users.keys.remove', { username: 'alice', key: key.fingerprint }), { code: 'not-found' });
});

test('puts a directory of a storage at a path, makes it, and takes it away again', async t => {
  const { directory, call } = await open(t);
  await call('users.add', { username: 'alice' });
  const mounts = await call('users.mounts.add', { username: 'alice', path: '/shared/x/', target: 'data:/common/x' });
  t.deepEqual(
    mounts.find(({ path }) => path === '/shared/x'),
    { path: '/shared/x', storage: 'data', directory: '/common/x' },
  );
  t.true((await stat(join(directory, 'files/common/x'))).isDirectory());
  await t.throwsAsync(call('users.mounts.add', { username: 'alice', path: '/shared/x', target: 'data:/other' }), {
    code: 'already-exists',
  });
  await t.throwsAsync(call('users.mounts.remove', { username: 'alice', path: '/' }), { code: 'invalid-request' });
  t.is((await call('users.mounts.remove', { username: 'alice', path: '/shared/x' })).length, 1);
  await t.throwsAsync(call('users.mounts.remove', { username: 'alice', path: '/shared/x' }), { code: 'not-found' });
});

test('adds a storage only when its options fit and it opens, and keeps one that is in use', async t => {
  const { directory, call } = await open(t);
  await t.throwsAsync(call('storages.add', { name: 's', kind: 'lokal' }), { message: /did you mean 'local'/ });
  await t.throwsAsync(call('storages.add', { name: 's', kind: 'local', options: { rot: '/x' } }), { message: /did you mean 'root'/ });
  await t.throwsAsync(call('storages.add', { name: 'a/b', kind: 'memory' }), { code: 'invalid-request' });
  const added = await call('storages.add', { name: 'archive', kind: 'local', options: { root: join(directory, 'files/archive') } });
  t.like(added, { name: 'archive', kind: 'local', discovered: false });
  await t.throwsAsync(call('storages.add', { name: 'archive', kind: 'memory' }), { code: 'already-exists' });
  t.true((await call('storages.test', { name: 'archive' })).ok);
  await call('users.add', { username: 'alice', home: 'archive:/alice' });
  await t.throwsAsync(call('storages.remove', { name: 'archive' }), { code: 'conflict', message: /alice/ });
  await call('users.remove', { username: 'alice' });
  await call('storages.remove', { name: 'archive' });
  t.deepEqual(
    (await call('storages.list', {})).map(({ name }) => name),
    ['data'],
  );
});

test('checks URL and events of a webhook, warns of an address that is not allowed, and tells the secret once', async t => {
  const { call } = await open(t);
  await t.throwsAsync(call('webhooks.add', { url: 'ftp://example.com/', events: ['*'] }), { message: /http/ });
  await t.throwsAsync(call('webhooks.add', { url: 'http://u:p@127.0.0.1/', events: ['*'] }), { message: /password/ });
  await t.throwsAsync(call('webhooks.add', { url: 'http://127.0.0.1/', events: ['upload.complete'] }), {
    message: /did you mean 'upload.completed'/,
  });
  await t.throwsAsync(call('webhooks.add', { url: 'http://127.0.0.1/', events: [] }), { code: 'invalid-request' });
  const added = await call('webhooks.add', { url: 'http://127.0.0.1:9/hook', events: ['upload.*'], users: ['alice'], paths: ['/in/**'] });
  t.regex(added.secret, /^whsec_/);
  t.regex(added.warning ?? '', /outbound\.allow/);
  const [listed] = await call('webhooks.list', {});
  t.like(listed, {
    id: added.id,
    url: 'http://127.0.0.1:9/hook',
    events: ['upload.*'],
    users: ['alice'],
    paths: ['/in/**'],
    enabled: true,
  });
  t.notRegex(JSON.stringify(listed), /whsec_/);
});

test('what a receiver bears is kept, changed, taken away, and checked', async t => {
  const { call } = await open(t);
  const { id, concurrency, rate } = await call('webhooks.add', { url: 'http://127.0.0.1:9/', events: ['*'], concurrency: 4, rate: '30/m' });
  t.deepEqual([concurrency, rate], [4, '30/m']);
  t.like(await call('webhooks.set', { id, rate: '10/s' }), { concurrency: 4, rate: '10/s' });
  t.like(await call('webhooks.set', { id, events: ['upload.*'] }), { concurrency: 4, rate: '10/s' });
  const bare = await call('webhooks.set', { id, concurrency: null, rate: null });
  t.false('concurrency' in bare || 'rate' in bare);
  for (const wrong of ['0/s', '10', '10/h', '1.5/s']) await t.throwsAsync(call('webhooks.set', { id, rate: wrong }), { message: /10\/s/ });
});

test('rotates a secret so that the old one signs along', async t => {
  const { hub, call } = await open(t);
  const { id, secret } = await call('webhooks.add', { url: 'http://127.0.0.1:9/hook', events: ['*'] });
  const rotated = await call('webhooks.rotate-secret', { id: id.slice(0, 20) });
  t.not(rotated.secret, secret);
  const stored = await servicesOf(hub).rules.find(id);
  t.like(stored?.actions[0]?.options, { secret: rotated.secret, previousSecret: secret, previousSecretUntil: rotated.previousSecretUntil });
  t.false((await call('webhooks.disable', { id })).enabled);
  t.true((await call('webhooks.enable', { id })).enabled);
  await call('webhooks.remove', { id });
  t.deepEqual(await call('webhooks.list', {}), []);
});

test('tests one webhook alone and shows the answer, also where it subscribes to something else', async t => {
  const received: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    received.push(request);
    response.end('thank you');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { call } = await open(t, { start: true, values: { outbound: { allow: ['127.0.0.1'] } } });
  const { id, warning } = await call('webhooks.add', { url: `${url}/one`, events: ['upload.completed'] });
  t.is(warning, undefined);
  await call('webhooks.add', { url: `${url}/other`, events: ['webhook.*'] });
  const result = await call('webhooks.test', { id });
  t.like(result, { ok: true, answer: 'thank you' }, JSON.stringify(result));
  t.deepEqual(
    received.map(request => request.url),
    ['/one'],
  );
  const { items } = await call('events.list', { type: 'webhook.test' });
  t.is(items.length, 1);
  const shown = await call('events.show', { id: items[0]!.id });
  t.is(shown.deliveries.length, 1);
  const delivery = await call('deliveries.show', { id: shown.deliveries[0]!.id });
  t.like(delivery.tries[0], { attempt: 1, succeeded: true, answer: 'thank you' });
  await call('deliveries.retry', { id: delivery.id });
  while (received.length < 2) await new Promise(resolve => setTimeout(resolve, 20));
  t.is(received[1]!.headers['webhook-id'], received[0]!.headers['webhook-id']);
});

/** An event of now that concerns nobody. */
function testEvent() {
  return {
    specversion: '1.0',
    id: '01a20de6-43f1-7522-b399-a2634ff53bc1',
    type: 'webhook.test',
    source: 'entrepot/test',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { message: 'hello' },
  } as const;
}

test('says that nothing can be sent while no hub runs', async t => {
  const { call } = await open(t);
  const { id } = await call('webhooks.add', { url: 'http://127.0.0.1:9/', events: ['*'] });
  await t.throwsAsync(call('webhooks.test', { id }), { code: 'unavailable', message: /entrepot start/ });
});

test('tails events from where it was asked to begin', async t => {
  const { hub, call } = await open(t);
  const { next } = await call('events.tail', {});
  const services = servicesOf(hub);
  const event = testEvent();
  await services.events.record({ event, user: undefined, path: undefined, targets: [] });
  const found = await call('events.tail', { after: next });
  t.deepEqual(found, { items: [event], next: event.id });
  t.deepEqual(await call('events.tail', { after: found.next }), { items: [], next: event.id });
  t.deepEqual((await call('events.tail', { after: next, type: 'upload.*' })).items, []);
  await t.throwsAsync(call('events.list', { type: 'upload.complete' }), { message: /did you mean 'upload.completed'/ });
});

test('refuses an operation that does not exist and an input that does not fit', async t => {
  const { hub } = await open(t);
  const services = servicesOf(hub);
  await t.throwsAsync(runOperation(services, 'user.add', {}), { code: 'invalid-request', message: /did you mean 'users.add'/ });
  await t.throwsAsync(runOperation(services, '__proto__', {}), { code: 'invalid-request' });
  await t.throwsAsync(runOperation(services, 'users.show', { username: 'a', more: 1 }), { code: 'invalid-request', message: /more/ });
  await t.throwsAsync(runOperation(services, 'users.show', 'x'), { code: 'invalid-request' });
});

test('warns of a user who cannot log in by the methods given, and makes no password that is no use', async t => {
  const { call } = await open(t);
  const keyless = await call('users.add', { username: 'alice', methods: ['publickey'] });
  t.is(keyless.password, undefined);
  t.regex(keyless.warning ?? '', /'alice' logs in by publickey and has no key; `entrepot user key add alice FILE`/);
  const both = await call('users.add', { username: 'bob', methods: ['publickey+password'] });
  t.regex(both.warning ?? '', /no key/);
  t.truthy(both.password, 'which is wanted beside the key');
  const keyed = await call('users.add', { username: 'carol', keys: [KEY], methods: ['publickey'] });
  t.deepEqual([keyed.warning, keyed.password], [undefined, undefined]);
  const password = await call('users.set', { username: 'carol', methods: ['password'] });
  t.regex(password.warning ?? '', /no password; `entrepot user set carol --password-file FILE`/);
  t.is((await call('users.set', { username: 'carol', methods: ['password', 'publickey'] })).warning, undefined);
  t.is((await call('users.set', { username: 'carol', methods: [] })).warning, undefined);
});

test('refuses an expiry that is past, and hiding where every name is allowed', async t => {
  const { call } = await open(t);
  await t.throwsAsync(call('users.add', { username: 'alice', expiresAt: 1_577_836_800_000 }), {
    message: /^2020-01-01.* is past; `entrepot user disable`/,
  });
  await t.throwsAsync(call('users.add', { username: 'alice', patterns: [{ path: '/x', hidden: true }] }), { message: /'\/x' is allowed/ });
  await call('users.add', { username: 'alice', patterns: [{ path: '/x', deny: ['*.exe'], hidden: true }] });
  await t.throwsAsync(call('users.set', { username: 'alice', patterns: [{ path: '/y', hidden: true }] }), { code: 'invalid-request' });
});

test('speaks of inputs that do not fit in words of its own', async t => {
  const { hub, call } = await open(t);
  await t.throwsAsync(call('users.add', { username: '' }), { message: /^A user name has 1 to 64 letters/ });
  const services = servicesOf(hub);
  for (const [name, input, expected] of [
    ['users.show', { username: 7 }, 'username: expected a string'],
    ['users.show', { username: 'x'.repeat(300) }, 'username: expected at most 256 characters'],
    ['deliveries.list', { state: 'foo' }, /^state: expected 'waiting' or 'running'/],
    ['events.list', { limit: 0 }, 'limit: expected at least 1'],
    ['users.show', { username: 'a', more: 1 }, "there is no 'more'"],
  ] as const)
    await t.throwsAsync(runOperation(services, name, input), { message: expected }, name);
});

test('a webhook refuses a pattern that matches nothing, and warns of a user who does not exist', async t => {
  const { call } = await open(t, { values: { outbound: { allow: ['127.0.0.1'] } } });
  const add = (more: object) => call('webhooks.add', { url: 'http://127.0.0.1:9/', events: ['*'], ...more });
  await t.throwsAsync(add({ paths: ['/ok/*', 'in/*'] }), {
    code: 'invalid-request',
    message: /'in\/\*' can match no file: .*starts with '\/'/,
  });
  await call('users.add', { username: 'alice' });
  t.is((await add({ users: ['ALICE'], paths: ['**/*.csv'] })).warning, undefined);
  t.is((await add({ users: ['alcie'] })).warning, "There is no user 'alcie', did you mean 'alice'?");
});

test('says of an empty list of events what in its filter is not known', async t => {
  const { hub, call } = await open(t);
  const hint = async (filter: object) => (await call('events.list', filter)).hint;
  t.regex((await hint({ type: 'nope' })) ?? '', /There is no event 'nope'; the hub's own are .*upload\.completed/);
  t.regex((await hint({ type: 'nope.*' })) ?? '', /There is no event 'nope\.\*'/);
  t.is(await hint({ user: 'nobody' }), "There is no user 'nobody'");
  t.is(await hint({ type: 'download.*' }), undefined);
  t.is((await call('events.tail', { user: 'nobody' })).hint, "There is no user 'nobody'");
  const event = testEvent();
  await servicesOf(hub).events.record({ event, user: 'gone', path: undefined, targets: [] });
  t.is(await hint({ user: 'gone', type: 'upload.*' }), undefined, 'a user who was removed has events');
});

test('dismisses a delivery that waits, once', async t => {
  const { hub, call } = await open(t);
  const event = {
    specversion: '1.0',
    id: '01a20de6-43f1-7522-b399-a2634ff53bc2',
    type: 'webhook.test',
    source: 'entrepot/test',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { message: 'x' },
  } as const;
  await servicesOf(hub).events.record({ event, user: undefined, path: undefined, targets: ['rule/gone/0'] });
  const { id } = (await call('deliveries.list', {})).items[0]!;
  t.is((await call('deliveries.dismiss', { id })).state, 'dismissed');
  await t.throwsAsync(call('deliveries.dismiss', { id }), { code: 'conflict' });
  await t.throwsAsync(call('deliveries.dismiss', { id: 'none' }), { code: 'not-found' });
});
