import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { InjectionToken } from 'tsyringe';
import { Database } from '#core/db/database.js';
import { EventRepository } from '#core/db/events.js';
import { chromiumOr, loggedInContext, type Offence, seriousFlaws, settled, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { idOf, pastEvent } from '../support/past-events.js';
import { startWeb, type WebHub } from './support.js';

const EVENTS = 20_000;
const WALKED = 8_000;
const BATCH = 500;
const HOUR_MS = 3_600_000;

/** Puts events of the last hour on record; gives their ids, the newest first. */
async function fill({ hub }: WebHub, count: number): Promise<readonly string[]> {
  const began = Date.now() - HOUR_MS;
  const rows = Array.from({ length: count }, (_, i) => {
    const time = began + Math.floor((i * HOUR_MS) / count) - 1_000;
    const [id, type, path] = [idOf(time, i), i % 7 === 0 ? 'upload.failed' : 'upload.completed', `/in/${i % 90}/a file ${i}.csv`];
    // Some take two lines.
    const told = i % 11 === 0 ? path.repeat(8) : path;
    const event = pastEvent({ id, type, user: 'bob', time, path: told, data: { size: i } });
    return { id, type, username: 'bob', path, time, state: 'ready', event };
  });
  const { knex } = hub.get(Database as InjectionToken<Database>);
  for (let at = 0; at < rows.length; at += BATCH) await knex('events').insert(rows.slice(at, at + BATCH));
  return rows.map(({ id }) => id).reverse();
}

interface Row {
  readonly id: string;
  readonly index: number;
}

/** Runs in the page: the rows of the document, and how many points of the window between its first and last row show none. */
const LOOK = `(() => {
  const rows = [...document.querySelectorAll('main tbody tr')];
  const box = document.querySelector('main table').getBoundingClientRect();
  let blank = 0;
  for (let y = Math.max(160, box.top + 60); y < Math.min(innerHeight, document.documentElement.getBoundingClientRect().bottom - 260); y += 40)
    if (!document.elementFromPoint(innerWidth * 0.6, y)?.closest('tbody tr, [class*=end]')) blank++;
  return {
    blank,
    rows: rows.map(row => ({
      id: decodeURIComponent(row.querySelector('a').href.split('/').at(-1)),
      index: Number(row.getAttribute('aria-rowindex')) - 2,
    })),
  };
})()`;
const STEP = `new Promise(done => { scrollBy(0, innerHeight * 1.8); requestAnimationFrame(() => requestAnimationFrame(done)); })`;

interface Look {
  readonly blank: number;
  readonly rows: readonly Row[];
}

/** Scrolls down until row `until` was seen. Gives what stood in each row on the way, and how often the window was blank. */
async function walk(page: Page, until: number, onStep: (step: number) => Promise<unknown> = async () => undefined) {
  const seen = new Map<number, Set<string>>();
  let blank = 0;
  for (let step = 0; seen.size <= until && step < 3_000; step++) {
    const look = await page.evaluate<Look>(LOOK);
    blank += look.blank;
    for (const { id, index } of look.rows) seen.set(index, (seen.get(index) ?? new Set()).add(id));
    await onStep(step);
    await page.evaluate(STEP);
  }
  const order = [...seen].sort(([one], [other]) => one - other);
  return { blank, indexes: order.map(([index]) => index), ids: order.map(([, ids]) => [...ids].join()) };
}

async function open(
  t: ExecutionContext,
  hub: WebHub,
  path: string,
  size = { width: 1440, height: 900 },
): Promise<{ readonly page: Page; readonly offences: readonly Offence[] } | undefined> {
  const browser = await chromiumOr(t);
  if (!browser) return undefined;
  const ada = await hub.loggedIn('admin', 'ada');
  const opened = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!, { viewport: size }), hub.base);
  await opened.page.goto(`${hub.base}${path}`);
  return opened;
}

const first = (page: Page) => page.locator('main tbody tr a').first();
const scrollY = (page: Page) => page.evaluate<number>('scrollY');

test(`scrolls through ${WALKED} of ${EVENTS} events while more arrive: none twice, none left out, no gap`, async t => {
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } }, web: { requestsPerMinute: 100_000 } });
  const ids = await fill(hub, EVENTS);
  const bob = await hub.loggedIn('user', 'bob');
  const opened = await open(t, hub, '/admin/events?type=upload.*');
  if (!opened) return;
  const { page, offences } = opened;
  await first(page).waitFor();
  let arrived = 0;
  const arrive = async (step: number) => {
    if (step > 0 && step % 25 === 0) await bob.raw('PUT', `/files/content?path=/arrived-${arrived++}`, { body: '1' });
  };
  const { blank, indexes, ids: seen } = await walk(page, WALKED, arrive);
  t.deepEqual(
    indexes,
    indexes.map((_, index) => index),
  );
  t.deepEqual(seen, ids.slice(0, seen.length));
  t.is(blank, 0);
  t.true((await page.locator('main tbody tr').count()) < 120, 'the document stays small');
  t.true(arrived > 3);
  const news = page.getByRole('button', { name: `${arrived} new events` });
  await news.waitFor();
  const [before, shown] = [await scrollY(page), await page.evaluate<Look>(LOOK)];
  t.true(before > 280_000);
  t.deepEqual(await page.evaluate<Look>(LOOK), shown);
  await news.click();
  await until('the top', async () => (await scrollY(page)) === 0);
  await page.getByText('/arrived-0').waitFor();
  t.deepEqual(
    (await page.evaluate<Look>(LOOK)).rows.slice(arrived, arrived + 10).map(({ id }) => id),
    ids.slice(0, 10),
  );
  t.deepEqual(offences, []);
});

test('who comes back from an event finds the list as it was left, by the browser and by the page', async t => {
  const hub = await startWeb(t);
  await fill(hub, 3_000);
  const opened = await open(t, hub, '/admin/events?type=upload.completed');
  if (!opened) return;
  const { page } = opened;
  await first(page).waitFor();
  await walk(page, 900);
  for (const back of [() => page.goBack(), () => page.getByRole('link', { name: 'Events', exact: true }).last().click()]) {
    const place = await scrollY(page);
    const row = page.locator('main tbody tr a').nth(20);
    const href = await row.getAttribute('href');
    const top = (await row.boundingBox())!.y;
    await row.click();
    await page.getByRole('heading', { name: 'upload.completed' }).waitFor();
    t.is(await scrollY(page), 0);
    await back();
    const again = page.locator(`main tbody tr a[href="${href}"]`);
    await again.waitFor();
    t.true(page.url().endsWith('/admin/events?type=upload.completed'));
    t.true(place > 20_000);
    t.true(Math.abs((await again.boundingBox())!.y - top) <= 2, `${(await again.boundingBox())!.y} for ${top}`);
  }
});

test('what happens appears at the top by itself, and the filters hold for it', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  const opened = await open(t, hub, '/admin/events?type=upload.completed');
  if (!opened) return;
  const { page } = opened;
  await page.getByText('Nothing matches').waitFor();
  const alice = await hub.loggedIn('user', 'alice');
  for (const name of ['one', 'two']) {
    await alice.raw('PUT', `/files/content?path=/${name}`, { body: '1' });
    await page.getByText(`/${name}`).waitFor();
  }
  t.is(await page.locator('main tbody tr').count(), 2);
  await page.getByText('All 2 are shown.').waitFor();
});

for (const [width, scheme] of [
  [1440, 'dark'],
  [390, 'light'],
] as const) {
  test(`is read by keyboard and by those who do not see it, ${width} wide, ${scheme}`, async t => {
    const hub = await startWeb(t);
    await fill(hub, 2_000);
    const opened = await open(t, hub, '/admin/events', { width, height: 900 });
    if (!opened) return;
    const { page, offences } = opened;
    await page.emulateMedia({ colorScheme: scheme });
    await first(page).waitFor();
    t.regex((await page.getByRole('table').getAttribute('aria-rowcount'))!, /^20\d\d$/);
    await first(page).focus();
    for (let step = 0; step < 60; step++) {
      // A press that comes before the next row is drawn scrolls the page.
      await page.waitForFunction("document.activeElement.closest('tr')?.nextElementSibling");
      await page.keyboard.press('ArrowDown');
    }
    const focused = () => page.evaluate<string>("document.activeElement.closest('tr')?.getAttribute('aria-rowindex')");
    t.is(await focused(), '62');
    t.true(
      await page.evaluate<boolean>(
        'document.activeElement.getBoundingClientRect().top > 52 && document.activeElement.getBoundingClientRect().bottom < innerHeight',
      ),
    );
    await page.keyboard.press('ArrowUp');
    t.is(await focused(), '61');
    const before = await scrollY(page);
    await page.keyboard.press('PageDown');
    await until('the next screen', async () => (await scrollY(page)) > before + 400);
    await settled(page);
    t.deepEqual(await seriousFlaws(page), []);
    for (let press = 0; press < 40 && !(await page.getByText(/^All 2,0\d\d are shown/).count()); press++) {
      await page.keyboard.press('End');
      await page.evaluate('new Promise(done => setTimeout(done, 100))');
    }
    await page.keyboard.press('End');
    await page.getByText(/^All 2,0\d\d are shown/).waitFor();
    t.is((await page.evaluate<Look>(LOOK)).blank, 0);
    t.is(await page.evaluate<number>('document.documentElement.scrollWidth'), width);
    await page.keyboard.press('Home');
    await until('the top', async () => (await scrollY(page)) === 0);
    t.deepEqual(offences, []);
    await page.context().close();
  });
}

test('a search goes on below what is counted', async t => {
  const hub = await startWeb(t);
  const ids = await fill(hub, 9);
  const events = hub.hub.get(EventRepository);
  const seen: string[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await events.page({ text: 'a file' }, cursor, 2, { countLimit: 3 });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  }
  t.deepEqual(seen, ids);
});
