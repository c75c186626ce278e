import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { InjectionToken } from 'tsyringe';
import { Database } from '#core/db/database.js';
import { temporaryFolder } from '../support/children.js';
import { ADMIN_PASSWORD, ApiClient, startWeb } from './support.js';

test('a POST with a key is done once, and gives what is shown once again to who repeats it', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const headers = { 'idempotency-key': 'key-1' };
  const [first, second] = [
    await ada.post('/users', { username: 'alice' }, headers),
    await ada.post('/users', { username: 'alice' }, headers),
  ];
  t.is(first.status, 201);
  t.is(second.status, 201);
  t.deepEqual(second.body, first.body);
  t.is(second.headers.get('etag'), first.headers.get('etag'));
  t.is((await ada.post('/users', { username: 'bob' }, headers)).status, 400);
  t.is((await ada.post('/users', { username: 'alice' }, { 'idempotency-key': 'key-2' })).status, 409);
  t.is((await ada.post('/users', { username: '../' }, { 'idempotency-key': 'key-3' })).status, 400);
  t.is((await ada.post('/users', { username: 'carol' }, { 'idempotency-key': 'key-3' })).status, 201);
  const both = await Promise.all([1, 2].map(() => ada.post('/users', { username: 'dave' }, { 'idempotency-key': 'key-4' })));
  t.true(both.every(({ status }) => [201, 423].includes(status)));
  t.like((await ada.get('/users')).body, { total: 3 });
});

test('gives metrics on the machine itself, and elsewhere with a key of an admin', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const alice = await hub.loggedIn('user', 'alice');
  await fetch(`${hub.base}/metrics`);
  await alice.raw('PUT', '/files/content?path=/f', { body: '12345' });
  await hub.event('upload.completed');
  const text = await (await fetch(`${hub.base}/metrics`)).text();
  t.regex(text, /^entrepot_sessions_active\{protocol="web"\} 1$/m);
  t.regex(text, /^entrepot_transfer_bytes_total\{protocol="web",direction="upload",result="completed"\} 5$/m);
  t.regex(text, /^entrepot_build_info\{version="[\d.]+"\} 1$/m);
  t.regex(text, /^process_resident_memory_bytes \d/m);
  t.regex(text, /^entrepot_logins_total\{protocol="web",result="succeeded"\} 1$/m);
  t.regex(text, /^entrepot_logins_total\{protocol="sftp",result="failed"\} 0$/m);
  t.regex(text, /^entrepot_transfers_total\{protocol="web",direction="upload",result="completed"\} 1$/m);
  t.regex(text, /^entrepot_event_publish_seconds_count [1-9]/m);
  t.regex(text, /^entrepot_database_up 1$/m);
  t.notRegex(text, /^entrepot_backup_last_success_timestamp_seconds /m);
  t.is(text.match(/^# TYPE entrepot_deliveries /gm)?.length, 1);
  const behind = await startWeb(t, { users: { alice: { password: 'pw' } }, web: { trustedProxies: ['127.0.0.1'] } });
  const away = { 'x-forwarded-for': '192.0.2.1' };
  const get = async (headers: Record<string, string>) =>
    (await fetch(`${behind.base}/metrics`, { headers: { ...away, ...headers } })).status;
  t.is(await get({}), 401);
  const ada = await behind.loggedIn('admin', 'ada');
  const { token } = (await ada.post('/api-keys', { name: 'prometheus', scope: 'metrics' })).body;
  t.is(await get({ authorization: `Bearer ${token}` }), 200);
  const user = await behind.loggedIn('user', 'alice');
  const other = (await user.post('/api-keys', { name: 'mine', scope: 'metrics' })).body;
  t.is(await get({ authorization: `Bearer ${other.token}` }), 403);
  t.is((await new ApiClient(behind.base, { authorization: `Bearer ${token}` }).get('/users')).status, 403);
});

test('a login with a key is none that is repeated, and no password is kept with the keys', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const ada = await hub.loggedIn('admin', 'ada');
  const form = { scope: 'admin', username: 'ada', password: ADMIN_PASSWORD };
  const key = { 'idempotency-key': 'login' };
  for (let round = 0; round < 2; round++) {
    const before = ada.cookie;
    t.is((await ada.post('/session', form, key)).status, 200);
    t.not(ada.cookie, before);
    t.is((await ada.get('/session')).status, 200);
  }
  const body = { username: 'bob', password: 'guessable' };
  t.is((await ada.post('/users', body, { 'idempotency-key': 'bob' })).status, 201);
  t.is((await ada.post('/users', body, { 'idempotency-key': 'bob' })).status, 201);
  const rows: readonly { request: string; answer: string }[] = await hub.hub
    .get(Database as InjectionToken<Database>)
    .knex('idempotent_answers');
  t.is(rows.length, 1);
  const guess = createHash('sha256')
    .update(`/api/v1/users\n${JSON.stringify(body)}`)
    .digest('hex');
  t.not(rows[0]!.request, guess);
  t.false(JSON.stringify(rows).includes('bob'));
});

test('adds, tests, changes, browses and removes a storage', async t => {
  const hub = await startWeb(t, { storage: 'disk' });
  const ada = await hub.loggedIn('admin', 'ada');
  const root = await temporaryFolder('storage');
  t.teardown(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'files'));
  await writeFile(join(root, 'note.txt'), 'x');
  const kinds = (await ada.get('/storage-kinds')).body.items as unknown as { name: string; schema: { properties?: object } }[];
  t.true(kinds.some(({ name, schema }) => name === 'local' && 'root' in (schema.properties ?? {})));
  t.like((await ada.post('/storages/test', { kind: 'local', options: { root: `${root}/note.txt` } })).body, { ok: false });
  const refused = await ada.post('/storages', { name: 'x', kind: 'lokal' });
  t.like(refused.body.errors![0], { pointer: '/kind' });
  t.like((await ada.post('/storages', { name: 'x', kind: 'local', options: { rot: '/' } })).body.errors![0], { pointer: '/options' });
  const added = await ada.post('/storages', { name: 'archive', kind: 'local', options: { root } });
  t.is(added.status, 201);
  t.like((await ada.post('/storages/archive/test')).body, { ok: true });
  const names = (await ada.get('/storages/archive/files?path=/')).body.items as unknown as { name: string }[];
  t.true(names.some(({ name }) => name === 'files'));
  const etag = added.headers.get('etag')!;
  t.is((await ada.patch('/storages/archive', { options: { root: `${root}/files` } }, { 'if-match': etag })).status, 200);
  t.is((await ada.patch('/storages/archive', { options: { root } }, { 'if-match': etag })).status, 412);
  t.is((await ada.delete('/storages/archive')).status, 204);
  t.is((await ada.get('/storages/archive')).status, 404);
});

test('no storage and no home of an admin reaches what is the hub’s own', async t => {
  const hub = await startWeb(t, { storage: 'disk', admins: { ada: 'owner', bert: 'admin' } });
  const [ada, bert] = [await hub.loggedIn('admin', 'ada'), await hub.loggedIn('admin', 'bert')];
  const outside = await temporaryFolder('storage');
  t.teardown(() => rm(outside, { recursive: true }));
  const local = (root: string) => ({ name: 'own', kind: 'local', options: { root } });
  for (const root of ['/', hub.dataDirectory, join(hub.dataDirectory, 'hooks')]) {
    const { status, body } = await ada.post('/storages', local(root));
    t.like(body, { status: 400, errors: [{ pointer: '/options' }] }, root);
    t.is(status, 400);
  }
  t.is((await bert.post('/storages', local(outside))).status, 403);
  t.is((await bert.post('/storages/test', { kind: 'local', options: { root: outside } })).status, 403);
  t.is((await bert.post('/storages', { name: 'memory', kind: 'memory' })).status, 201);
  t.is((await ada.post('/storages', local(outside))).status, 201);
  t.is((await bert.patch('/storages/own', { options: { root: '/' } })).status, 403);
  const user = (home: string) => ({ username: 'eve', password: 'a long password', home });
  t.like((await bert.post('/users', user('data:/.backups/x'))).body, { status: 403, errors: [{ pointer: '/home' }] });
  t.is((await bert.post('/users', user('data:/eve'))).status, 201);
  const mounts = [{ path: '/b', target: 'data:/x/../.backups' }];
  t.like((await bert.patch('/users/eve', { mounts })).body, { status: 403, errors: [{ pointer: '/mounts/0/target' }] });
  t.is((await ada.patch('/users/eve', { mounts })).status, 200);
});

test('makes a backup now, for owners, and lists those that are kept with when and where they are made', async t => {
  const admins = { ada: 'owner', adam: 'admin' } as const;
  const hub = await startWeb(t, { admins, storage: 'disk', values: { backup: { every: '12h', at: '03:30', keep: 2 } } });
  const [ada, adam] = [await hub.loggedIn('admin', 'ada'), await hub.loggedIn('admin', 'adam')];
  t.deepEqual((await adam.get('/backups')).body.settings as unknown, {
    directory: 'data:/.backups',
    everyMs: 43_200_000,
    at: '03:30',
    keep: 2,
  });
  t.is((await adam.post('/backups')).status, 403);
  const made = await ada.post('/backups');
  t.is(made.status, 201, JSON.stringify(made.body));
  t.true(Number(made.body.rows) > 0 && Number(made.body.bytes) > 0);
  for (let more = 0; more < 2; more++) t.is((await ada.post('/backups')).status, 201);
  const { body } = await adam.get('/backups');
  t.is(Number(body.total), 2, 'the oldest is gone');
  t.true(String(body.items![0]!.file) > String(body.items![1]!.file), 'the newest comes first');
  t.true(Number(body.nextAt) > Number(body.lastAt) && Math.abs(Date.now() - Number(body.lastAt)) < 60_000);
});

test('shows the hub: status, configuration with sources, certificates, host keys, extensions and branding', async t => {
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  t.like((await ada.get('/status')).body, { users: 0, deadDeliveries: 0 });
  const options = (await ada.get('/config')).body.items as unknown as { path: string; source: string }[];
  t.true(options.some(({ path }) => path === 'limits.sessions') && options.some(({ path }) => path === 'protocols.web.port'));
  t.is((await ada.get('/certificates')).status, 200);
  t.true(((await ada.get('/host-keys')).body.items as unknown as unknown[]).length >= 3);
  t.true(((await ada.get('/extensions')).body.protocols as unknown as string[]).includes('web'));
  t.is((await ada.patch('/branding', { name: 'Ours', colour: '#1c7ed6' })).status, 200);
  t.is((await ada.patch('/branding', { logo: 'data:image/svg+xml;base64,AAAA' })).status, 400);
  t.like((await hub.browser().get('/branding')).body, { name: 'Ours', colour: '#1c7ed6', logo: '' });
});
