import test from 'ava';
import { chromiumOr } from '../support/browser.js';
import { adminDialogs, CLIENT_PAGES, OPEN_PAGES, populate, visit } from '../support/page-walk.js';
import { startWeb } from './support.js';

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
