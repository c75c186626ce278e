import { Agent, get as httpGet } from 'node:http';
import { Agent as SecureAgent, get as secureGet } from 'node:https';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Defence } from '#core/auth/defence.js';
import { type ApiClient, rawStatus, startWeb, type WebHub } from './support.js';

/** Requests come by a proxy, so that each can be of another address. */
const PROXIED = { web: { trustedProxies: ['127.0.0.1'] }, users: { alice: { password: 'pw' } } };
const from = (address: string) => ({ 'x-forwarded-for': address });
const OUTSIDE = from('192.0.2.7');

async function rulesRead(hub: WebHub, address: string): Promise<void> {
  while (!hub.hub.get(Defence).isDenied(address)) await new Promise(resolve => setTimeout(resolve, 5));
}

async function deny(hub: WebHub, range: string, address: string): Promise<void> {
  await hub.call('address-rules.add', { range, action: 'deny' });
  await rulesRead(hub, address);
}

test('an address that is denied later is kept out with its cookie and its key, and has no answer at all', async t => {
  const hub = await startWeb(t, PROXIED);
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', '/files/content?path=/a', { body: 'content' });
  const { token } = (await alice.post('/api-keys', { name: 'script', scope: 'read' })).body;
  const paths = ['/files?path=/', '/files/content?path=/a', '/session'];
  for (const path of paths) t.is((await alice.get(path, OUTSIDE)).status, 200, path);
  await deny(hub, '192.0.2.0/24', '192.0.2.7');
  for (const path of paths) t.is((await alice.get(path, OUTSIDE)).status, 403, path);
  t.is((await hub.browser().get('/files', { ...OUTSIDE, authorization: `Bearer ${token}` })).status, 403);
  for (const path of ['/healthz', '/login']) t.is(await rawStatus(hub.base, path, OUTSIDE), 403, path);
  for (const path of paths) t.is((await alice.get(path)).status, 200, path);
  t.is(await rawStatus(hub.base, '/healthz', {}), 200);
  await hub.call('address-rules.add', { range: '192.0.2.7', action: 'allow' });
  while (hub.hub.get(Defence).isDenied('192.0.2.7')) await new Promise(resolve => setTimeout(resolve, 5));
  t.is((await alice.get('/files', OUTSIDE)).status, 200);
});

test('an address whose logins failed too often is refused with keys; who is logged in there goes on, and so do probes', async t => {
  const hub = await startWeb(t, { ...PROXIED, values: { defence: { failures: 2, delay: '1ms' } } });
  const alice = await hub.loggedIn('user', 'alice');
  const wrong = { scope: 'user', username: 'nobody', password: 'wrong' };
  for (let tries = 0; tries < 2; tries++) t.is((await hub.browser().post('/session', wrong, OUTSIDE)).status, 401);
  const { token } = (await alice.post('/api-keys', { name: 'script', scope: 'read' })).body;
  const refused = await hub.browser().get('/files', { ...OUTSIDE, authorization: `Bearer ${token}` });
  t.is(refused.status, 429);
  t.truthy(refused.headers.get('retry-after'));
  t.is((await alice.get('/files', OUTSIDE)).status, 200);
  for (const path of ['/healthz', '/login']) t.is(await rawStatus(hub.base, path, OUTSIDE), 200, path);
});

test('an admin keeps himself out by no rule that he adds or takes away', async t => {
  const hub = await startWeb(t, PROXIED);
  const ada = await hub.loggedIn('admin', 'ada');
  const here = from('198.51.100.9');
  for (const range of ['198.51.100.9', '198.51.100.0/24', '0.0.0.0/0']) {
    const refused = await ada.post('/address-rules', { range, action: 'deny' }, here);
    t.is(refused.status, 409, range);
    t.like(refused.body, { code: 'conflict', errors: [{ pointer: '/range' }] });
    t.regex(String(refused.body.detail), /198\.51\.100\.9.*entrepot address-rule/);
  }
  t.is((await ada.post('/address-rules', { range: 'nonsense', action: 'deny' }, here)).status, 400);
  t.is((await ada.post('/address-rules', { range: '203.0.113.0/24', action: 'deny' }, here)).status, 201);
  const allowed = await ada.post('/address-rules', { range: '198.51.100.9', action: 'allow' }, here);
  t.is(allowed.status, 201);
  t.is((await ada.post('/address-rules', { range: '198.51.100.0/24', action: 'deny' }, here)).status, 201);
  const last = await ada.delete(`/address-rules/${String(allowed.body.id)}`, here);
  t.is(last.status, 409);
  t.is((await hub.call('address-rules.list', {})).length, 3);
});

/** Whether the hub keeps a connection on which nothing is said. */
function holds(port: number): Promise<() => Promise<boolean>> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      let open = true;
      socket.once('close', () => {
        open = false;
      });
      resolve(async () => {
        await new Promise(done => setTimeout(done, 100));
        const was = open;
        socket.destroy();
        return was;
      });
    });
    socket.once('error', reject);
  });
}

test('connections that say nothing are counted with those that have not logged in, and a request ends that', async t => {
  const hub = await startWeb(t, { values: { limits: { unauthenticatedPerAddress: 2, unauthenticated: 20 } } });
  const port = hub.port('web');
  const agents = await Promise.all([1, 2, 3].map(() => hub.browser().get('/session')));
  t.deepEqual(
    agents.map(({ status }) => status),
    [401, 401, 401],
  );
  const silent = await Promise.all([holds(port), holds(port)]);
  const defence = hub.hub.get(Defence);
  // A connection is there for its client a moment earlier than for the hub.
  for (let admission = defence.admit('127.0.0.1'); admission; admission = defence.admit('127.0.0.1')) {
    admission.release();
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  t.deepEqual(await Promise.all(silent.map(held => held())), [true, true]);
  while (!defence.admit('127.0.0.1')) await new Promise(resolve => setTimeout(resolve, 5));
});

for (const tls of ['auto', 'always'] as const) {
  test(`a connection on which a request came is counted no longer, though it is kept (tls: ${tls})`, async t => {
    const hub = await startWeb(t, { web: { tls }, values: { limits: { unauthenticatedPerAddress: 1 } } });
    const isSecure = tls === 'always';
    const agent = isSecure ? new SecureAgent({ keepAlive: true, rejectUnauthorized: false }) : new Agent({ keepAlive: true });
    t.teardown(() => agent.destroy());
    const url = `http${isSecure ? 's' : ''}://127.0.0.1:${hub.port('web')}/healthz`;
    const status = await new Promise((resolve, reject) => {
      const get = isSecure ? secureGet : httpGet;
      get(url, { agent }, response => response.resume().once('end', () => resolve(response.statusCode))).once('error', reject);
    });
    t.is(status, 200);
    t.truthy(hub.hub.get(Defence).admit('127.0.0.1'));
  });
}

test('a connection of an address that is denied is dropped unheard', async t => {
  const hub = await startWeb(t);
  t.true(await (await holds(hub.port('web')))());
  await deny(hub, '127.0.0.1', '127.0.0.1');
  t.false(await (await holds(hub.port('web')))());
});

/** Opens the stream of a browser; `ended` resolves when it ends. */
async function listening(t: ExecutionContext, client: ApiClient, headers: Readonly<Record<string, string>> = {}) {
  const { body } = await client.raw('GET', '/live', { headers });
  const reader = body!.getReader();
  t.teardown(() => reader.cancel().catch(() => undefined));
  await reader.read();
  const rest = async () => {
    while (!(await reader.read()).done);
  };
  return { ended: rest() };
}

test.serial('a page that is open and nothing more keeps nobody logged in, and hears nothing once its address is denied', async t => {
  t.timeout(60_000);
  const hub = await startWeb(t, { ...PROXIED, web: { ...PROXIED.web, sessionIdle: '10m' } });
  const idle = await hub.loggedIn('admin', 'ada');
  const denied = await hub.loggedIn('user', 'alice');
  const now = Date.now;
  let ahead = 9 * 60_000;
  Date.now = () => now() + ahead;
  t.teardown(() => {
    Date.now = now;
  });
  t.is((await idle.get('/users', { 'x-entrepot-idle': '1' })).status, 200);
  // Opening the stream is no use either: a browser opens it again by itself.
  const streams = [await listening(t, idle), await listening(t, denied, OUTSIDE)];
  await denied.get('/session');
  ahead = 11 * 60_000;
  await deny(hub, '192.0.2.7', '192.0.2.7');
  await Promise.all(streams.map(({ ended }) => ended));
  t.is((await idle.get('/session')).status, 401);
  t.is((await denied.get('/session')).status, 200);
});
