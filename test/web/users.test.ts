import { onEachDatabase as test } from '../support/databases.js';
import { startWeb } from './support.js';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkDnDZwMBNtfqxoCtFTxcB9YCuMrh5uyC9fVzRgvP8 laptop';

test('adds, shows, changes and deletes a user', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const added = await ada.post('/users', { username: 'alice', keys: [KEY], description: 'Sales' });
  t.is(added.status, 201);
  t.is(added.headers.get('location'), '/api/v1/users/alice');
  t.is(added.body.password, undefined);
  const shown = await ada.get('/users/alice');
  t.like(shown.body, {
    username: 'alice',
    description: 'Sales',
    hasPassword: false,
    mounts: [{ path: '/', storage: 'data', directory: '/alice' }],
  });
  const changed = await ada.patch(
    '/users/alice',
    { permissions: { '/in': ['list', 'upload'] }, maxSessions: 2, mounts: [{ path: '/shared', target: 'data:/shared' }] },
    { 'if-match': shown.headers.get('etag')! },
  );
  t.is(changed.status, 200);
  t.like(changed.body, { maxSessions: 2, mounts: [{ path: '/' }, { path: '/shared', storage: 'data', directory: '/shared' }] });
  t.deepEqual(Object.keys(changed.body.permissions!), ['/', '/in']);
  t.is((await ada.delete('/users/alice')).status, 204);
  t.is((await ada.get('/users/alice')).status, 404);
});

test('gives a made password this once', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const { password } = (await ada.post('/users', { username: 'alice' })).body;
  await t.notThrowsAsync(hub.loggedIn('user', 'alice', String(password)));
  t.false(JSON.stringify((await ada.get('/users')).body).includes(String(password)));
});

test('of two who change a user, the second is told', async t => {
  const hub = await startWeb(t, { users: { alice: {} } });
  const ada = await hub.loggedIn('admin', 'ada');
  const etag = (await ada.get('/users/alice')).headers.get('etag')!;
  const change = (description: string) => ada.patch('/users/alice', { description }, { 'if-match': etag });
  const statuses = (await Promise.all([change('one'), change('two')])).map(({ status }) => status).sort();
  t.deepEqual(statuses, [200, 412]);
  t.is((await ada.patch('/users/alice', { description: 'three' }, { 'if-match': 'nonsense' })).status, 412);
  t.is((await ada.delete('/users/alice', { 'if-match': etag })).status, 412);
  t.is((await ada.get('/users/alice', { 'if-none-match': (await ada.get('/users/alice')).headers.get('etag')! })).status, 304);
});

test('pages, sorts, searches and filters on the server', async t => {
  const names = ['alice', 'bob', 'carol', 'dave', 'erin'];
  const hub = await startWeb(t, {
    users: Object.fromEntries(names.map(name => [name, name === 'bob' ? { status: 'disabled' as const } : {}])),
  });
  const ada = await hub.loggedIn('admin', 'ada');
  const list = async (query: string) => {
    const { body } = await ada.get(`/users?${query}`);
    return [(body.items as unknown as { username: string }[]).map(({ username }) => username), body.total];
  };
  t.deepEqual(await list('limit=2'), [['alice', 'bob'], 5]);
  t.deepEqual(await list('limit=2&offset=4'), [['erin'], 5]);
  t.deepEqual(await list('limit=2&sort=-name'), [['erin', 'dave'], 5]);
  t.deepEqual(await list('search=A'), [['alice', 'carol', 'dave'], 3]);
  t.deepEqual(await list('status=disabled'), [['bob'], 1]);
  t.deepEqual(await list('storage=data'), [[], 0]);
});

test('names the field that is wrong, and changes nothing', async t => {
  const hub = await startWeb(t, { users: { alice: {} } });
  const ada = await hub.loggedIn('admin', 'ada');
  const cases: readonly (readonly [body: object, status: number, pointer: string])[] = [
    [{ username: '../x' }, 400, '/username'],
    [{ username: 7 }, 400, '/username'],
    [{ username: 'ALICE' }, 409, '/username'],
    [{ username: 'ａlice' }, 409, '/username'],
    [{ username: 'bob', nonsense: 1 }, 400, '/nonsense'],
    [{ username: 'bob', home: 'nowhere:/x' }, 404, '/home'],
    [{ username: 'bob', keys: ['no key'] }, 400, '/keys'],
    [{ username: 'bob', permissions: { '/': ['downlod'] } }, 400, '/permissions'],
    [{ username: 'bob', permissions: { '/a': 'list' } }, 400, '/permissions/~1a'],
    [{ username: 'bob', addresses: ['10.0.0.0/99'] }, 400, '/addresses'],
    [{ username: 'bob', protocols: ['stfp'] }, 400, '/protocols'],
    [{ username: 'bob', methods: ['eye'] }, 400, '/methods/0'],
    [
      {
        username: 'bob',
        mounts: [
          { path: '/m', target: 'data:/m' },
          { path: 'm', target: 'data:/m' },
        ],
      },
      400,
      '/mounts/1',
    ],
    [{ username: 'bob', mounts: [{ path: '/', target: 'data:/m' }] }, 400, '/mounts/0/path'],
    [{ username: 'bob', expiresAt: 5 }, 400, '/expiresAt'],
    [{}, 400, '/username'],
  ];
  for (const [body, status, pointer] of cases) {
    const answer = await ada.post('/users', body);
    t.is(answer.status, status, JSON.stringify(body));
    t.is(answer.headers.get('content-type'), 'application/problem+json');
    t.is(String(answer.body.errors?.[0]?.pointer), pointer, JSON.stringify(answer.body));
  }
  t.like((await ada.get('/users')).body, { total: 1 });
});

test('refuses bodies that are no JSON, too big, or reach for prototypes', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const send = async (body: string, type = 'application/json') =>
    (await ada.raw('POST', '/users', { body, headers: { 'content-type': type } })).status;
  t.is(await send('{'), 400);
  t.is(await send('[]'), 400);
  t.is(await send('null'), 400);
  t.is(await send('"x"'), 400);
  t.is(await send('{"username":"x","__proto__":{"polluted":1}}'), 400);
  t.is(await send('{"username":"x","constructor":{"prototype":{"polluted":1}}}'), 400);
  t.is(await send(`{"username":"${'x'.repeat(10_000_000)}"}`), 413);
  t.is(await send(`${'['.repeat(200_000)}${']'.repeat(200_000)}`), 400);
  t.is(await send('username=x', 'application/x-www-form-urlencoded'), 415);
  t.is(await send('<x/>', 'text/xml'), 415);
  t.is(({} as { polluted?: number }).polluted, undefined);
  t.like((await ada.get('/users')).body, { total: 0 });
});

test('refuses queries that mean nothing', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  for (const query of [
    'limit=0',
    'limit=x',
    'limit=1e9',
    'offset=-1',
    'sort=password',
    'what=1',
    'limit=1&limit=2',
    '__proto__=1',
    'sort=%00',
  ])
    t.is((await ada.get(`/users?${query}`)).status, 400, query);
});
