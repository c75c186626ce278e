import test from 'ava';
import { type ApiAnswer, type ApiClient, startWeb, type WebHub } from './support.js';

// What other files of this folder refuse is not here again: access, files, session, sso and users have the rest.

interface Case {
  readonly what: string;
  readonly ask: (ada: ApiClient, hub: WebHub) => Promise<ApiAnswer>;
  readonly status: number;
  /** The field, where it is one. */
  readonly pointer?: string;
  readonly reason: RegExp;
  /** The action of which the audit trail tells that it was refused. */
  readonly audited?: string;
}

const RTL = 'bob\u202etxt.exe';

const CASES: readonly Case[] = [
  {
    what: 'a user whose name differs by case alone',
    ask: ada => ada.post('/users', { username: 'ALICE' }),
    status: 409,
    pointer: '/username',
    reason: /alice/i,
    audited: 'users.add',
  },
  {
    what: 'a user whose name is another form of the same letters',
    ask: ada => ada.post('/users', { username: 'ａｌｉｃｅ' }),
    status: 409,
    pointer: '/username',
    reason: /alice/i,
    audited: 'users.add',
  },
  {
    what: 'a name with markup',
    ask: ada => ada.post('/users', { username: '<b>bob</b>' }),
    status: 400,
    pointer: '/username',
    reason: /letters, digits/,
    audited: 'users.add',
  },
  {
    what: 'a name that turns the direction of reading',
    ask: ada => ada.post('/users', { username: RTL }),
    status: 400,
    pointer: '/username',
    reason: /letters, digits/,
    audited: 'users.add',
  },
  {
    what: 'a value of another type',
    ask: ada => ada.patch('/users/alice', { description: { $ne: 1 } }),
    status: 400,
    pointer: '/description',
    reason: /string/,
    audited: 'users.set',
  },
  {
    what: 'a key that nobody knows',
    ask: ada => ada.patch('/users/alice', { description: 'x', isAdmin: true }),
    status: 400,
    pointer: '/isAdmin',
    reason: /isAdmin|unknown/i,
    audited: 'users.set',
  },
  {
    what: 'a version that is no longer',
    ask: async ada => ada.patch('/users/alice', { description: 'x' }, { 'if-match': '"0"' }),
    status: 412,
    reason: /changed|version/i,
    audited: 'users.set',
  },
  {
    what: 'the last owner, deleted',
    ask: ada => ada.delete('/admins/ada'),
    status: 409,
    reason: /./,
    audited: 'admins.remove',
  },
  {
    what: "one's own role, lowered",
    ask: ada => ada.patch('/admins/ada', { role: 'viewer' }),
    status: 409,
    pointer: '/role',
    reason: /./,
    audited: 'admins.set',
  },
  {
    what: 'a webhook that is not there, changed',
    ask: ada => ada.patch('/webhooks/01890000-0000-7000-8000-000000000000', { events: ['upload.completed'] }),
    status: 404,
    reason: /webhook/i,
    audited: 'webhooks.set',
  },
];

test('refuses, names field and reason, changes nothing, and leaves a line in the audit trail', async t => {
  const hub = await startWeb(t, { users: { alice: {} } });
  const ada = await hub.loggedIn('admin', 'ada');
  const state = async () => JSON.stringify([(await ada.get('/users')).body.items, (await ada.get('/admins')).body.items]);
  const before = await state();
  for (const { what, ask, status, pointer, reason, audited } of CASES) {
    const seen = hub.events.length;
    const { status: got, body } = await ask(ada, hub);
    t.is(got, status, `${what}: ${JSON.stringify(body)}`);
    t.is(body.errors?.[0] && String(body.errors[0].pointer), pointer, `${what}: ${JSON.stringify(body)}`);
    t.regex(JSON.stringify([body.detail, body.errors]), reason, what);
    if (audited !== undefined) {
      const line = hub.events.slice(seen).find(({ type }) => type === 'admin.acted')?.data as Record<string, unknown> | undefined;
      t.like(line, { admin: 'ada', action: audited }, what);
      t.truthy(line?.refused, what);
    }
  }
  t.is(await state(), before);
});

test('what the role of an admin does not allow is refused with a line in the audit trail', async t => {
  const hub = await startWeb(t, { users: { alice: {} }, admins: { ada: 'owner', vera: 'viewer' } });
  const vera = await hub.loggedIn('admin', 'vera');
  t.is((await vera.delete('/users/alice')).status, 403);
  const { data } = await hub.event('admin.acted', event => event.data.refused !== undefined);
  t.like(data, {
    admin: 'vera',
    role: 'viewer',
    action: 'users.remove',
    target: 'alice',
    refused: 'This is for an admin with the role admin',
  });
  t.like(await hub.call('users.list', {}), { total: 1 });
});

test('what belongs to somebody else is as what is not there', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' }, bob: { password: 'pw' } } });
  const [alice, bob] = [await hub.loggedIn('user', 'alice'), await hub.loggedIn('user', 'bob')];
  const { body } = await alice.post('/api-keys', { name: 'hers', scope: 'read' });
  const id = String(body.key?.id ?? body.id);
  t.is((await bob.delete(`/api-keys/${id}`)).status, 404);
  const session = (await alice.get('/me/sessions')).body.items?.[0];
  t.is((await bob.delete(`/me/sessions/${session?.id}`)).status, 404);
  t.is((await alice.get('/session')).status, 200);
  t.like((await alice.get('/api-keys')).body, { total: 1 });
});

test('a cookie of another hub, or one that was changed, is nobody', async t => {
  const [here, elsewhere] = [await startWeb(t), await startWeb(t)];
  const { cookie } = await elsewhere.loggedIn('admin', 'ada');
  const own = (await here.loggedIn('admin', 'ada')).cookie!;
  const other = own.endsWith('A') ? 'B' : 'A';
  for (const bad of [cookie!, `${own.slice(0, -1)}${other}`, `${own}x`, own.split('=')[0]!, `${own.split('=')[0]}=`]) {
    t.is((await here.browser().get('/users', { cookie: bad })).status, 401, bad);
    t.is((await here.browser().post('/users', { username: 'eve' }, { cookie: bad })).status, 401, bad);
  }
  t.like(await here.call('users.list', {}), { total: 0 });
});
