import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { SecondFactors } from '#core/auth/second-factor.js';
import { chromiumOr, loggedInContext, settled, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { codeOf } from '../support/one-time-codes.js';
import { adminPages, populate } from '../support/page-walk.js';
import { startWeb, type WebHub } from './support.js';

async function pageOf(t: ExecutionContext, hub: WebHub, name: string): Promise<Page | undefined> {
  const browser = await chromiumOr(t);
  if (!browser) return undefined;
  const client = await hub.loggedIn('admin', name);
  return (await watchedPage(await loggedInContext(browser, hub.base, 'admin', client.cookie!), hub.base)).page;
}

/** What changes something of the hub, and only who may do that shall see. */
const DEEDS =
  /^(Save|Enable|Disable|Delete|Remove|Add .*|New .*|Replay.*|Redeliver.*|Give up|More actions|Send test|Test|Block address|End session|Allow .*|Back up now|Rotate.*|Reset.*)$/;
/** Keys and factors are everybody's own. */
const OWN = ['/admin/api-keys', '/admin/profile'];

test('a viewer is shown every page without a button that would be refused, and none of their requests is', async t => {
  const hub = await startWeb(t, {
    admins: { ada: 'owner', vera: 'viewer' },
    users: { alice: { password: 'pw' } },
    values: { events: { retry: ['1h'] } },
    web: { requestsPerMinute: 100_000 },
  });
  const page = await pageOf(t, hub, 'vera');
  if (!page) return;
  const ids = await populate(await hub.loggedIn('admin', 'ada'), await hub.loggedIn('user', 'alice'));
  const refused: string[] = [];
  page.on('response', answer => {
    if (answer.status() === 403) refused.push(answer.url());
  });
  const meant = adminPages(ids).filter(path => !OWN.includes(path) && !/\/(new|edit|admins|doctor|no-such-page)$/.test(path));
  t.true(meant.length > 15);
  for (const path of meant) {
    await page.goto(hub.base + path);
    await settled(page);
    const names = await page.getByRole('main').getByRole('button').allInnerTexts();
    t.deepEqual(
      names.filter(name => DEEDS.test(name.trim())),
      [],
      path,
    );
    t.is(await page.getByRole('main').locator('form input:not([type=search])').count(), 0, path);
  }
  t.deepEqual(refused, []);
  await page.goto(`${hub.base}/admin/users/alice`);
  await page.getByText('data:/alice').or(page.getByText('memory:/alice')).first().waitFor();
});

test('users are enabled together as far as that goes, and the rest stays chosen', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw', status: 'disabled' }, bob: { password: 'pw', status: 'disabled' } } });
  const page = await pageOf(t, hub, 'ada');
  if (!page) return;
  await page.route('**/users/bob', route => route.abort());
  await page.goto(`${hub.base}/admin/users`);
  await page.getByRole('checkbox', { name: 'Select all on this page' }).click();
  await page.getByRole('button', { name: 'Enable' }).click();
  await page.getByText('1 user changed').waitFor();
  await page.getByText('“Enable” did not work').waitFor();
  await page.getByText('1 chosen').waitFor();
  t.is((await hub.call('users.show', { username: 'alice' })).status, 'active');
});

test('an administrator resets the second factor of a user and of another administrator', async t => {
  const hub = await startWeb(t, { admins: { ada: 'owner', bert: 'admin' }, users: { alice: { password: 'pw' } } });
  const page = await pageOf(t, hub, 'ada');
  if (!page) return;
  const factors = hub.hub.get(SecondFactors);
  const user = await hub.call('users.show', { username: 'alice' });
  const admin = await hub.call('admins.show', { username: 'bert' });
  for (const [kind, { id }] of [
    ['user', user],
    ['admin', admin],
  ] as const)
    await factors.confirm(kind, id, codeOf(await factors.begin(kind, id)));
  await page.goto(`${hub.base}/admin/users/alice`);
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Reset second factor' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset second factor' }).click();
  await until('that of the user is gone', async () => !(await factors.isOn('user', user.id)));
  await page.goto(`${hub.base}/admin/admins`);
  await page.getByRole('button', { name: 'Reset second factor' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset second factor' }).click();
  await until('that of the administrator is gone', async () => !(await factors.isOn('admin', admin.id)));
  await page.getByRole('table').getByRole('button', { name: 'Reset second factor' }).waitFor({ state: 'detached' });
  t.pass();
});

test('a duplicate has all that its model is held to', async t => {
  const model = {
    password: 'pw',
    description: 'of the model',
    permissions: { '/': ['list', 'download'], '/in': ['upload'] },
    patterns: [{ path: '/in', allow: ['*.csv'], deny: [], hidden: true }],
    expiresAt: new Date('2030-01-02T03:04:00').getTime(),
    protocols: ['sftp'],
    addresses: ['203.0.113.0/24'],
    maxSessions: 3,
    methods: ['publickey+password'],
  } as const;
  const hub = await startWeb(t, { users: { model } });
  const page = await pageOf(t, hub, 'ada');
  if (!page) return;
  const ada = await hub.loggedIn('admin', 'ada');
  t.is((await ada.patch('/users/model', { mounts: [{ path: '/shared', target: 'memory:/shared' }] })).status, 200);
  await page.goto(`${hub.base}/admin/users/new?like=model`);
  await page.getByLabel('Name', { exact: true }).fill('copy');
  await page.getByLabel('Password', { exact: true }).last().fill('another password');
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.waitForURL(/\/users\/copy\/connect$/);
  await page.getByText('copy is there, but cannot log in yet').waitFor();
  const own = new Set(['id', 'username', 'keys', 'hasPassword', 'secondFactor', 'createdAt', 'lastLoginAt', 'version']);
  const held = async (name: string) => {
    const { body } = await ada.get(`/users/${name}`);
    const kept = Object.entries(body).filter(([field]) => !own.has(field));
    const mounts = (body.mounts as unknown as { path: string }[]).filter(({ path }) => path !== '/');
    return { ...Object.fromEntries(kept), mounts };
  };
  t.deepEqual(await held('copy'), await held('model'));
});
