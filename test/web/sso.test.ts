import 'reflect-metadata';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import Provider from 'oidc-provider';
import { ownPath } from '#web/sso/flow.js';
import { Browser, type Script, signedByPublicKey, startProvider, unsigned } from './identity-provider.js';
import { startWeb, type WebHub } from './support.js';

const CLIENT = { clientId: 'the-hub', clientSecret: 'the-secret' };

/** A hub that trusts a provider, and both. */
async function start(t: ExecutionContext, more: object = {}) {
  const provider = await startProvider(t);
  const hub = await startWeb(t, {
    users: { alice: { password: 'pw' } },
    values: { defence: { enabled: false } },
    web: { sso: { company: { issuer: provider.issuer, ...CLIENT, ...more } } },
  });
  return { hub, ...provider };
}

function startAt(hub: WebHub, query = ''): string {
  return `${hub.base}/sso/company/start${query}`;
}

async function whoIs(hub: WebHub, browser: Browser) {
  return hub.browser().get('/session', { cookie: browser.cookies(hub.base) });
}

test('logs a user in by OpenID Connect, by the name at first and then by the subject', async t => {
  const { hub, script } = await start(t, { match: 'username' });
  t.like((await hub.browser().get('/sso')).body, { items: [{ name: 'company', label: 'company', start: '/sso/company/start' }] });
  const browser = new Browser();
  const { way } = await browser.open(startAt(hub, '?next=/files/docs'));
  t.is(way.at(-1), `${hub.base}/files/docs#signed-in`);
  t.like((await whoIs(hub, browser)).body, { kind: 'user', name: 'alice' });
  t.is((await hub.event('login.succeeded')).data.method, 'sso');
  script.claims = { sub: 'subject-1', preferred_username: 'renamed' };
  const again = new Browser();
  await again.open(startAt(hub));
  t.like((await whoIs(hub, again)).body, { name: 'alice' });
  script.claims = { sub: 'subject-2', preferred_username: 'alice' };
  const other = await new Browser().open(startAt(hub));
  t.regex(other.way.at(-1)!, /\/login\?sso=conflict$/);
});

test('makes users and admins where it was told to, with the role of the claim', async t => {
  const { hub, script } = await start(t, { createUsers: true, admins: { claim: 'groups', roles: { staff: 'viewer', ops: 'operator' } } });
  script.claims = { sub: 's', preferred_username: 'newcomer', groups: ['staff', 'ops', '__proto__'] };
  const user = new Browser();
  await user.open(startAt(hub));
  t.like((await whoIs(hub, user)).body, { kind: 'user', name: 'newcomer' });
  const admin = new Browser();
  t.is((await admin.open(startAt(hub, '?scope=admin'))).way.at(-1), `${hub.base}/admin#signed-in`);
  t.like((await whoIs(hub, admin)).body, { kind: 'admin', name: 'newcomer', role: 'operator' });
  script.claims = { ...script.claims, groups: ['staff'] };
  await admin.open(startAt(hub, '?scope=admin'));
  t.like((await whoIs(hub, admin)).body, { role: 'viewer' });
  script.claims = { ...script.claims, groups: [] };
  t.regex((await new Browser().open(startAt(hub, '?scope=admin'))).way.at(-1)!, /\/admin\?sso=authentication-failed$/);
  script.claims = { sub: 'evil', preferred_username: '../etc' };
  t.regex((await new Browser().open(startAt(hub))).way.at(-1)!, /\/login\?sso=invalid-request$/);
});

test('goes by an e-mail only when the provider has verified it', async t => {
  const { hub, script } = await start(t, { match: 'email' });
  await hub.call('users.add', { username: 'carol@example.com', password: 'pw' });
  script.claims = { sub: 'c', email: 'carol@example.com' };
  t.regex((await new Browser().open(startAt(hub))).way.at(-1)!, /sso=authentication-failed$/);
  script.claims = { sub: 'c', email: 'carol@example.com', email_verified: 'true' };
  t.regex((await new Browser().open(startAt(hub))).way.at(-1)!, /sso=authentication-failed$/);
  script.claims = { sub: 'c', email: 'carol@example.com', email_verified: true };
  const browser = new Browser();
  await browser.open(startAt(hub));
  t.like((await whoIs(hub, browser)).body, { name: 'carol@example.com' });
});

test('lets nobody in whom it does not know, and keeps a second factor', async t => {
  const { hub, script } = await start(t, { match: 'username' });
  script.claims = { sub: 'x', preferred_username: 'nobody' };
  t.regex((await new Browser().open(startAt(hub))).way.at(-1)!, /\/login\?sso=authentication-failed$/);
  await hub.call('users.disable', { username: 'alice' });
  script.claims = { sub: 'y', preferred_username: 'alice' };
  t.regex((await new Browser().open(startAt(hub))).way.at(-1)!, /\/login\?sso=authentication-failed$/);
  t.is((await hub.browser().raw('GET', '/api/../sso/other/start')).status, 404);
});

const FORGERIES: Readonly<Record<string, Partial<Script>>> = {
  'is not signed': { forge: claims => unsigned(claims) },
  'is signed with the public key as a secret': { forge: (claims, { publicKey }) => signedByPublicKey(claims, publicKey) },
  'is signed by another key': { forge: (claims, { signByOther }) => signByOther(claims) },
  'is of another issuer': { forge: (claims, { sign }) => sign({ ...claims, iss: 'http://127.0.0.1:1' }) },
  'is for another client': { forge: (claims, { sign }) => sign({ ...claims, aud: 'another' }) },
  'is for several, and was asked for by another': {
    forge: (claims, { sign }) => sign({ ...claims, aud: ['the-hub', 'another'], azp: 'another' }),
  },
  'is for several, and says not who asked': { forge: (claims, { sign }) => sign({ ...claims, aud: ['the-hub', 'another'] }) },
  'has expired': { forge: (claims, { sign }) => sign({ ...claims, exp: Number(claims.iat) - 100 }) },
  'is from long ago': { forge: (claims, { sign }) => sign({ ...claims, iat: Number(claims.iat) - 7_200 }) },
  'has no nonce': { forge: ({ nonce: _, ...claims }, { sign }) => sign(claims) },
  'has the nonce of another login': { forge: (claims, { sign }) => sign({ ...claims, nonce: 'another' }) },
  'names nobody': { forge: (claims, { sign }) => sign({ ...claims, sub: '' }) },
  'was changed after it was signed': {
    forge: async (claims, { sign }) => {
      const [head, , signature] = (await sign({ ...claims, preferred_username: 'nobody' })).split('.');
      return `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
    },
  },
  'is missing': { forge: () => '' },
  'comes with another state': { bend: back => back.searchParams.set('state', 'another') },
  'comes with another code': { bend: back => back.searchParams.set('code', 'another') },
  'comes from another issuer, as it says itself': { bend: back => back.searchParams.set('iss', 'http://127.0.0.1:1') },
};

test(`refuses ${Object.keys(FORGERIES).length} forged answers`, async t => {
  const { hub, script } = await start(t, { match: 'username' });
  for (const [what, forgery] of Object.entries(FORGERIES)) {
    Object.assign(script, { forge: undefined, bend: undefined }, forgery);
    const browser = new Browser();
    const { way } = await browser.open(startAt(hub));
    t.regex(way.at(-1)!, /\/login\?sso=[a-z-]+$/, what);
    t.is((await whoIs(hub, browser)).status, 401, what);
  }
  Object.assign(script, { forge: undefined, bend: undefined });
  const good = new Browser();
  await good.open(startAt(hub));
  t.is((await whoIs(hub, good)).status, 200);
});

test('takes an answer once, and only in the browser that began', async t => {
  const { hub, script } = await start(t, { match: 'username' });
  let back = '';
  script.bend = url => {
    back = url.href;
  };
  const first = new Browser();
  await first.open(startAt(hub));
  t.is((await whoIs(hub, first)).status, 200);
  for (const browser of [first, new Browser()]) {
    const { way } = await browser.open(back);
    t.regex(way.at(-1)!, /sso=authentication-failed$/);
  }
  const stranger = new Browser();
  script.bend = url => {
    back = url.href;
    url.searchParams.set('state', 'kept back');
  };
  await new Browser().open(startAt(hub));
  await stranger.open(startAt(hub));
  await stranger.open(back);
  t.is((await whoIs(hub, stranger)).status, 401);
});

test('goes to no other site after a login', t => {
  for (const next of [
    '//evil',
    '/\\evil',
    '/%09/evil'.replace('%09', '\t'),
    'https:evil',
    'https://evil',
    '\\\\evil',
    '/\r\nevil',
    '',
    'evil',
    '///evil',
    'javascript:alert(1)',
    '/..//evil',
  ])
    t.is(ownPath(next, '/', 'user'), '/files', next);
  t.is(ownPath('/files/a?b=c', '/', 'user'), '/files/a?b=c');
  t.is(ownPath('/elsewhere', '/hub/', 'admin'), '/hub/admin');
});

test('sends a browser to a provider that is known by name, for an answer to our own address', async t => {
  const hub = await startWeb(t, { web: { publicUrl: 'https://files.example.com', sso: { forge: { kind: 'github', ...CLIENT } } } });
  const get = (path: string, cookie = '') => fetch(`${hub.base}${path}`, { redirect: 'manual', headers: { cookie } });
  const begun = await get('/sso/forge/start');
  const cookie = begun.headers.getSetCookie()[0]!;
  t.regex(cookie, /^__Host-entrepot-sso-forge=[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600; Secure$/);
  const sent = await get(begun.headers.get('location')!, cookie.split(';')[0]);
  const to = new URL(sent.headers.get('location')!);
  t.is(to.origin + to.pathname, 'https://github.com/login/oauth/authorize');
  t.is(to.searchParams.get('redirect_uri'), 'https://files.example.com/sso/forge');
  t.truthy(to.searchParams.get('state'));
});

test('logs in by a provider that others wrote', async t => {
  const server: Server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const hub = await startWeb(t, {
    users: { alice: {} },
    web: { sso: { company: { issuer, ...CLIENT, match: 'username', usernameClaim: 'sub', scopes: ['openid'] } } },
  });
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [`${hub.base}/sso/company`] }],
    cookies: { keys: ['a key'] },
  });
  server.on('request', provider.callback());
  const browser = new Browser();
  let page = await browser.open(startAt(hub));
  for (const form of [{ prompt: 'login', login: 'alice', password: 'x' }, { prompt: 'consent' }]) {
    const action = /action="([^"]+)"/.exec(page.text)?.[1];
    if (!action) break;
    page = await browser.open(new URL(action, page.way.at(-1)).href, new URLSearchParams(form));
  }
  t.like((await whoIs(hub, browser)).body, { kind: 'user', name: 'alice' });
});
