import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import {
  adminDialogs,
  adminPages,
  CLIENT_DIALOGS,
  CLIENT_PAGES,
  FEW_LOOKS,
  OPEN_PAGES,
  populate,
  type Visit,
  visit,
} from '../support/page-walk.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { type BrowsedHub, OWNER, setUp, startBrowsedHub } from '../support/web-hub.js';
import { logIn } from '../support/web-process.js';
import type { AcceptScript, Scale } from './script.js';

const MAX_STEPS = 80;
const PASSWORD = 'a long password';

/** Goes on by the tabulator until the focus is on something of this name, as who has no mouse does. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let step = 0; step < MAX_STEPS; step += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<string>(
      "(one => [one?.getAttribute('aria-label'), one?.labels?.[0]?.innerText, one?.innerText].filter(Boolean).join(' '))(document.activeElement)",
    );
    seen.push(focused);
    if (name.test(focused)) return;
  }
  throw new Error(`the tabulator does not reach ${name}; it reached ${[...new Set(seen)].join(', ')}`);
}

const SOUND = 'no console error, no report of the content policy, nothing serious by axe, nothing wider than the window';

async function soundVisits({ browser, base }: BrowsedHub, ...visits: readonly Visit[]): Promise<string> {
  const found: string[] = [];
  for (const one of visits) found.push(...(await visit(browser, base, one)));
  assert.deepEqual(found, []);
  const count = (list: (one: Visit) => readonly unknown[] | undefined) => visits.reduce((sum, one) => sum + (list(one)?.length ?? 0), 0);
  return `${count(({ paths }) => paths)} pages and ${count(({ dialogs }) => dialogs)} dialogs, ${visits[0]?.looks?.length ?? 4} looks each`;
}

/** alice is there. */
async function everyPage(browsed: BrowsedHub, scale: Scale): Promise<string> {
  const owner = await logIn(browsed.base, 'admin', OWNER.name, OWNER.password);
  const alice = await logIn(browsed.base, 'user', 'alice', PASSWORD);
  const ids = await populate(owner, alice);
  const admins = { who: { scope: 'admin', cookie: owner.cookie! }, paths: adminPages(ids), dialogs: adminDialogs(ids) } as const;
  const users = { who: { scope: 'user', cookie: alice.cookie! }, paths: CLIENT_PAGES, dialogs: CLIENT_DIALOGS } as const;
  const looks = scale === 'short' && { looks: FEW_LOOKS };
  return soundVisits(browsed, { ...users, ...looks }, { ...admins, ...looks });
}

const script: AcceptScript = {
  id: '04.2',
  title: 'every page is sound in both colour schemes and widths; users, webhooks and redelivery by keyboard only',
  async run(report, scale) {
    const receiver = await Receiver.listen(() => 503);
    let browsed: BrowsedHub | undefined;
    await report.check('a hub without an owner', async () => {
      browsed = await startBrowsedHub({ ENTREPOT_EVENTS__RETRY: '["1h"]' });
    });
    if (!browsed) return;
    const { page, base, hub, setupLink } = browsed;
    await report.check(`${SOUND}: set-up and login`, () => soundVisits(browsed!, { paths: OPEN_PAGES }));
    await report.check('the set-up link makes the owner', () => setUp(page, setupLink));
    await report.check('a user is added by keyboard only', async () => {
      await page.goto(`${base}/admin/users`);
      await page.getByText('No users yet').waitFor();
      await tabTo(page, /^Add user/);
      await page.keyboard.press('Enter');
      await page.getByLabel('Name').waitFor();
      await page.keyboard.type('alice');
      await tabTo(page, /^Password/);
      await tabTo(page, /^Password/);
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/users\/alice\/connect$/);
    });
    await report.check('a webhook is added by keyboard only, found by the palette', async () => {
      await page.keyboard.press('Control+k');
      await page.locator('input[placeholder^="Go to a page"]:focus').waitFor();
      await page.keyboard.type('add webhook');
      await page.getByRole('button', { name: 'Add webhook' }).waitFor();
      await page.locator('[data-selected]').waitFor();
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/webhooks\/new$/);
      await tabTo(page, /^Address/);
      await page.keyboard.type(receiver.url);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'The webhook is there' }).waitFor();
    });
    await report.check('a delivery is sent again by keyboard only', async () => {
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      await client.put('/report.csv', Buffer.from('a;b\n'));
      client.end();
      await page.goto(`${base}/admin/deliveries`);
      await page.getByRole('cell', { name: 'Waiting' }).first().waitFor();
      await tabTo(page, /^upload\.completed/);
      await page.keyboard.press('Enter');
      await page.getByText('Try 1').first().waitFor();
      await tabTo(page, /^Redeliver/);
      await page.keyboard.press('Enter');
      await page.getByText('Try 2').first().waitFor({ timeout: 5_000 });
    });
    await report.check(`${SOUND}: pages and dialogs of administrators and users`, () => everyPage(browsed!, scale));
    await report.check('no page complained', () => assert.deepEqual(browsed!.offences, []));
    await browsed.stop();
    await receiver.close();
  },
};

export default script;
