import test from 'ava';
import { ADMIN_PASSWORD, rawStatus, setupToken, startWeb } from './support.js';

test('makes the first owner by the link, once, and logs him in', async t => {
  const hub = await startWeb(t, { admins: {} });
  const browser = hub.browser();
  t.like((await browser.get('/setup')).body, { needed: true });
  const token = await setupToken(hub);
  const form = { token, username: 'ada', password: ADMIN_PASSWORD };
  t.is((await browser.post('/setup', { ...form, token: `${token}x` })).status, 403);
  const short = await browser.post('/setup', { ...form, password: 'short' });
  t.is(short.status, 400);
  t.like(short.body.errors![0], { pointer: '/password' });
  const made = await browser.post('/setup', form);
  t.is(made.status, 201);
  t.like((await browser.get('/session')).body, { kind: 'admin', name: 'ada', role: 'owner' });
  t.like((await browser.get('/setup')).body, { needed: false });
  t.is((await hub.browser().post('/setup', form)).status, 409);
});

test.serial('takes a set-up link for an hour, and only the last one', async t => {
  const hub = await startWeb(t, { admins: {} });
  const first = await setupToken(hub);
  const second = await setupToken(hub);
  const form = { username: 'ada', password: ADMIN_PASSWORD };
  t.is((await hub.browser().post('/setup', { ...form, token: first })).status, 403);
  const now = Date.now;
  Date.now = () => now() + 3_601_000;
  t.teardown(() => {
    Date.now = now;
  });
  const late = await hub.browser().post('/setup', { ...form, token: second });
  t.is(late.status, 403);
  t.regex(String(late.body.detail), /expired/);
});

test('of two that finish the set-up at once, one is the owner', async t => {
  const hub = await startWeb(t, { admins: {} });
  const token = await setupToken(hub);
  const finish = (username: string) => hub.browser().post('/setup', { token, username, password: ADMIN_PASSWORD });
  const statuses = (await Promise.all([finish('ada'), finish('bob')])).map(({ status }) => status).sort();
  t.deepEqual(statuses, [201, 409]);
  t.is((await hub.call('admins.list', {})).length, 1);
});

test('makes the owner of the configuration where there is no admin', async t => {
  const hub = await startWeb(t, { admins: {}, values: { admin: { username: 'root', password: ADMIN_PASSWORD } } });
  t.like((await (await hub.loggedIn('admin', 'root')).get('/session')).body, { name: 'root', role: 'owner' });
});

test('logs users and admins in and out, each in their own scope', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const user = await hub.loggedIn('user', 'alice');
  t.like((await user.get('/session')).body, { kind: 'user', name: 'alice', permissions: { '/': ['*'] } });
  const cookie = user.cookie!;
  t.is((await user.delete('/session')).status, 204);
  t.is(user.cookie, undefined);
  t.is((await hub.browser().get('/session', { cookie })).status, 401);
  const wrong = await hub.browser().post('/session', { scope: 'admin', username: 'alice', password: 'pw' });
  t.is(wrong.status, 401);
  t.like(wrong.body, { code: 'authentication-failed', detail: 'Login failed' });
  t.is((await hub.event('login.failed')).data.reason, 'No such admin');
});

test('a login begins a new session and ends the one before', async t => {
  const hub = await startWeb(t);
  const browser = await hub.loggedIn('admin', 'ada');
  const before = browser.cookie!;
  await browser.post('/session', { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD });
  t.not(browser.cookie, before);
  t.is((await hub.browser().get('/session', { cookie: before })).status, 401);
  t.is((await hub.browser().get('/session', { cookie: `${browser.cookie}; entrepot=other` })).status, 401);
});

test('a new password and a lower role end the sessions of an admin', async t => {
  const hub = await startWeb(t, { admins: { ada: 'owner', bob: 'admin' } });
  const first = await hub.loggedIn('admin', 'bob');
  await hub.call('admins.reset-password', { username: 'bob', password: ADMIN_PASSWORD });
  t.is((await first.get('/session')).status, 401);
  const second = await hub.loggedIn('admin', 'bob');
  await hub.call('admins.set', { username: 'bob', role: 'viewer' });
  t.is((await second.get('/session')).status, 401);
  await t.throwsAsync(hub.call('admins.set', { username: 'ada', role: 'admin' }), { code: 'conflict', message: /last owner/ });
  await t.throwsAsync(hub.call('admins.remove', { username: 'ada' }), { code: 'conflict', message: /last owner/ });
});

test.serial('a browser is logged out when it is idle, and in any case after the lifetime', async t => {
  const hub = await startWeb(t, { web: { sessionIdle: '10m', sessionLifetime: '1h' } });
  const browser = await hub.loggedIn('admin', 'ada');
  const now = Date.now;
  let ahead = 0;
  Date.now = () => now() + ahead;
  t.teardown(() => {
    Date.now = now;
  });
  for (let minutes = 9; minutes < 60; minutes += 9) {
    ahead = minutes * 60_000;
    t.is((await browser.get('/session')).status, 200, `${minutes} minutes`);
  }
  ahead = 61 * 60_000;
  t.is((await browser.get('/session')).status, 401);
  ahead = 0;
  const other = await hub.loggedIn('admin', 'ada');
  ahead = 11 * 60_000;
  t.is((await other.get('/session')).status, 401);
});

test('turns an address away after too many wrong passwords, over admins and users together', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { defence: { failures: 4, delay: '1ms' } } });
  const guess = (scope: string, username: string) => hub.browser().post('/session', { scope, username, password: 'wrong' });
  for (const [scope, name] of [
    ['admin', 'ada'],
    ['user', 'alice'],
    ['admin', 'nobody'],
    ['user', 'nobody'],
  ] as const)
    t.is((await guess(scope, name)).status, 401);
  const refused = await hub.browser().post('/session', { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD });
  t.is(refused.status, 429);
  t.truthy(refused.headers.get('retry-after'));
});

test('refuses what another site makes a browser send, and a cookie without a word of where it comes from', async t => {
  const hub = await startWeb(t);
  const browser = await hub.loggedIn('admin', 'ada');
  const body = { username: 'alice', password: 'pw' };
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': '', origin: 'http://evil.example' },
  ])
    t.is((await browser.post('/users', body, headers)).status, 403, JSON.stringify(headers));
  const bare = await fetch(`${hub.base}/api/v1/users`, {
    method: 'POST',
    headers: { cookie: browser.cookie!, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  t.is(bare.status, 403);
  const own = await fetch(`${hub.base}/api/v1/users`, {
    method: 'POST',
    headers: { cookie: browser.cookie!, 'content-type': 'application/json', origin: hub.base },
    body: JSON.stringify(body),
  });
  t.is(own.status, 201);
  const login = await hub
    .browser()
    .post('/session', { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD }, { 'sec-fetch-site': 'cross-site' });
  t.is(login.status, 403);
});

test('answers to its own names alone', async t => {
  const hub = await startWeb(t);
  t.is(await rawStatus(hub.base, '/healthz', { host: 'localhost:8080' }), 200);
  t.is(await rawStatus(hub.base, '/healthz', { host: 'evil.example' }), 400);
  t.is(await rawStatus(hub.base, '/api/v1/session', { host: 'evil.example:8080' }), 400);
});

test('believes X-Forwarded-For only of trusted proxies, and takes the last address that is none', async t => {
  const headers = { 'x-forwarded-for': '192.0.2.1, 198.51.100.7, 127.0.0.9', 'x-forwarded-proto': 'https' };
  const body = { scope: 'admin', username: 'ada', password: 'wrong' };
  const direct = await startWeb(t);
  await direct.browser().post('/session', body, headers);
  t.is((await direct.event('login.failed')).data.remoteAddress, '127.0.0.1');
  const proxied = await startWeb(t, { web: { trustedProxies: ['127.0.0.0/8'] } });
  await proxied.browser().post('/session', body, headers);
  t.is((await proxied.event('login.failed')).data.remoteAddress, '198.51.100.7');
  const good = await proxied.browser().raw('POST', '/session', {
    body: JSON.stringify({ ...body, password: ADMIN_PASSWORD }),
    headers: { ...headers, 'content-type': 'application/json' },
  });
  t.regex(good.headers.get('set-cookie')!, /^__Host-entrepot=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
});
