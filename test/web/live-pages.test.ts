import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { chromiumOr, liveMark, loggedInContext, watchedPage } from '../support/browser.js';
import { startWeb } from './support.js';

/** Runs in a page: the browser says that it is no longer, or again, the one that is looked at. */
const turned = (state: 'hidden' | 'visible') =>
  `Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`;

/** Stands before a hub as a proxy does; `refusals` is how many streams it yet answers with 502, as if the hub were away. */
async function startProxy(t: ExecutionContext, hub: string) {
  const proxy = { base: '', refusals: 0 };
  const server = createServer((request, response) => {
    if (request.url!.startsWith('/api/v1/live') && proxy.refusals > 0) {
      proxy.refusals -= 1;
      response.writeHead(502).end();
      return;
    }
    const onward = httpRequest(hub + request.url, { method: request.method!, headers: request.headers }, answer => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  proxy.base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

const row = (page: Page, name: string) => page.getByRole('table').getByText(name, { exact: true });

test('more tabs can be open than a browser has connections: those that are hidden listen again when they are shown', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { web: { requestsPerMinute: 100_000 } });
  const ada = await hub.loggedIn('admin', 'ada');
  const context = await loggedInContext(browser, hub.base, 'admin', ada.cookie!);
  const pages: Page[] = [];
  for (let number = 1; number <= 7; number++) {
    const { page } = await watchedPage(context, hub.base);
    page.setDefaultTimeout(30_000);
    await page.goto(`${hub.base}/admin/users`);
    await page.getByText('No users yet').waitFor();
    if (number < 7) await page.evaluate(turned('hidden'));
    pages.push(page);
  }
  await liveMark(pages[6]!, 'Live').waitFor();
  await ada.post('/users', { username: 'unheard', password: 'a password' });
  await row(pages[6]!, 'unheard').waitFor();
  t.is(await row(pages[0]!, 'unheard').count(), 0);
  await pages[0]!.evaluate(turned('visible'));
  await row(pages[0]!, 'unheard').waitFor();
});

test('after an answer that is no stream, a page hears again by itself, and has read what it missed', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t);
  const proxy = await startProxy(t, hub.base);
  proxy.refusals = 2;
  const ada = await hub.loggedIn('admin', 'ada');
  const { page } = await watchedPage(await loggedInContext(browser, proxy.base, 'admin', ada.cookie!), proxy.base);
  await page.goto(`${proxy.base}/admin/users`);
  await page.getByText('No users yet').waitFor();
  await liveMark(page, 'Not live').waitFor();
  await ada.post('/users', { username: 'meanwhile', password: 'a password' });
  await liveMark(page, 'Live').waitFor();
  await row(page, 'meanwhile').waitFor();
  t.is(proxy.refusals, 0);
});

test('whose session ended is asked to log in, without a touch of the page', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t);
  const proxy = await startProxy(t, hub.base);
  const ada = await hub.loggedIn('admin', 'ada');
  const { page } = await watchedPage(await loggedInContext(browser, proxy.base, 'admin', ada.cookie!), proxy.base);
  proxy.refusals = 1;
  await page.goto(`${proxy.base}/admin/users`);
  await liveMark(page, 'Not live').waitFor();
  await ada.delete('/session');
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  t.pass();
});

test('what somebody else does appears in the lists that are open, and the first steps tick themselves', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { web: { requestsPerMinute: 100_000 } });
  const [ada, other] = [await hub.loggedIn('admin', 'ada'), await hub.loggedIn('admin', 'ada')];
  const { page, offences } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
  const open = async (path: string) => {
    await page.goto(`${hub.base}/admin${path}`);
    await liveMark(page, 'Live').waitFor();
  };
  await open('');
  await page.getByText('4 are left').waitFor();
  await other.post('/users', { username: 'bob', password: 'a password' });
  await page.getByText('3 are left').waitFor();
  await other.post('/webhooks', { url: `${hub.base}/hook`, events: ['upload.completed'] });
  await page.getByText('2 are left').waitFor();
  const lists: readonly (readonly [path: string, collection: string, body: object, shown: string])[] = [
    ['/users', '/users', { username: 'carol', password: 'a password' }, 'carol'],
    ['/webhooks', '/webhooks', { url: 'http://127.0.0.1:1/second', events: ['*'] }, '127.0.0.1:1/second'],
    ['/storages', '/storages', { name: 'archive', kind: 'memory' }, 'archive'],
    ['/bans', '/address-rules', { range: '203.0.113.0/24', action: 'deny' }, '203.0.113.0/24'],
    ['/api-keys', '/api-keys', { name: 'nightly', scope: 'read' }, 'nightly'],
    ['/admins', '/admins', { username: 'viola', role: 'viewer' }, 'viola'],
  ];
  for (const [path, collection, body, shown] of lists) {
    await open(path);
    t.is((await other.post(collection, body)).status, 201, collection);
    await page.getByRole('table').getByText(shown).first().waitFor();
  }
  t.deepEqual(offences, []);
});

test('what a page asks for that nobody has used for a while is told apart, and a touch ends that', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t);
  const ada = await hub.loggedIn('admin', 'ada');
  const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
  await page.goto(`${hub.base}/admin/users`);
  await liveMark(page, 'Live').waitFor();
  const askedAfter = async (username: string) => {
    const asked = page.waitForRequest(request => request.url().includes('/api/v1/users?'));
    await ada.post('/users', { username, password: 'a password' });
    return (await asked).headers()['x-entrepot-idle'];
  };
  t.is(await askedAfter('one'), undefined);
  await page.evaluate('const now = Date.now; Date.now = () => now() + 120_000');
  t.is(await askedAfter('two'), '1');
  await page.keyboard.press('Tab');
  t.is(await askedAfter('three'), undefined);
});
