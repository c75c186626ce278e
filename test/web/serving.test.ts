import 'reflect-metadata';
import { request } from 'node:https';
import test from 'ava';
import { ADMIN_PASSWORD, startWeb } from './support.js';

const PAGES = ['/', '/files', '/files/a/b', '/login', '/account', '/admin', '/admin/users/alice', '/setup'];

test('serves the pages with a nonce of their own each time, and lets them load nothing from elsewhere', async t => {
  const hub = await startWeb(t);
  const nonces = new Set<string>();
  for (const page of PAGES) {
    const response = await fetch(`${hub.base}${page}`);
    t.is(response.status, 200, page);
    t.regex(response.headers.get('content-type')!, /^text\/html/);
    const policy = response.headers.get('content-security-policy')!;
    const nonce = /style-src 'self' 'nonce-([^']+)'/.exec(policy)![1]!;
    t.false(nonces.has(nonce));
    nonces.add(nonce);
    t.regex(policy, /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
    t.notRegex(policy, /unsafe|https?:/);
    t.is(response.headers.get('x-content-type-options'), 'nosniff');
    t.false((await response.text()).includes('__CSP_NONCE__'));
  }
});

test('serves assets for ever, and nothing beside them', async t => {
  const hub = await startWeb(t);
  const page = await (await fetch(`${hub.base}/`)).text();
  const asset = /\.\/(assets\/[\w.-]+\.js)/.exec(page)?.[1];
  if (asset !== undefined) {
    const response = await fetch(`${hub.base}/${asset}`);
    t.is(response.status, 200);
    t.regex(response.headers.get('cache-control')!, /max-age=31536000/);
  }
  for (const path of [
    '/assets/',
    '/assets/none.js',
    '/assets/..%2fadmin.html',
    '/assets/%2e%2e/%2e%2e/api/index.js',
    '/nothing',
    '/admin.html',
  ]) {
    const { status } = await fetch(`${hub.base}${path}`);
    t.true([403, 404].includes(status), `${path} ${status}`);
  }
});

test('serves everything below a path of its own', async t => {
  const hub = await startWeb(t, { web: { basePath: '/hub/' } });
  t.is((await fetch(`${hub.base}/hub/healthz`)).status, 200);
  const page = await fetch(`${hub.base}/hub/admin`);
  t.is(page.status, 200);
  const text = await page.text();
  if (text.includes('<base')) t.true(text.includes('<base href="/hub/" />'));
  t.is((await fetch(`${hub.base}/hub/api/v1/setup`)).status, 200);
  t.is((await fetch(`${hub.base}/api/v1/setup`)).status, 404);
});

test('speaks HTTPS with the certificates of the hub, and gives cookies that stay with it', async t => {
  const hub = await startWeb(t, { web: { tls: 'always' } });
  const body = JSON.stringify({ scope: 'admin', username: 'ada', password: ADMIN_PASSWORD });
  const answer = await new Promise<{ status: number; cookie: string }>((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(
      { host: '127.0.0.1', port: hub.port('web'), path: '/api/v1/session', method: 'POST', headers, rejectUnauthorized: false },
      response => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, cookie: String(response.headers['set-cookie']) });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
  t.is(answer.status, 200);
  t.regex(answer.cookie, /^__Host-entrepot=.*; Secure$/);
  await t.throwsAsync(fetch(`http://127.0.0.1:${hub.port('web')}/healthz`));
});

test('stops while somebody listens to what happens', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const response = await ada.raw('GET', '/live');
  const ended = response.text();
  const began = performance.now();
  await hub.hub.stop(AbortSignal.timeout(20_000));
  t.true(performance.now() - began < 10_000);
  t.regex(await ended, /event: ready/);
});

test('exports events as JSON lines, and as CSV that no spreadsheet takes for formulas', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const ada = await hub.loggedIn('admin', 'ada');
  for (const username of ['=1+1', '+1', '-1', '@x', '\t=1', 'a"b,c'])
    await hub.browser().post('/session', { scope: 'user', username, password: 'x' });
  const csv = await (await ada.raw('GET', '/events/export?format=csv&type=login.failed')).text();
  const users = csv
    .trim()
    .split('\r\n')
    .slice(1)
    .map(line => line.split(',')[2]!);
  t.deepEqual(users.slice(0, 5), ["'=1+1", "'+1", "'-1", "'@x", "'\t=1"]);
  t.true(csv.includes('"a""b,c"'));
  const lines = (await (await ada.raw('GET', '/events/export?format=jsonl&type=login.failed')).text()).trim().split('\n');
  t.is(lines.length, 6);
  t.is((JSON.parse(lines[0]!) as { data: { user: string } }).data.user, '=1+1');
});
