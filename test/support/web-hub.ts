import type { Browser, Page } from 'playwright-core';
import { openBrowser, type WatchedPage, watchedPage } from './browser.js';
import { until } from './children.js';
import { HubProcess, readRunFile } from './hub-process.js';

/** The owner whom scripts make. */
export const OWNER = { name: 'ada', password: 'correct horse battery' };

/** A hub as a process, and a browser at it. */
export interface BrowsedHub extends WatchedPage {
  readonly hub: HubProcess;
  readonly browser: Browser;
  readonly base: string;
  /** The link that the hub printed for its first owner. */
  readonly setupLink: string;
  stop(): Promise<void>;
}

/** Starts a hub without an admin, and Chromium. Throws Lacking where there is no Chromium. */
export async function startBrowsedHub(env: Readonly<Record<string, string>> = {}): Promise<BrowsedHub> {
  const browser = await openBrowser();
  const hub = await HubProcess.start({ env });
  const port = (await readRunFile(hub.dataDirectory))?.listeners.find(({ protocol }) => protocol === 'web')?.port;
  const base = `http://127.0.0.1:${port}`;
  const token = await until('the set-up link', () => /#token=([\w-]+)"/.exec(hub.log)?.[1]);
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1440, height: 900 } });
  const watched = await watchedPage(context, base);
  const stop = async () => {
    await browser.close();
    await hub.stop();
  };
  return { ...watched, hub, browser, base, setupLink: `${base}/setup#token=${token}`, stop };
}

/** Makes the owner by the set-up link, which also logs him in. */
export async function setUp(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel('Name').fill(OWNER.name);
  await page.getByLabel('Password', { exact: true }).fill(OWNER.password);
  await page.getByRole('button', { name: 'Create the owner' }).click();
  await page.waitForURL(/\/admin$/);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
}

/** Adds a user in the page of users. Ends at the page that says how to connect. */
export async function addUser(page: Page, base: string, name: string, password: string): Promise<void> {
  await page.goto(`${base}/admin/users/new`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password', { exact: true }).last().fill(password);
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.waitForURL(new RegExp(`/users/${name}/connect$`));
}

/** Adds a webhook in its page; gives its id and its secret. */
export async function addWebhookByPage(page: Page, base: string, url: string): Promise<{ readonly id: string; readonly secret: string }> {
  await page.goto(`${base}/admin/webhooks/new`);
  await page.getByLabel('Address').fill(url);
  await page.getByRole('button', { name: 'Add webhook' }).click();
  await page.getByRole('heading', { name: 'The webhook is there' }).waitFor();
  const secret = await page.locator('code').filter({ hasText: 'whsec_' }).first().innerText();
  const link = await page.getByRole('link', { name: 'To its deliveries' }).getAttribute('href');
  return { id: link!.split('/').at(-1)!, secret };
}
