import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { SessionRegistry } from '#core/auth/session.js';
import { ApiClient, startWeb, type WebHub } from './support.js';

const LARGE = Buffer.alloc(48 * 1_048_576);

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const late = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > late) throw new Error(`not within ten seconds: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Begins to read something that does not end by itself; gives whether it was cut off, or ended before it should. */
async function begin(t: ExecutionContext, client: ApiClient, path: string): Promise<() => Promise<boolean>> {
  const response = await client.raw('GET', path);
  t.is(response.status, 200, path);
  const reader = response.body!.getReader();
  t.teardown(() => reader.cancel().catch(() => undefined));
  await reader.read();
  return async () => {
    let bytes = 0;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
    } catch {
      return true;
    }
    return bytes < LARGE.length / 2;
  };
}

async function sessionsOf(hub: WebHub): Promise<number> {
  return (await hub.hub.get(SessionRegistry).list()).length;
}

const ENDINGS: Readonly<Record<string, (hub: WebHub, other: ApiClient) => Promise<unknown>>> = {
  'a password that an admin sets': hub => hub.call('users.set', { username: 'alice', password: 'new' }),
  'a password that the user sets elsewhere': (_hub, other) => other.post('/me/password', { current: 'pw', password: 'new' }),
  'an account that is disabled': hub => hub.call('users.disable', { username: 'alice' }),
  'an account that is removed': hub => hub.call('users.remove', { username: 'alice' }),
};

for (const [what, end] of Object.entries(ENDINGS)) {
  test(`${what} ends what a browser has under way, at once`, async t => {
    const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
    const browser = await hub.loggedIn('user', 'alice');
    const other = await hub.loggedIn('user', 'alice');
    await browser.raw('PUT', '/files/content?path=/large', { body: LARGE });
    const download = await begin(t, browser, '/files/content?path=/large');
    const live = await begin(t, browser, '/live');
    const began = Date.now();
    await end(hub, other);
    t.deepEqual(await Promise.all([download(), live()]), [true, true]);
    t.true(Date.now() - began < 10_000);
    t.is((await browser.get('/session')).status, 401);
  });
}

test('a new password lets its user in where he may have one session only', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw', maxSessions: 1 } } });
  await hub.loggedIn('user', 'alice');
  t.is((await hub.browser().post('/session', { scope: 'user', username: 'alice', password: 'pw' })).status, 429);
  await hub.call('users.set', { username: 'alice', password: 'new' });
  await until('the place is free', async () => (await sessionsOf(hub)) === 0);
  await hub.loggedIn('user', 'alice', 'new');
});

test('who logs in again in the same browser takes the place that he has, once his password is right', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw', maxSessions: 1 } } });
  const browser = await hub.loggedIn('user', 'alice');
  const form = { scope: 'user', username: 'alice', password: 'pw' };
  t.is((await browser.post('/session', { ...form, password: 'wrong' })).status, 401);
  t.is((await browser.get('/files')).status, 200);
  const before = browser.cookie!;
  t.is((await browser.post('/session', form)).status, 200);
  t.is((await browser.get('/files')).status, 200);
  t.is((await hub.browser().get('/files', { cookie: before })).status, 401);
  t.is(await sessionsOf(hub), 1);
});

test('an admin who logs in where a user was ends what that has open, and so does a log-out', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const browser = await hub.loggedIn('user', 'alice');
  t.is(await sessionsOf(hub), 1);
  t.is((await browser.post('/session', { scope: 'admin', username: 'ada', password: 'a long password' })).status, 200);
  t.is(await sessionsOf(hub), 0);
  const other = await hub.loggedIn('user', 'alice');
  t.is(await sessionsOf(hub), 1);
  t.is((await other.delete('/session')).status, 204);
  t.is(await sessionsOf(hub), 0);
});

test('a key that is revoked ends what its program has under way', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const browser = await hub.loggedIn('user', 'alice');
  await browser.raw('PUT', '/files/content?path=/large', { body: LARGE });
  const made = (await browser.post('/api-keys', { name: 'script', scope: 'read' })).body;
  const program = new ApiClient(hub.base, { authorization: `Bearer ${made.token}` });
  const download = await begin(t, program, '/files/content?path=/large');
  t.is((await browser.delete(`/api-keys/${String(made.key!.id)}`)).status, 204);
  t.true(await download());
  t.is(await sessionsOf(hub), 1);
});
