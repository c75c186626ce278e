import 'reflect-metadata';
import test from 'ava';
import { API_ROUTES } from '#web/api/index.js';
import { BODIES, PARAMS, QUERIES } from './samples.js';
import { ADMIN_PASSWORD, startWeb } from './support.js';

/** What has an ETag: how it is made, and how it is changed. */
const RESOURCES = [
  { path: '/users', body: { username: 'one', password: 'pw' }, at: () => '/users/one', change: { description: 'changed' } },
  { path: '/admins', body: { username: 'one', role: 'viewer' }, at: () => '/admins/one', change: { role: 'operator' } },
  { path: '/storages', body: { name: 'one', kind: 'memory' }, at: () => '/storages/one', change: { options: {} } },
  {
    path: '/webhooks',
    body: { url: 'http://127.0.0.1:9/x', events: ['upload.completed'] },
    at: (made: string) => made.replace(/.*\/api\/v1/, ''),
    change: { enabled: false },
  },
] as const;

for (const { path, body, at, change } of RESOURCES) {
  test(`${path}: what has changed since is neither changed nor deleted`, async t => {
    const hub = await startWeb(t, { values: { outbound: { allow: ['127.0.0.1'] } } });
    const ada = await hub.loggedIn('admin', 'ada');
    const made = await ada.post(path, body);
    t.is(made.status, 201);
    const one = at(made.headers.get('location') ?? '');
    const old = (await ada.get(one)).headers.get('etag')!;
    t.regex(old, /^"v\d+"$/);
    t.is((await ada.patch(one, change, { 'if-match': old })).status, 200);
    for (const stale of [old, '"v99"', 'nonsense']) {
      t.is((await ada.patch(one, change, { 'if-match': stale })).status, 412, stale);
      const refused = await ada.delete(one, { 'if-match': stale });
      t.is(refused.status, 412, stale);
      t.like(refused.body, { code: 'conflict' });
    }
    const current = (await ada.get(one)).headers.get('etag')!;
    t.not(current, old);
    t.is((await ada.patch(one, change, { 'if-match': '*' })).status, 200);
    t.is((await ada.delete(one, { 'if-match': (await ada.get(one)).headers.get('etag')! })).status, 204);
    t.is((await ada.get(one)).status, 404);
  });
}

test('a conflict of another kind is 409, whatever the version', async t => {
  const hub = await startWeb(t, { users: { alice: {} } });
  const ada = await hub.loggedIn('admin', 'ada');
  const own = { 'if-match': (await ada.get('/admins/ada')).headers.get('etag')! };
  t.is((await ada.patch('/admins/ada', { role: 'viewer' }, own)).status, 409);
  t.is((await ada.delete('/admins/ada', own)).status, 409);
  const storage = (await ada.get('/users/alice')).body.mounts![0]!.storage;
  const used = { 'if-match': (await ada.get(`/storages/${storage}`)).headers.get('etag')! };
  t.is((await ada.delete(`/storages/${storage}`, used)).status, 409);
});

test('an operation that compares no versions refuses one', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' }, bob: { password: 'pw' } }, web: { requestsPerMinute: 10_000 } });
  const clients = { admin: await hub.loggedIn('admin', 'ada'), user: await hub.loggedIn('user', 'bob') };
  const wanted = API_ROUTES.filter(({ method, versioned, rawBody }) => method !== 'GET' && !versioned && rawBody === undefined);
  t.true(wanted.length > 30);
  for (const route of wanted) {
    const client = ['user', 'login', 'public'].includes(route.access) ? clients.user : clients.admin;
    const path = `${route.path.replace(/\{(\w+)\*?\}/g, (_all, name: string) => encodeURIComponent(PARAMS[name]!))}${QUERIES[route.id] ?? ''}`;
    const { status, body } = await client.send(route.method, path, route.body && BODIES[route.id], { 'if-match': '"v1"' });
    t.is(status, 412, route.id);
    t.regex(String(body.detail), /compares no versions/, route.id);
  }
  t.is((await clients.admin.patch('/branding', { name: 'Ours' }, { 'if-match': '*' })).status, 200);
  t.is((await hub.browser().post('/session', { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD })).status, 200);
});
