import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { chromiumOr, loggedInContext, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { type ApiClient, startWeb } from './support.js';

/** Larger than what is on its way at a time: the hub refuses it before all of it was sent. */
const LARGE = 30_000_000;

/** A folder of this machine with a file in it, one below that, and an empty folder. */
async function someFolder(t: ExecutionContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'entrepot-drop-'));
  t.teardown(() => rm(parent, { recursive: true }));
  const folder = join(parent, 'offers');
  await mkdir(join(folder, '2026/empty'), { recursive: true });
  await writeFile(join(folder, 'new.txt'), 'new');
  await writeFile(join(folder, '2026/old.txt'), 'dropped');
  await writeFile(join(folder, '2026/large.bin'), Buffer.alloc(LARGE, 1));
  return folder;
}

/** Drags things of this machine into the window, and lets them go. */
async function drop(page: Page, files: readonly string[]): Promise<void> {
  const browser = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await browser.send('Input.dispatchDragEvent', { type, x: 500, y: 400, data: { items: [], files: [...files], dragOperationsMask: 1 } });
  await browser.detach();
}

const contentOf = async (alice: ApiClient, path: string) =>
  (await alice.raw('GET', `/files/content?path=${encodeURIComponent(path)}`)).text();
const exists = async (alice: ApiClient, path: string) => (await alice.get(`/files/info?path=${encodeURIComponent(path)}`)).status === 200;

test('a dropped folder replaces nothing until the reader says so, once for all, and can be dropped again after it was deleted', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const alice = await hub.loggedIn('user', 'alice');
  for (const path of ['/offers', '/offers/2026']) await alice.post('/files/directories', { path });
  for (const name of ['old.txt', 'large.bin']) await alice.raw('PUT', `/files/content?path=/offers/2026/${name}`, { body: 'kept' });
  const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'user', alice.cookie!), hub.base);
  await page.goto(hub.base);
  await page.getByRole('table').getByText('offers').waitFor();
  const folder = await someFolder(t);

  await drop(page, [folder]);
  await page.getByText('2 files are there already').waitFor();
  t.is(await contentOf(alice, '/offers/new.txt'), 'new');
  t.is(await contentOf(alice, '/offers/2026/old.txt'), 'kept');
  t.is(await contentOf(alice, '/offers/2026/large.bin'), 'kept');
  t.true(await exists(alice, '/offers/2026/empty'));
  await page.getByRole('button', { name: 'Keep the 2 old ones' }).click();
  await page.getByText('1 file uploaded').waitFor();
  t.is(await contentOf(alice, '/offers/2026/old.txt'), 'kept');

  await drop(page, [folder]);
  await page.getByRole('button', { name: 'Replace all 3' }).click();
  await until('they are replaced', async () => (await contentOf(alice, '/offers/2026/old.txt')) === 'dropped');
  await until('the large one, too', async () => (await contentOf(alice, '/offers/2026/large.bin')).length === LARGE);

  t.is((await alice.delete('/files?path=/offers&recursive=true')).status, 204);
  await drop(page, [folder]);
  await until('all is there again', async () => (await contentOf(alice, '/offers/2026/large.bin')).length === LARGE);
  t.is(await contentOf(alice, '/offers/new.txt'), 'new');
  t.true(await exists(alice, '/offers/2026/empty'));
});

test('a chosen file that is there already is asked about, too', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const alice = await hub.loggedIn('user', 'alice');
  await alice.raw('PUT', '/files/content?path=/report.csv', { body: 'kept' });
  const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'user', alice.cookie!), hub.base);
  await page.goto(hub.base);
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Upload' }).click()]);
  await chooser.setFiles([{ name: 'report.csv', mimeType: 'text/csv', buffer: Buffer.from('new') }]);
  await page.getByText('1 file is there already').waitFor();
  t.is(await contentOf(alice, '/report.csv'), 'kept');
  await page.getByRole('button', { name: 'Replace it' }).click();
  t.deepEqual((await alice.get('/files')).body.total as unknown, 1, 'nothing else was made');
  await until('it is replaced', async () => (await contentOf(alice, '/report.csv')) === 'new');
});
