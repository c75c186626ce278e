import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import test from 'ava';
import { SessionRegistry } from '#core/auth/session.js';
import { startWeb, type WebHub } from './support.js';

const USERS = {
  alice: { password: 'pw' },
  reader: { password: 'pw', permissions: { '/': ['list', 'download'] as const, '/drop': ['upload'] as const } },
};

function content(path: string): string {
  return `/files/content?path=${encodeURIComponent(path)}`;
}

test('uploads, lists, downloads, moves, copies and deletes', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  t.is((await alice.raw('PUT', content('/a b.txt'), { body: 'hello' })).status, 201);
  const { data } = await hub.event('upload.completed');
  t.like(data, { path: '/a b.txt', size: 5, replaced: false });
  t.like(data.session, { user: 'alice', protocol: 'web', tls: false });
  t.is((await alice.post('/files/directories', { path: '/docs' })).status, 201);
  t.is((await alice.post('/files/rename', { from: '/a b.txt', to: '/docs/a.txt' })).status, 204);
  t.is((await alice.post('/files/copy', { from: '/docs/a.txt', to: '/b.txt' })).status, 204);
  t.is((await alice.post('/files/copy', { from: '/docs/a.txt', to: '/b.txt' })).status, 409);
  const list = await alice.get('/files?path=/&sort=-name');
  t.deepEqual(
    (list.body.items as unknown as { name: string }[]).map(({ name }) => name),
    ['docs', 'b.txt'],
  );
  t.true((list.body.rights as unknown as string[]).includes('upload'));
  const file = await alice.raw('GET', content('/docs/a.txt'));
  t.is(await file.text(), 'hello');
  t.is(file.headers.get('content-disposition'), `attachment; filename="a.txt"; filename*=UTF-8''a.txt`);
  t.is((await hub.event('download.completed')).data.bytes, 5);
  t.is((await alice.delete('/files?path=/docs')).status, 409);
  t.is((await alice.delete('/files?path=/docs&recursive=true')).status, 204);
  t.is((await alice.get('/files/info?path=/docs')).status, 404);
});

test('gives ranges, and answers nonsense with the whole file', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', content('/f'), { body: '0123456789' });
  const get = async (headers: Record<string, string>, method = 'GET') => {
    const response = await alice.raw(method, content('/f'), { headers });
    return [response.status, await response.text(), response.headers.get('content-range')] as const;
  };
  t.deepEqual(await get({ range: 'bytes=2-4' }), [206, '234', 'bytes 2-4/10']);
  t.deepEqual(await get({ range: 'bytes=7-' }), [206, '789', 'bytes 7-9/10']);
  t.deepEqual(await get({ range: 'bytes=-3' }), [206, '789', 'bytes 7-9/10']);
  t.deepEqual(await get({ range: 'bytes=8-99' }), [206, '89', 'bytes 8-9/10']);
  t.deepEqual(await get({ range: 'bytes=10-' }), [416, '', 'bytes */10']);
  for (const range of ['bytes=5-2', 'bytes=-', 'bytes=a-b', 'pages=1-2', 'bytes=0-1,4-5', 'bytes=99999999999999999999-'])
    t.is((await get({ range }))[1], '0123456789', range);
  const etag = (await alice.raw('HEAD', content('/f'))).headers.get('etag')!;
  t.is((await get({ 'if-none-match': etag }))[0], 304);
  t.deepEqual(await get({ range: 'bytes=0-1', 'if-range': etag }), [206, '01', 'bytes 0-1/10']);
  t.is((await get({ range: 'bytes=0-1', 'if-range': '"old"' }))[0], 200);
  t.deepEqual(await get({}, 'HEAD'), [200, '', null]);
});

test('replaces only what it was told to', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  const put = async (body: string, headers: Record<string, string> = {}, query = '') =>
    (await alice.raw('PUT', `${content('/f')}${query}`, { body, headers })).status;
  const digest = (text: string) => ({ 'repr-digest': `sha-256=:${createHash('sha256').update(text).digest('base64')}:` });
  t.is(await put('one', digest('one')), 201);
  t.is(await put('two', digest('one')), 400);
  t.is(await put('two', { 'content-digest': 'md5=:xxx:' }), 400);
  t.is(await put('two', {}, '&overwrite=false'), 409);
  t.is(await put('two', { 'if-none-match': '*' }), 409);
  t.is(await put('two', { 'if-match': '"old"' }), 412);
  t.is(await put('two', { 'content-range': 'bytes 0-1/3' }), 400);
  t.is(await (await alice.raw('GET', content('/f'))).text(), 'one');
  const etag = (await alice.raw('HEAD', content('/f'))).headers.get('etag')!;
  t.is(await put('two', { 'if-match': etag }), 201);
  t.is(await (await alice.raw('GET', content('/f'))).text(), 'two');
});

/** A body whose end is sent when it is asked for. */
function slow(text: string): { readonly body: ReadableStream; end(): void } {
  let end = (): void => undefined;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      end = () => controller.close();
    },
  });
  return { body, end: () => end() };
}

for (const storage of ['memory', 'disk'] as const) {
  test(`of two who replace the same version at the same time, one is told so, and nothing of his is published (${storage})`, async t => {
    const hub = await startWeb(t, { users: USERS, storage });
    const alice = await hub.loggedIn('user', 'alice');
    await alice.raw('PUT', content('/f'), { body: 'old' });
    const etag = (await alice.raw('HEAD', content('/f'))).headers.get('etag')!;
    const bodies = ['first', 'second', 'third'].map(slow);
    const uploads = bodies.map(({ body }) => alice.raw('PUT', content('/f'), { body, headers: { 'if-match': etag } }));
    while ((await alice.get('/files')).status !== 200 || hub.hub.get(SessionRegistry).transfers < 3)
      await new Promise(resolve => setTimeout(resolve, 10));
    for (const { end } of bodies) end();
    const statuses = (await Promise.all(uploads)).map(({ status }) => status);
    t.deepEqual([...statuses].sort(), [201, 412, 412]);
    t.is(await (await alice.raw('GET', content('/f'))).text(), ['first', 'second', 'third'].at(statuses.indexOf(201))!);
    t.like((await alice.get('/files')).body, { total: 1 });
    t.is(hub.events.filter(({ type }) => type === 'upload.completed').length, 2);
    const { reason } = (await hub.event('upload.failed')).data;
    t.is(reason, 'The file has changed in the meantime');
  });
}

test('what is replaced by If-Match must still be there at the end, and what was cut off is not there', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', content('/f'), { body: 'old' });
  const { body, end } = slow('new');
  const upload = alice.raw('PUT', content('/f'), { body, headers: { 'if-match': '*' } });
  while (hub.hub.get(SessionRegistry).transfers < 1) await new Promise(resolve => setTimeout(resolve, 10));
  t.is((await alice.get('/files/info?path=/f')).body.size as unknown, 3);
  await alice.delete('/files?path=/f');
  t.is((await alice.get('/files/info?path=/f')).status, 404);
  end();
  t.is((await upload).status, 412);
  await cut(hub, alice.cookie!, '/cut', 'Content-Length: 100000', Buffer.alloc(50_000));
  t.true((await hub.event('upload.failed', ({ subject }) => subject === '/cut')).data.resumable);
  t.is((await alice.get('/files/info?path=/cut')).status, 404);
  t.is((await alice.raw('HEAD', content('/cut'))).status, 404);
  t.is((await alice.raw('PUT', content('/cut'), { body: 'x', headers: { 'if-match': '*' } })).status, 412);
  t.like((await alice.get('/files')).body, { total: 0 });
});

test('goes by the rights of the user', async t => {
  const hub = await startWeb(t, { users: USERS });
  const reader = await hub.loggedIn('user', 'reader');
  t.is((await reader.raw('PUT', content('/f'), { body: 'x' })).status, 403);
  t.is((await reader.post('/files/directories', { path: '/d' })).status, 403);
  t.is((await reader.delete('/files?path=/d')).status, 404);
  t.is((await reader.get('/files?path=/drop')).status, 403);
  t.deepEqual([...((await reader.get('/files')).body.rights as unknown as string[])], ['list', 'download']);
});

/** Sends the head of an upload and `sent` bytes of the body, and cuts the connection. */
function cut(hub: WebHub, cookie: string, path: string, announced: string, sent: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(hub.port('web'), '127.0.0.1', () => {
      const head = [
        `PUT /api/v1${content(path)} HTTP/1.1`,
        'Host: 127.0.0.1',
        `Cookie: ${cookie}`,
        'Sec-Fetch-Site: same-origin',
        announced,
        '',
        '',
      ];
      socket.write(head.join('\r\n'));
      socket.write(sent, () => setTimeout(() => socket.destroy(), 50));
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

test('publishes nothing of a body that is cut off', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  for (const size of [0, 1, 100, 65_536, 1_000_000]) {
    await cut(hub, alice.cookie!, `/length-${size}`, 'Content-Length: 1000001', Buffer.alloc(size));
    const chunk = Buffer.concat([Buffer.from(`${(size + 1).toString(16)}\r\n`), Buffer.alloc(size)]);
    await cut(hub, alice.cookie!, `/chunked-${size}`, 'Transfer-Encoding: chunked', chunk);
  }
  await new Promise(resolve => setTimeout(resolve, 200));
  t.like((await alice.get('/files')).body, { total: 0 });
  t.is(hub.events.filter(({ type }) => type === 'upload.completed').length, 0);
  t.is((await alice.raw('PUT', content('/whole'), { body: 'x' })).status, 201);
});

test('a session that an admin ends logs the browser out; an idle one is opened again', async t => {
  const hub = await startWeb(t, { users: USERS });
  const alice = await hub.loggedIn('user', 'alice');
  const ada = await hub.loggedIn('admin', 'ada');
  const { items } = (await ada.get('/sessions')).body;
  t.like(items![0], { user: 'alice', protocol: 'web' });
  t.is((await ada.delete(`/sessions/${items![0]!.id}`)).status, 204);
  await hub.event('session.ended');
  for (let tries = 0; tries < 50 && (await alice.get('/session')).status !== 401; tries++)
    await new Promise(resolve => setTimeout(resolve, 20));
  t.is((await alice.get('/files')).status, 401);
});

test('a password of a user that is changed ends the other browsers of his', async t => {
  const hub = await startWeb(t, { users: USERS });
  const one = await hub.loggedIn('user', 'alice');
  const other = await hub.loggedIn('user', 'alice');
  t.is((await one.post('/me/password', { current: 'wrong', password: 'new' })).status, 403);
  t.is((await one.post('/me/password', { current: 'pw', password: 'new' })).status, 204);
  t.is((await other.get('/session')).status, 401);
  t.is((await one.get('/session')).status, 200);
  const { items } = (await one.get('/me/sessions')).body;
  t.is((items as unknown as unknown[]).length, 1);
  t.like(items![0], { current: true, remoteAddress: '127.0.0.1' });
  await t.notThrowsAsync(hub.loggedIn('user', 'alice', 'new'));
});
