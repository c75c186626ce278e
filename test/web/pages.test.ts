import test from 'ava';
import { chromiumOr } from '../support/browser.js';
import { adminDialogs, CLIENT_PAGES, OPEN_PAGES, populate, visit } from '../support/page-walk.js';
import { startWeb } from './support.js';

/** A PNG of one point. */
const LOGO = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

// A few of them; acceptance 04.2 looks at all.

test.serial('the overview, a form and a dialog are sound in both widths and schemes', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { events: { retry: ['1h'] } } });
  const owner = await hub.loggedIn('admin', 'ada');
  const ids = await populate(owner, await hub.loggedIn('user', 'alice'));
  const paths = ['/admin', '/admin/storages/data'];
  const dialogs = adminDialogs(ids).filter(({ opens }) => opens.includes('Replay'));
  t.deepEqual(await visit(browser, hub.base, { who: { scope: 'admin', cookie: owner.cookie! }, paths, dialogs }), []);
});

test.serial('a colour of the hub that nobody could read is made one that everybody can, before and after the login', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t);
  const owner = await hub.loggedIn('admin', 'ada');
  for (const colour of ['#ffe600', '#0b0b30']) {
    t.is((await owner.patch('/branding', { name: 'Ours', colour, logo: LOGO })).status, 200);
    t.deepEqual(await visit(browser, hub.base, { paths: ['/login'] }), []);
    t.deepEqual(await visit(browser, hub.base, { who: { scope: 'admin', cookie: owner.cookie! }, paths: ['/admin/users'] }), []);
  }
  const page = await (await browser.newContext({ locale: 'en-GB' })).newPage();
  await page.goto(`${hub.base}/login`);
  await page.locator(`img[src="${LOGO}"]`).waitFor();
  await page.getByText('Ours').waitFor();
  t.is(await page.title(), 'Log in to your files · Ours');
  t.not(await page.evaluate<string>("getComputedStyle(document.documentElement).getPropertyValue('--accent')"), '#17594a');
});

test.serial('files and login are sound in both widths and schemes', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.post('/files/directories', { path: '/Angebote' });
  const who = { scope: 'user', cookie: alice.cookie! } as const;
  t.deepEqual(await visit(browser, hub.base, { who, paths: CLIENT_PAGES.slice(0, 1) }), []);
  t.deepEqual(await visit(browser, hub.base, { paths: OPEN_PAGES.slice(0, 1) }), []);
});
