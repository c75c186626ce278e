import 'reflect-metadata';
import test from 'ava';
import type { InjectionToken } from 'tsyringe';
import { Database } from '#core/db/database.js';
import { chromiumOr, loggedInContext, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { idOf, pastEvent } from '../support/past-events.js';
import { startWeb } from './support.js';

const LIMIT = 10_000;
const BATCH = 500;

test('a webhook that was added later gets an event of before, by the page of the event', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { events: { retry: ['1h'] } } });
  const [ada, alice] = [await hub.loggedIn('admin', 'ada'), await hub.loggedIn('user', 'alice')];
  await alice.raw('PUT', '/files/content?path=/report.csv', { body: '1' });
  const { id } = await hub.event('upload.completed');
  const { page, offences } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
  await page.goto(`${hub.base}/admin/events/${id}`);
  await page.getByRole('button', { name: 'Replay' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Add a webhook').waitFor();
  await page.keyboard.press('Escape');
  await ada.post('/webhooks', { url: 'http://127.0.0.1:1/wants', events: ['upload.*'] });
  await ada.post('/webhooks', { url: 'http://127.0.0.1:1/other', events: ['login.*'] });
  await page.reload();
  await page.getByRole('button', { name: 'Replay' }).click();
  const [wants, other] = ['wants', 'other'].map(name => dialog.getByRole('checkbox', { name: `127.0.0.1:1/${name}` }));
  await wants!.waitFor();
  t.deepEqual([await wants!.isChecked(), await other!.isChecked()], [true, false]);
  await dialog.getByText('That makes 1 delivery').waitFor();
  await other!.click();
  await dialog.getByText('That makes 2 deliveries').waitFor();
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await dialog.waitFor({ state: 'detached' });
  t.is((await ada.get(`/deliveries?event=${id}`)).body.total as unknown, 2);
  await page.getByRole('main').getByRole('link', { name: '127.0.0.1:1/other' }).waitFor();
  t.deepEqual(offences, []);
});

test('a range of more than one call goes on after the last event, each of them once', async t => {
  const hub = await startWeb(t, { values: { events: { retry: ['1h'] } } });
  const ada = await hub.loggedIn('admin', 'ada');
  // All of one moment: to go on by time would never end.
  const time = Date.now() - 3_600_000;
  const rows = Array.from({ length: LIMIT + 7 }, (_, i) => {
    const [id, type, path] = [idOf(time, i), 'upload.completed', `/${i}`];
    const event = pastEvent({ id, type, user: 'bob', time, path, data: { size: 1 } });
    return { id, type, username: 'bob', path, time, state: 'ready', event };
  });
  const { knex } = hub.hub.get(Database as InjectionToken<Database>);
  for (let at = 0; at < rows.length; at += BATCH) await knex('events').insert(rows.slice(at, at + BATCH));
  await ada.post('/webhooks', { url: 'http://127.0.0.1:1/hook', events: ['upload.*'] });
  const send = (body: object) => ada.post('/events/replay', { since: time, dryRun: true, ...body });
  const first = (await send({})).body;
  t.is(Number(first.events), LIMIT);
  const second = (await send({ after: first.last })).body;
  t.is(Number(second.events), 7);
  t.is(second.last, undefined as never);
  t.is((await send({ targets: ['rule/nobody/0'] })).status, 404);
});

test('the pages go on with a range, and with failed deliveries, until nothing is left', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { events: { retry: ['1h'] } } });
  const [ada, alice] = [await hub.loggedIn('admin', 'ada'), await hub.loggedIn('user', 'alice')];
  await ada.post('/webhooks', { url: 'http://127.0.0.1:1/hook', events: ['upload.*'] });
  await alice.raw('PUT', '/files/content?path=/report.csv', { body: '1' });
  await hub.event('upload.completed');
  const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
  const asked: { after?: string; dryRun?: boolean }[] = [];
  await page.route('**/api/v1/events/replay', async route => {
    const body = route.request().postDataJSON() as { after?: string; dryRun?: boolean };
    asked.push(body);
    const more = body.after === undefined;
    await route.fulfill({ json: { events: more ? LIMIT : 5, deliveries: more ? LIMIT : 5, ...(more && { next: 1, last: 'an-id' }) } });
  });
  await page.goto(`${hub.base}/admin/events?type=upload.completed&range=hour`);
  await page.getByRole('button', { name: 'Replay these' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('more than 10,000 deliveries').waitFor();
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await page.getByText('10,005 deliveries are on their way').waitFor();
  t.deepEqual(
    asked.map(({ after, dryRun }) => [after, dryRun]),
    [
      [undefined, true],
      [undefined, undefined],
      ['an-id', undefined],
    ],
  );
  let calls = 0;
  await page.route('**/api/v1/deliveries?*state=dead*', route =>
    route.fulfill({ json: { items: [], total: 12_000, exact: true, limit: 1, offset: 0 } }),
  );
  await page.route('**/api/v1/deliveries/redeliver', route =>
    route.fulfill({ json: calls++ === 0 ? { deliveries: LIMIT, left: 2_000 } : { deliveries: 2_000, left: 0 } }),
  );
  await page.goto(`${hub.base}/admin/deliveries`);
  await page.getByRole('button', { name: 'Redeliver 12,000 failed' }).click();
  await dialog.getByRole('button', { name: 'Redeliver' }).click();
  await page.getByText('12,000 deliveries are on their way').waitFor();
  await until('all was asked', () => calls === 2);
  t.pass();
});
