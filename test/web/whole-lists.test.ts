import test from 'ava';
import { type ApiClient, startWeb } from './support.js';

const USERS = { alice: { password: 'pw' } };

/** What names an item, in each list, and what it can be ordered by. */
const LISTS: Readonly<Record<string, { readonly id: string; readonly sorts: readonly string[] }>> = {
  '/storages': { id: 'name', sorts: ['name', 'kind'] },
  '/webhooks': { id: 'name', sorts: ['name', 'url', 'createdAt', 'enabled'] },
  '/admins': { id: 'username', sorts: ['username', 'role', 'status', 'createdAt', 'lastLoginAt'] },
  '/api-keys': { id: 'name', sorts: ['name', 'owner', 'scope', 'createdAt', 'expiresAt', 'lastUsedAt'] },
  '/bans': { id: 'subject', sorts: ['subject', 'kind', 'times', 'since', 'until'] },
  '/address-rules': { id: 'range', sorts: ['range', 'action', 'createdAt'] },
  '/sessions': { id: 'id', sorts: ['user', 'protocol', 'remoteAddress', 'startedAt', 'lastActivity'] },
  '/targets': { id: 'id', sorts: ['name', 'kind', 'enabled'] },
  '/backups': { id: 'file', sorts: ['file', 'bytes', 'modifiedAt'] },
};

async function read(client: ApiClient, path: string, id: string): Promise<readonly [readonly string[], number]> {
  const { status, body } = await client.get(path);
  if (status !== 200) throw new Error(`${path}: ${status}`);
  return [(body.items as unknown as Record<string, string>[]).map(item => item[id]!), Number(body.total)];
}

test('pages, sorts and searches every short list on the server, and gives all of it unless told', async t => {
  const hub = await startWeb(t, {
    users: USERS,
    storage: 'disk',
    admins: { ada: 'owner', Bert: 'viewer', carol: 'admin' },
    values: { outbound: { allow: ['127.0.0.1'] }, defence: { userFailures: 1, failures: 1_000, delay: '1ms' } },
  });
  const ada = await hub.loggedIn('admin', 'ada');
  for (const one of ['one', 'Two', 'three']) {
    await ada.post('/storages', { name: one.toLowerCase(), kind: 'memory' });
    await ada.post('/webhooks', { url: `http://127.0.0.1:9/${one}`, name: one, events: ['upload.completed'] });
    await ada.post('/api-keys', { name: one, scope: 'read' });
    await ada.post('/address-rules', { range: `192.0.2.${one.length}${one.length > 3 ? '' : one.charCodeAt(0) % 10}`, action: 'allow' });
    await ada.post('/backups');
    await hub.loggedIn('user', 'alice');
    await hub.browser().post('/session', { scope: 'user', username: `nobody-${one}`, password: 'wrong' });
  }
  for (const [path, { id, sorts }] of Object.entries(LISTS)) {
    const [all, total] = await read(ada, path, id);
    t.is(total, all.length, path);
    t.true(total >= 2, path);
    t.deepEqual(await read(ada, `${path}?limit=1`, id), [all.slice(0, 1), total], path);
    t.deepEqual(await read(ada, `${path}?limit=1&offset=1`, id), [all.slice(1, 2), total], path);
    t.deepEqual(await read(ada, `${path}?offset=1`, id), [all.slice(1), total], path);
    for (const sort of sorts) {
      const [up] = await read(ada, `${path}?sort=${sort}`, id);
      const [down] = await read(ada, `${path}?sort=-${sort}`, id);
      t.deepEqual([...up].sort(), [...all].sort(), `${path} ${sort}`);
      t.deepEqual([...down].sort(), [...all].sort(), `${path} ${sort}`);
    }
    t.deepEqual(await read(ada, `${path}?search=no-such-thing`, id), [[], 0], path);
    for (const wrong of ['limit=0', 'limit=1001', 'sort=password', 'offset=-1', 'other=1'])
      t.is((await ada.get(`${path}?${wrong}`)).status, 400, `${path} ${wrong}`);
  }
  t.deepEqual(await read(ada, '/webhooks?sort=name', 'name'), [['one', 'three', 'Two'], 3]);
  t.deepEqual(await read(ada, '/webhooks?sort=-name&limit=2', 'name'), [['Two', 'three'], 3]);
  t.deepEqual(await read(ada, '/webhooks?search=TWO', 'name'), [['Two'], 1]);
  t.deepEqual(await read(ada, '/admins?sort=-username', 'username'), [['carol', 'Bert', 'ada'], 3]);
  t.deepEqual(await read(ada, '/admins?sort=lastLoginAt&limit=1', 'username'), [['ada'], 3]);
  t.deepEqual(await read(ada, '/api-keys?search=THREE&sort=createdAt', 'name'), [['three'], 1]);
  t.deepEqual(await read(ada, '/sessions?user=alice&limit=2&search=web', 'user'), [['alice', 'alice'], 3]);
});
