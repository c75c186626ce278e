import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { chromiumOr, loggedInContext, seriousFlaws, settled, watchedPage } from '../support/browser.js';
import { REPOSITORY } from '../support/hub-process.js';
import { startWeb, type WebHub } from './support.js';

const SCREENSHOTS = process.env.SCREENSHOTS ?? join(REPOSITORY, 'dist/screenshots');
const WIDTHS = [1440, 390] as const;
const SCHEMES = ['light', 'dark'] as const;
const HOSTILE = '<img src=x onerror=alert(1)>';

/** A hub in which every page has something to show. */
async function populated(
  t: ExecutionContext,
): Promise<WebHub & { readonly ids: Readonly<Record<'event' | 'delivery' | 'webhook', string>> }> {
  const hub = await startWeb(t, {
    users: { alice: { password: 'pw', description: HOSTILE }, bob: {} },
    values: { events: { retry: ['1h'] } },
  });
  const owner = await hub.loggedIn('admin', 'ada');
  const webhook = await owner.post('/webhooks', { url: `${hub.base}/hooks/nobody`, events: ['upload.completed'] });
  await owner.post('/address-rules', { range: '203.0.113.0/24', action: 'deny', comment: HOSTILE });
  await owner.post('/api-keys', { name: HOSTILE, scope: 'read' });
  await owner.post('/admins', { username: 'viola', role: 'viewer' });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.post('/files/directories', { path: '/Angebote' });
  const path = '/a name that is rather long, so that it has to be cut somewhere, and <b>bold</b>.pdf'.replace('</b>', '');
  await alice.raw('PUT', `/files/content?path=${encodeURIComponent(path)}`, { body: 'content' });
  await hub.browser().post('/session', { scope: 'user', username: 'alice', password: 'wrong' });
  const delivery = (await owner.get('/deliveries')).body.items![0]!;
  const ids = { webhook: String(webhook.body.webhook!.id), delivery: String(delivery.id), event: String(delivery.eventId) };
  return { ...hub, ids };
}

const adminPages = ({ ids }: { readonly ids: Readonly<Record<'event' | 'delivery' | 'webhook', string>> }) => [
  '/admin',
  '/admin/activity',
  '/admin/events',
  `/admin/events/${ids.event}`,
  '/admin/webhooks',
  '/admin/webhooks/new',
  `/admin/webhooks/${ids.webhook}`,
  '/admin/hooks',
  '/admin/deliveries',
  `/admin/deliveries/${ids.delivery}`,
  '/admin/users',
  '/admin/users/new',
  '/admin/users/alice',
  '/admin/users/alice/rights',
  '/admin/users/alice/keys',
  '/admin/users/alice/connect',
  '/admin/admins',
  '/admin/api-keys',
  '/admin/storages',
  '/admin/storages/new',
  '/admin/bans',
  '/admin/settings',
  '/admin/profile',
  '/admin/no-such-page',
];
const CLIENT_PAGES = ['/', '/files/Angebote', '/account'];
const OPEN_PAGES = ['/admin/login', '/login', '/setup'];

interface Visitor {
  readonly scope: 'admin' | 'user';
  readonly cookie: string;
}

/** Looks at each page in both widths. What is wrong with any of them is told at the end, and each is a picture in SCREENSHOTS. */
async function visitAll(t: ExecutionContext, hub: WebHub, colorScheme: (typeof SCHEMES)[number], paths: readonly string[], who?: Visitor) {
  const browser = await chromiumOr(t);
  if (!browser) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  const found: string[] = [];
  const options = { colorScheme, viewport: { width: WIDTHS[0], height: 900 } };
  const context = who ? await loggedInContext(browser, hub.base, who.scope, who.cookie, options) : await browser.newContext(options);
  const { page, offences } = await watchedPage(context, hub.base);
  for (const path of paths) {
    await page.setViewportSize({ width: WIDTHS[0], height: 900 });
    await page.goto(hub.base + path);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await settled(page);
      const name = `${who?.scope ?? 'open'}${path.replace(/[0-9a-f]{8}-[0-9a-f-]+/, 'id').replaceAll('/', '-')}-${width}-${colorScheme}`;
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
      const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      if (wider > 0) found.push(`${name}: ${wider} px wider than the window`);
      for (const flaw of await seriousFlaws(page)) found.push(`${name}: ${flaw}`);
      for (const { kind, text } of offences.splice(0)) found.push(`${name}: ${kind}: ${text}`);
    }
  }
  t.deepEqual(found, []);
}

for (const scheme of SCHEMES) {
  test.serial(`the pages of administrators are sound, ${scheme}, wide and narrow`, async t => {
    const hub = await populated(t);
    const { cookie } = await hub.loggedIn('admin', 'ada');
    await visitAll(t, hub, scheme, adminPages(hub), { scope: 'admin', cookie: cookie! });
  });

  test.serial(`the pages of users are sound, ${scheme}, wide and narrow`, async t => {
    const hub = await populated(t);
    const { cookie } = await hub.loggedIn('user', 'alice');
    await visitAll(t, hub, scheme, CLIENT_PAGES, { scope: 'user', cookie: cookie! });
  });

  test.serial(`set-up and login are sound, ${scheme}, wide and narrow`, async t => {
    await visitAll(t, await startWeb(t, { admins: {} }), scheme, OPEN_PAGES);
  });
}
