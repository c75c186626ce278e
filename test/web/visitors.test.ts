import { readFile } from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { chromiumOr, watchedPage } from '../support/browser.js';
import { ADMIN_PASSWORD, startWeb } from './support.js';

/** Runs in the page: drops one file onto it. */
const DROP = `(() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(['dropped content'], 'dropped.txt', { type: 'text/plain' }));
  for (const type of ['dragenter', 'dragover', 'drop'])
    document.querySelector('main').dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
})()`;

async function visit(t: ExecutionContext, base: string): Promise<Page | undefined> {
  const browser = await chromiumOr(t);
  if (!browser) return undefined;
  const context = await browser.newContext({ locale: 'en-GB' });
  const { page } = await watchedPage(context, base);
  return page;
}

async function logIn(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test('who logs in by the page sees the files, uploads by button and drop, downloads, and is out after the log-out', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'right password' } } });
  const page = await visit(t, hub.base);
  if (!page) return;
  await page.goto(`${hub.base}/`);
  await logIn(page, 'alice', 'wrong password');
  await page.getByRole('alert').first().waitFor();
  await logIn(page, 'alice', 'right password');
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Upload' }).click()]);
  await chooser.setFiles([
    { name: 'report über.csv', mimeType: 'text/csv', buffer: Buffer.from('a;b') },
    { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(5_000_000, 7) },
  ]);
  const list = page.getByRole('table');
  for (const name of ['report über.csv', 'large.bin']) await list.getByText(name).waitFor();
  await page.evaluate(DROP);
  const dropped = list.getByText('dropped.txt');
  await dropped.waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), dropped.click()]);
  t.is(await readFile(await download.path(), 'utf8'), 'dropped content');
  t.like((await hub.event('upload.completed', ({ data }) => data.path === '/large.bin')).data, { size: 5_000_000 });
  await page.getByRole('button', { name: /alice/i }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
});

test('an administrator who logs in by the page sees the overview', async t => {
  const hub = await startWeb(t);
  const page = await visit(t, hub.base);
  if (!page) return;
  await page.goto(`${hub.base}/admin/users`);
  await logIn(page, 'ada', ADMIN_PASSWORD);
  await page.getByRole('heading', { name: 'Users' }).waitFor();
  t.true(page.url().endsWith('/admin/users'), 'where he wanted to go');
});

test('only the texts of the reader’s language are loaded, from the start; the other ones when they are chosen', async t => {
  const hub = await startWeb(t);
  const browser = await chromiumOr(t);
  if (!browser) return;
  const { page, offences } = await watchedPage(await browser.newContext({ locale: 'de-AT' }), hub.base);
  const loaded: string[] = [];
  page.on('request', request => loaded.push(...(/\/assets\/(en|de|admin)-\w+\.js/.exec(request.url())?.slice(1) ?? [])));
  await page.goto(`${hub.base}/admin/login`);
  await page.getByRole('button', { name: 'Anmelden' }).waitFor();
  t.deepEqual([...loaded].sort(), ['admin', 'de']);
  t.truthy(await page.locator('link[rel=modulepreload][href*="/de-"]').count(), 'asked for before the scripts had run');
  await page.getByLabel('Name', { exact: true }).fill('ada');
  await page.getByLabel('Passwort', { exact: true }).fill(ADMIN_PASSWORD);
  await page.getByRole('button', { name: 'Anmelden' }).click();
  await page.getByRole('heading', { name: 'Überblick' }).waitFor();
  await page.getByRole('button', { name: 'Darstellung und Sprache' }).click();
  await page.getByRole('menuitemradio', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  t.deepEqual([...loaded].sort(), ['admin', 'de', 'en']);
  await page.reload();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  t.is(loaded.filter(name => name === 'de').length, 1);
  t.is(await page.evaluate<string>('document.documentElement.lang'), 'en');
  t.deepEqual(offences, []);
});
