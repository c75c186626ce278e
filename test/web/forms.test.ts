import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { chromiumOr, liveMark, loggedInContext, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { startWeb, type WebHub } from './support.js';

/** A page of ada's, open where she wants to change something. */
async function open(t: ExecutionContext, hub: WebHub, path: string): Promise<Page | undefined> {
  const browser = await chromiumOr(t);
  if (!browser) return undefined;
  const ada = await hub.loggedIn('admin', 'ada');
  const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
  await page.goto(`${hub.base}/admin${path}`);
  await liveMark(page, 'Live').waitFor();
  return page;
}

const save = (page: Page) => page.getByRole('button', { name: 'Save', exact: true });
const newer = (page: Page) => page.getByRole('button', { name: 'Load the newer state' });
const valueIs = (page: Page, label: string, value: string) =>
  until(`${label}: ${value}`, async () => (await page.getByLabel(label, { exact: true }).inputValue()) === value);

test('what was typed of a user stays while another administrator changes him, cannot overwrite that, and gives way when asked', async t => {
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } } });
  const page = await open(t, hub, '/users/bob');
  if (!page) return;
  const other = await hub.loggedIn('admin', 'ada');
  const description = page.getByLabel('Description');
  await other.patch('/users/bob', { description: 'first' });
  await valueIs(page, 'Description', 'first');
  await description.fill('typed');
  await page.getByLabel('New password').fill('typed password');
  await other.patch('/users/bob', { description: 'second' });
  await newer(page).waitFor();
  t.is(await description.inputValue(), 'typed');
  t.is(await page.getByLabel('New password').inputValue(), 'typed password');
  await save(page).click();
  await page.getByText('This was not saved').waitFor();
  t.is(await newer(page).count(), 1);
  await page.setViewportSize({ width: 390, height: 800 });
  t.true((await newer(page).boundingBox())!.y > 0, 'in sight');
  t.is((await other.get('/users/bob')).body.description as unknown, 'second');
  await newer(page).click();
  await valueIs(page, 'Description', 'second');
  t.is(await page.getByText('This was not saved').count(), 0);
  await description.fill('third');
  await save(page).click();
  await page.getByText('Saved').first().waitFor();
  await other.patch('/users/bob', { description: 'fourth' });
  await valueIs(page, 'Description', 'fourth');
  t.is(await newer(page).count(), 0);
});

test('so do rights that were changed, and what was typed of a webhook or a storage', async t => {
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } } });
  const page = await open(t, hub, '/users/bob/rights');
  if (!page) return;
  const other = await hub.loggedIn('admin', 'ada');
  const list = page.getByRole('checkbox', { name: 'List' }).first();
  const wasOn = await list.isChecked();
  await list.click();
  await other.patch('/users/bob', { description: 'changed' });
  await newer(page).waitFor();
  t.is(await list.isChecked(), !wasOn);
  await newer(page).click();
  await newer(page).waitFor({ state: 'detached' });
  t.is(await list.isChecked(), wasOn);
  await list.click();
  await save(page).click();
  await page.getByText('Saved').first().waitFor();
  await until('the state is that of the hub', () => save(page).isDisabled());
  t.is(await newer(page).count(), 0);

  const { id } = (await other.post('/webhooks', { url: `${hub.base}/hook`, events: ['*'] })).body.webhook!;
  await page.goto(`${hub.base}/admin/webhooks/${id}/edit`);
  await page.getByLabel('Address').fill('http://127.0.0.1:1/typed');
  await liveMark(page, 'Live').waitFor();
  await other.patch(`/webhooks/${id}`, { enabled: false });
  await newer(page).waitFor();
  t.is(await page.getByLabel('Address').inputValue(), 'http://127.0.0.1:1/typed');

  await other.post('/storages', { name: 'more', kind: 'memory', options: { capacity: '1MiB' } });
  await page.goto(`${hub.base}/admin/storages/more`);
  await liveMark(page, 'Live').waitFor();
  const capacity = page.getByRole('textbox', { name: 'Capacity' });
  await capacity.fill('3MiB');
  t.is((await other.patch('/storages/more', { options: { capacity: '2MiB' } })).status, 200);
  await newer(page).waitFor();
  t.is(await capacity.inputValue(), '3MiB');
});
