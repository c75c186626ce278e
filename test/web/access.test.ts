import 'reflect-metadata';
import test from 'ava';
import { API_KEY_SCOPES } from '#core/db/api-key.js';
import { API_ROUTES } from '#web/api/index.js';
import { BODIES, PARAMS, QUERIES, SAMPLE_HUB } from './samples.js';
import { ADMIN_PASSWORD, ApiClient, setupToken, startWeb, type WebHub } from './support.js';

const ROLES = ['viewer', 'operator', 'admin', 'owner'] as const;

/** Written from the table of the README: which of those who ask are let to a route of each kind. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  public: ['stranger', 'user', ...ROLES],
  login: ['user', ...ROLES],
  user: ['user'],
  viewer: ['viewer', 'operator', 'admin', 'owner'],
  operator: ['operator', 'admin', 'owner'],
  admin: ['admin', 'owner'],
  owner: ['owner'],
};

type Route = (typeof API_ROUTES)[number];

async function ask(client: ApiClient, route: Route, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const path = route.path.replace(/\{(\w+)\*?\}/g, (_all, name: string) => encodeURIComponent(PARAMS[name]!));
  const body = route.rawBody !== undefined ? 'content' : route.body ? JSON.stringify(BODIES[route.id] ?? {}) : undefined;
  const type = route.rawBody ?? 'application/json';
  const response = await client.raw(route.method, `${path}${QUERIES[route.id] ?? ''}`, {
    ...(body !== undefined && { body }),
    headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
  });
  if (route.rawResponse === 'text/event-stream') await response.body?.cancel();
  else await response.arrayBuffer();
  return response;
}

/** What ends the session of the one who asks comes last. */
function routes(): readonly Route[] {
  const last = (route: Route) => Number(route.id === 'session.end') * 2 + Number(route.id === 'session.create');
  return [...API_ROUTES].sort((one, other) => last(one) - last(other));
}

async function start(t: Parameters<typeof startWeb>[0]): Promise<WebHub> {
  return startWeb(t, {
    ...SAMPLE_HUB,
    admins: { ada: 'owner', alice: 'viewer', viewer: 'viewer', operator: 'operator', admin: 'admin', owner: 'owner' },
    web: { requestsPerMinute: 100_000 },
  });
}

async function clientOf(hub: WebHub, who: string): Promise<ApiClient> {
  if (who === 'stranger') return hub.browser();
  return who === 'user' ? hub.loggedIn('user', 'bob') : hub.loggedIn('admin', who);
}

for (const who of ['stranger', 'user', ...ROLES]) {
  test(`a ${who} is let to what the table says, and to nothing else`, async t => {
    const hub = await start(t);
    const client = await clientOf(hub, who);
    for (const route of routes()) {
      const { status } = await ask(client, route);
      const isAllowed = ALLOWED[route.access]!.includes(who);
      const refused = who === 'stranger' ? 401 : 403;
      if (!isAllowed) t.is(status, refused, `${who} ${route.id}`);
      else if (!['session.create', 'setup.finish', 'me.password', 'me.second-factor.begin'].includes(route.id))
        t.false([401, 403].includes(status), `${who} ${route.id}: ${status}`);
      t.true(status < 500 || status === 503 || status === 501, `${who} ${route.id}: ${status}`);
    }
  });
}

test('a key may what its scope says and its owner may at the time, and gives no credentials', async t => {
  const hub = await start(t);
  for (const who of ['owner', 'viewer', 'user']) {
    const maker = await clientOf(hub, who);
    for (const scope of API_KEY_SCOPES) {
      const { body } = await maker.post('/api-keys', { name: scope, scope });
      const client = new ApiClient(hub.base, { authorization: `Bearer ${body.token}` });
      for (const route of routes()) {
        const { status } = await ask(client, route);
        const inScope = scope === 'write' || (scope === 'read' && route.method === 'GET');
        const isAllowed = ALLOWED[route.access]!.includes(who) && inScope && route.keys !== false;
        if (!isAllowed) t.is(status, 403, `${who} ${scope} ${route.id}`);
        else if (route.access !== 'public') t.false([401, 403].includes(status), `${who} ${scope} ${route.id}: ${status}`);
      }
    }
  }
});

test('a key goes when it is revoked, when its time is over, and when its owner may no longer be in', async t => {
  const hub = await start(t);
  const owner = await clientOf(hub, 'owner');
  const user = await clientOf(hub, 'user');
  const revoked = (await owner.post('/api-keys', { name: 'one', scope: 'read' })).body;
  const status = async (token: unknown) => (await new ApiClient(hub.base, { authorization: `Bearer ${token}` }).get('/session')).status;
  t.is(await status(revoked.token), 200);
  t.false(JSON.stringify((await owner.get('/api-keys?all=true')).body).includes(String(revoked.token)));
  await owner.delete(`/api-keys/${revoked.key!.id}`);
  t.is(await status(revoked.token), 401);
  const users = (await user.post('/api-keys', { name: 'two', scope: 'read' })).body;
  t.is(await status(users.token), 200);
  await hub.call('users.disable', { username: 'bob' });
  t.is(await status(users.token), 401);
  t.is(await status('ek_nonsense'), 401);
  t.is((await owner.post('/api-keys', { name: 'past', scope: 'read', expiresAt: 5 })).status, 400);
});

test('nothing that a cookie authorises is changed by another site', async t => {
  const hub = await start(t);
  const owner = await clientOf(hub, 'owner');
  for (const route of routes().filter(({ method }) => method !== 'GET')) {
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site', origin: hub.base }])
      t.is((await ask(owner, route, headers)).status, 403, `${route.id} ${JSON.stringify(headers)}`);
  }
  t.is((await owner.get('/session')).status, 200);
});

test('nobody lowers, disables or deletes himself, and the last owner stays', async t => {
  const hub = await startWeb(t, { admins: { ada: 'owner', bob: 'owner' } });
  const ada = await hub.loggedIn('admin', 'ada');
  const lowered = await ada.patch('/admins/ada', { role: 'viewer' });
  t.is(lowered.status, 409);
  t.like(lowered.body.errors![0], { pointer: '/role' });
  t.is((await ada.patch('/admins/ada', { status: 'disabled' })).status, 409);
  t.is((await ada.delete('/admins/ada')).status, 409);
  t.is((await ada.delete('/admins/bob')).status, 204);
  t.is((await ada.get('/session')).status, 200);
});

test('records what admins change, and what they were refused, without what they typed', async t => {
  const hub = await startWeb(t, { users: { alice: {} } });
  const ada = await hub.loggedIn('admin', 'ada');
  await ada.patch('/users/alice', { password: 'a secret word' });
  await ada.patch('/users/alice', { addresses: ['nowhere'] });
  t.like((await hub.event('admin.acted', ({ data }) => data.action === 'users.set')).data, {
    admin: 'ada',
    role: 'owner',
    action: 'users.set',
    target: 'alice',
    fields: ['password'],
  });
  const refused = await hub.event('admin.acted', event => event.data.refused !== undefined);
  t.regex(refused.data.refused!, /neither an address/);
  t.false(JSON.stringify(hub.events).includes('a secret word'));
});

test('records logins of admins, the set-up and who failed at it, the command line, and what other sites made a browser send', async t => {
  const hub = await startWeb(t, { admins: {} });
  const form = { username: 'ada', password: ADMIN_PASSWORD };
  const browser = hub.browser();
  t.is((await browser.post('/setup', { ...form, token: 'guessed' })).status, 403);
  t.regex((await hub.event('login.failed')).data.reason, /^Set-up: .*not the one that the hub printed/);
  t.is((await browser.post('/setup', { ...form, token: await setupToken(hub) })).status, 201);
  const act = (action: string, refused = false) =>
    hub.event('admin.acted', ({ data }) => data.action === action && (data.refused !== undefined) === refused);
  t.like((await act('setup.finish')).data, { admin: 'ada', role: 'owner', remoteAddress: '127.0.0.1' });
  const ada = await hub.loggedIn('admin', 'ada');
  t.like((await act('session.create')).data, { admin: 'ada', role: 'owner', remoteAddress: '127.0.0.1' });
  t.is((await ada.send('DELETE', '/admins/ada', undefined, { 'sec-fetch-site': 'cross-site' })).status, 403);
  t.like((await act('admins.remove', true)).data, { admin: 'ada', target: 'ada' });
  await hub.call('users.add', { username: 'bob', password: 'a secret word' });
  t.deepEqual((await act('users.add')).data, {
    admin: '(command line)',
    role: 'owner',
    remoteAddress: 'local',
    action: 'users.add',
    target: 'bob',
    fields: ['username', 'password'],
  });
  await t.throwsAsync(hub.call('users.remove', { username: 'carl' }));
  t.like((await act('users.remove', true)).data, { admin: '(command line)', target: 'carl' });
  await hub.call('users.list', {});
  t.false(hub.events.some(({ data }) => (data as { action?: string }).action === 'users.list'));
  t.false(JSON.stringify(hub.events).includes('a secret word'));
});

test('takes only so many requests in a minute, and says how many are left', async t => {
  const hub = await startWeb(t, { web: { requestsPerMinute: 5 } });
  const stranger = hub.browser();
  const first = await stranger.get('/setup');
  t.is(first.headers.get('ratelimit-remaining'), '4');
  for (let i = 0; i < 4; i++) await stranger.get('/setup');
  const refused = await stranger.get('/setup');
  t.is(refused.status, 429);
  t.true(Number(refused.headers.get('retry-after')) > 0);
  t.is((await stranger.post('/session', { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD })).status, 429);
});
