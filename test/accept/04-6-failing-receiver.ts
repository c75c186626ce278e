import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { until } from '../support/children.js';
import { RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { addUser, addWebhookByPage, type BrowsedHub, setUp, startBrowsedHub } from '../support/web-hub.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'a long password';

const script: AcceptScript = {
  id: '04.6',
  title: 'a failing receiver: tries arrive live, redeliver ends green, a replay sends the same id',
  async run(report) {
    let mended = false;
    const receiver = await Receiver.listen(() => (mended ? 200 : 503));
    let browsed: BrowsedHub | undefined;
    await report.check('a hub, a user and a webhook, by the pages', async () => {
      browsed = await startBrowsedHub({ ENTREPOT_EVENTS__RETRY: '["1s","1s","1s"]' });
      const { page, base, setupLink } = browsed;
      await setUp(page, setupLink);
      await addUser(page, base, 'alice', PASSWORD);
      const { id, secret } = await addWebhookByPage(page, base, receiver.url);
      receiver.trust(secret);
      await page.goto(`${base}/admin/webhooks/${id}`);
    });
    if (!browsed) return;
    const { page, base, hub } = browsed;
    await report.check('the delivery and its tries arrive in the open page', async () => {
      await page.getByText('Nothing to deliver yet').waitFor();
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      await client.put('/report.csv', Buffer.from('a;b\n'));
      client.end();
      await page.getByRole('link', { name: 'upload.completed' }).first().click({ timeout: 5_000 });
      for (const number of [1, 2, 3, 4]) await page.getByText(`Try ${number}`, { exact: false }).first().waitFor({ timeout: 8_000 });
      await page.getByText('Failed', { exact: true }).first().waitFor({ timeout: 5_000 });
      const { id } = receiver.received[0]!;
      assert.equal(await page.getByText(`POST ${receiver.url}`).count(), 4);
      assert.equal(await page.getByText(`webhook-id: ${id}`).count(), 4);
    });
    await report.check('redelivered after it was mended, it ends green', async () => {
      mended = true;
      await page.getByRole('button', { name: 'Redeliver' }).click();
      await page.getByText('Delivered', { exact: true }).first().waitFor({ timeout: 5_000 });
    });
    await report.check('a replay of the event sends the same id', async () => {
      const before = receiver.received.length;
      await page.getByRole('link', { name: 'upload.completed' }).first().click();
      await page.getByRole('button', { name: 'Replay' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
      await until('the replay', () => receiver.received.length > before, 10_000);
      assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1);
      assert.ok(receiver.received.every(({ verified }) => verified));
    });
    await report.check('a replay of the last hour, counted before it is done, sends the same id', async () => {
      await page.goto(`${base}/admin/events?type=upload.completed&range=hour`);
      await replayThese(page, receiver);
    });
    await report.check('between two times: nothing before it, and a replay around it sends the same id', async () => {
      await page.goto(`${base}/admin/events?type=upload.completed`);
      await page.getByRole('combobox', { name: 'When' }).click();
      await page.getByRole('option', { name: 'Between' }).click();
      await page.getByLabel('From').fill(localTime(-120));
      await page.getByLabel('Until').fill(localTime(-60));
      await page.getByText('Nothing matches').waitFor({ timeout: 5_000 });
      await page.getByLabel('Until').fill(localTime(2));
      await page.reload();
      await replayThese(page, receiver);
    });
    await report.check('all that failed within the last hour is sent again at once', async () => {
      mended = false;
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      await client.put('/second.csv', Buffer.from('a;b\n'));
      client.end();
      await page.goto(`${base}/admin/deliveries?range=hour`);
      const button = page.getByRole('button', { name: 'Redeliver 1 failed' });
      await button.waitFor({ timeout: 15_000 });
      const before = receiver.received.length;
      mended = true;
      await button.click();
      await page.getByRole('dialog').getByRole('button', { name: 'Redeliver' }).click();
      await until('the delivery', () => receiver.received.length > before, 10_000);
      await button.waitFor({ state: 'detached', timeout: 5_000 });
      assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 2);
    });
    await report.check('no page complained', () => assert.deepEqual(browsed!.offences, [], base));
    await browsed.stop();
    await receiver.close();
  },
};

/** Replays what the page lists: one event, to one receiver, which then has it once more. */
async function replayThese(page: Page, receiver: Receiver): Promise<void> {
  const before = receiver.received.length;
  await page.getByRole('button', { name: 'Replay these' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('That makes 1 delivery').waitFor();
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await until('the replay', () => receiver.received.length > before, 10_000);
  assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1);
}

/** So many minutes from now, as an input of date and time takes it. */
function localTime(minutes: number): string {
  const zoneMs = new Date().getTimezoneOffset() * 60_000;
  return new Date(Date.now() + minutes * 60_000 - zoneMs).toISOString().slice(0, 16);
}

export default script;
