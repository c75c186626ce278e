import { AxeBuilder } from '@axe-core/playwright';
import type { ExecutionContext } from 'ava';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { Lacking, tool } from './tools.js';

/** What a page did that no page should. */
export interface Offence {
  readonly kind: 'console' | 'script error' | 'foreign request' | 'dialog';
  readonly text: string;
}

/** A page of a real Chromium, and what it did wrong so far. */
export interface WatchedPage {
  readonly page: Page;
  readonly offences: Offence[];
}

/** A real Chromium without a window. Throws Lacking where there is none. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: tool('chromium'), args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** Chromium, or nothing with the reason printed; where CI is set it must be there. */
export async function chromiumOr(t: ExecutionContext): Promise<Browser | undefined> {
  try {
    const browser = await openBrowser();
    t.teardown(() => browser.close());
    return browser;
  } catch (error) {
    if (!(error instanceof Lacking) || process.env.CI) throw error;
    t.log(`left out: ${error.message}`);
    t.pass();
    return undefined;
  }
}

/** Gives a browser the cookie of a session, and the pages the hint that somebody is logged in. */
export async function loggedInContext(
  browser: Browser,
  base: string,
  scope: 'admin' | 'user',
  cookie: string,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const [name = '', value = ''] = cookie.split('=', 2);
  await context.addCookies([{ name, value, url: base }]);
  await context.addInitScript({ content: `localStorage.setItem('entrepot.session', '${scope}')` });
  return context;
}

/** A new page that remembers each error on its console, refusals of the content policy included, each dialog, and each request to somebody else. */
export async function watchedPage(context: BrowserContext, base: string): Promise<WatchedPage> {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const offences: Offence[] = [];
  page.on('console', message => {
    if (message.type() === 'error' || /Content Security Policy/.test(message.text()))
      offences.push({ kind: 'console', text: message.text() });
  });
  page.on('pageerror', error => offences.push({ kind: 'script error', text: error.message }));
  page.on('dialog', dialog => {
    offences.push({ kind: 'dialog', text: dialog.message() });
    void dialog.dismiss();
  });
  page.on('request', request => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(base))
      offences.push({ kind: 'foreign request', text: request.url() });
  });
  return { page, offences };
}

/** What the head of a page of administrators says of its stream. */
export function liveMark(page: Page, state: 'Live' | 'Not live'): Locator {
  return page.getByRole('banner').getByText(state, { exact: true });
}

/** Runs in the page, whose types are not those of this project. What repeats for ever does not count. */
const ANIMATIONS_ENDED =
  'Promise.all(document.getAnimations().filter(one => one.effect.getComputedTiming().iterations === 1).map(one => one.finished.catch(() => 0)))';

/** Waits until a page has what it asked for, the grey lines are gone, and nothing moves. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor();
  await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
  await page.evaluate(ANIMATIONS_ENDED);
}

/** What axe finds serious or worse by WCAG 2.2 AA: rule and where, one line each. `within` is a selector; the whole page unless told. */
export async function seriousFlaws(page: Page, within?: string): Promise<string[]> {
  const axe = new AxeBuilder({ page })
    // In the page itself: nothing here is framed, and a page more for each look takes its time.
    .setLegacyMode(true)
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']);
  const { violations } = await (within === undefined ? axe : axe.include(within)).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary?.split('\n')[1]?.trim()}`),
    );
}
