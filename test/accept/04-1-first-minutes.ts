import assert from 'node:assert/strict';
import ssh2 from 'ssh2';
import { liveMark } from '../support/browser.js';
import { until } from '../support/children.js';
import { dropHook } from '../support/events.js';
import { OPEN, RawSftp } from '../support/raw-sftp.js';
import { Receiver } from '../support/receiver.js';
import { addUser, type BrowsedHub, setUp, startBrowsedHub } from '../support/web-hub.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'a long password';
const LIVE_MS = 1_000;

const script: AcceptScript = {
  id: '04.1',
  title: 'the first ten minutes, from the set-up link to a verified webhook and a dropped hook',
  async run(report) {
    let browsed: BrowsedHub | undefined;
    await report.check('the set-up link leads to an owner and the first steps', async () => {
      browsed = await startBrowsedHub();
      await setUp(browsed.page, browsed.setupLink);
      await browsed.page.getByText('4 are left').waitFor();
    });
    if (!browsed) return;
    const { page, base, hub, offences } = browsed;
    const receiver = await Receiver.listen();
    await report.check('a user is added with a name and a password', () => addUser(page, base, 'alice', PASSWORD));
    await report.check('a wrong password is told with what mends it, a right one turns the page green, each within a second', async () => {
      await page.getByText('Waiting for the first connection').waitFor();
      await RawSftp.connect({ port: hub.port, user: 'alice', password: 'wrong' }).then(
        () => assert.fail('a wrong password was taken'),
        () => undefined,
      );
      await page.getByText('A login failed').waitFor({ timeout: LIVE_MS });
      await page.getByRole('link', { name: 'Set a new password' }).waitFor();
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      const began = performance.now();
      await page.getByText('Connected', { exact: true }).waitFor({ timeout: LIVE_MS });
      client.end();
      return `green after ${Math.round(performance.now() - began)} ms`;
    });
    await report.check("what of the user's settings kept a client out is mended by a button", async () => {
      const log = () => RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      const set = (change: object) =>
        page.evaluate(
          `fetch('/api/v1/users/alice', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '${JSON.stringify(change)}' }).then(({ status }) => status)`,
        );
      for (const [change, name] of [
        [{ protocols: ['ftp'] }, 'Allow SFTP'],
        [{ addresses: ['192.0.2.1'] }, 'Allow 127.0.0.1'],
        [{ status: 'disabled' }, 'Enable'],
      ] as const) {
        assert.equal(await set(change), 200);
        await page.reload();
        await liveMark(page, 'Live').waitFor();
        await log().then(
          () => assert.fail('alice was let in'),
          () => undefined,
        );
        await page.getByRole('button', { name, exact: true }).click({ timeout: 5_000 });
        await page.getByText('Saved').first().waitFor();
        (await log()).end();
        await page.getByText('Connected', { exact: true }).waitFor({ timeout: 5_000 });
      }
    });
    await report.check('a key that the hub does not know is named, and added by a button', async () => {
      const keys = ssh2.utils.generateKeyPairSync('ed25519');
      const log = () => RawSftp.connect({ port: hub.port, user: 'alice', privateKey: Buffer.from(keys.private) });
      await page.reload();
      await liveMark(page, 'Live').waitFor();
      await log().then(
        () => assert.fail('an unknown key was taken'),
        () => undefined,
      );
      await page.getByText('The key is not known: SHA256:').waitFor({ timeout: LIVE_MS });
      await page.getByRole('button', { name: 'Add this ssh-ed25519 key' }).click();
      await page.getByText('Saved').first().waitFor();
      (await log()).end();
      await page.getByText('Connected', { exact: true }).waitFor({ timeout: 5_000 });
    });
    await report.check('an upload that runs appears live within a second, and ends', async () => {
      await page.goto(`${base}/admin/activity`);
      await liveMark(page, 'Live').waitFor();
      await page.getByText('Nobody is connected').or(page.getByText('sessions are open')).first().waitFor();
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      const handle = await client.open('/slow.bin', OPEN.WRITE | OPEN.CREATE);
      const began = performance.now();
      await page.getByText('/slow.bin').first().waitFor({ timeout: LIVE_MS });
      const seenMs = performance.now() - began;
      await client.close(handle);
      await page.getByText('upload.completed').first().waitFor({ timeout: LIVE_MS });
      client.end();
      return `seen after ${Math.round(seenMs)} ms`;
    });
    await report.check('a webhook is tested before it is saved, and its secret verifies what comes', async () => {
      await page.goto(`${base}/admin/webhooks/new`);
      await page.getByLabel('Address').fill(receiver.url);
      await page.getByRole('button', { name: 'Send test' }).click();
      await page.getByText('HTTP 200').first().waitFor();
      await page.getByRole('button', { name: 'Add webhook' }).click();
      const secret = await page.locator('code').filter({ hasText: 'whsec_' }).first().innerText();
      receiver.trust(secret);
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      await client.put('/report.csv', Buffer.from('a;b\n'));
      client.end();
      await until('the event', () => receiver.received.some(({ body, verified }) => body.data.path === '/report.csv' && verified), 10_000);
    });
    await report.check('a hook that is dropped is shown, and runs', async () => {
      await dropHook(hub, 'upload.completed.sh', '#!/bin/sh\ntouch "$(dirname "$0")/../ran"\n');
      await until(
        'the hook is shown',
        async () => {
          await page.goto(`${base}/admin/hooks`);
          const shown = page.locator('table').getByText('In use').first();
          return shown.waitFor({ timeout: 2_000 }).then(
            () => true,
            () => false,
          );
        },
        20_000,
      );
      const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: PASSWORD });
      await client.put('/second.csv', Buffer.from('a;b\n'));
      client.end();
      await page.goto(`${base}/admin/deliveries`);
      await page.getByText('upload.completed.sh').first().waitFor({ timeout: 10_000 });
    });
    await report.check('nothing of the first steps is left, and no page complained', async () => {
      await page.goto(`${base}/admin`);
      await page.getByText('Open sessions').waitFor();
      assert.equal(await page.getByText('First steps').count(), 0);
      assert.deepEqual(offences, []);
    });
    await browsed.stop();
    await receiver.close();
  },
};

export default script;
