import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import type { Page } from 'playwright-core';
import { type Offence, openBrowser, watchedPage } from '../support/browser.js';
import { temporaryFolder } from '../support/children.js';
import { codeOf, oldestCodeOf } from '../support/one-time-codes.js';
import { logIn, OWNER_PASSWORD, startWebProcess } from '../support/web-process.js';
import { runTests } from './run-tests.js';
import type { AcceptScript } from './script.js';

const CLIENT = { clientId: 'the-hub', clientSecret: 'the-secret' };
const PASSWORD = 'a long password';

/** A provider that others wrote; `trust` tells it where the hub is. */
async function listenProvider() {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const trust = (base: string) => {
    const client = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [`${base}/sso/company`] };
    server.on('request', new Provider(issuer, { clients: [client], cookies: { keys: ['a key'] } }).callback());
  };
  return { issuer, trust, close: () => server.close() };
}

/** By the button of the login, through the provider's own pages. */
async function signOnBy(page: Page, start: string, name: string): Promise<void> {
  await page.goto(start);
  await page.getByRole('link', { name: 'Log in by company' }).click();
  await page.locator('input[name=login]').fill(name);
  await page.locator('input[name=password]').fill('anything');
  await page.locator('button[type=submit], input[type=submit]').first().click();
  // Asked the first time only, whether the hub may know who it is.
  const agree = page.getByRole('button', { name: 'Continue' });
  await agree
    .or(page.getByRole('heading', { name: /files|Overview/ }))
    .or(page.getByText('did not work'))
    .first()
    .waitFor();
  if (await agree.isVisible()) await agree.click();
}

/** What a page of the hub did; the provider's pages are not ours. */
const ours = (offences: readonly Offence[], issuer: string) =>
  offences.filter(({ text }) => !text.includes(issuer) && !/fonts\.g/.test(text));

/** Switches the second factor on, and gives its secret. */
async function switchOn(page: Page, password: string): Promise<{ readonly secret: string; readonly recovery: readonly string[] }> {
  const setUp = page.getByRole('button', { name: 'Set up' });
  await page.locator('form').filter({ has: setUp }).getByLabel('Present password').fill(password);
  await setUp.click();
  await page.getByRole('img', { name: /QR code/ }).waitFor();
  const secret = await page
    .locator('code')
    .filter({ hasText: /^[A-Z2-7]{16,}$/ })
    .first()
    .innerText();
  await page.getByLabel('One-time code').fill(await oldestCodeOf(secret));
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByText('10 recovery codes left').waitFor();
  const codes = await page.locator('pre').filter({ hasText: '-' }).first().innerText();
  return { secret, recovery: codes.trim().split('\n') };
}

/** Name and password, then the code: which is asked for only then. */
async function logInByCode(page: Page, start: string, name: string, password: string, code: string): Promise<void> {
  await page.goto(start);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByLabel('One-time code').fill(code);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

const script: AcceptScript = {
  id: '04.7',
  title: 'single sign-on by a local provider, forged answers refused; one-time codes on the web, SFTP and FTP, each good once',
  async run(report) {
    await report.check('single sign-on: a provider of ours that lies, and one that others wrote', () => runTests('web/sso.test.js'));
    await report.check('one-time codes', () => runTests('web/second-factor.test.js'));
    const provider = await listenProvider();
    const configFile = join(await temporaryFolder('config'), 'config.yaml');
    const company = { issuer: provider.issuer, ...CLIENT, match: 'username', usernameClaim: 'sub', scopes: ['openid'] };
    await writeFile(configFile, JSON.stringify({ protocols: { web: { sso: { company } } } }), { mode: 0o600 });
    const { hub, base } = await startWebProcess({ configFile });
    provider.trust(base);
    const owner = await logIn(base, 'admin', 'ada', OWNER_PASSWORD);
    await owner.post('/users', { username: 'alice', password: PASSWORD });
    const browser = await openBrowser();
    const newPage = async () => {
      const context = await browser.newContext({ locale: 'en-GB' });
      await context.route(
        url => url.hostname !== '127.0.0.1',
        route => route.fulfill({ body: '', contentType: 'text/css' }),
      );
      return watchedPage(context, base);
    };
    await report.check('in a browser, the button of the login leads to the provider, and from there to the files', async () => {
      const { page, offences } = await newPage();
      await signOnBy(page, `${base}/login`, 'alice');
      await page.getByRole('button', { name: 'New folder' }).waitFor();
      assert.deepEqual(ours(offences, provider.issuer), []);
      await page.reload();
      await page.getByRole('button', { name: 'New folder' }).waitFor();
    });
    await report.check('in a browser, whom the hub does not know is told so on the login', async () => {
      const { page } = await newPage();
      await signOnBy(page, `${base}/login`, 'mallory');
      await page.getByText('did not work (authentication-failed)').waitFor();
    });
    await report.check(
      'in a browser, a user switches a second factor on, logs in by it and by a recovery code, and switches it off',
      async () => {
        const { page, offences } = await newPage();
        await page.goto(`${base}/login`);
        await page.getByLabel('Name').fill('alice');
        await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
        await page.getByRole('button', { name: 'Log in', exact: true }).click();
        await page.getByRole('button', { name: 'New folder' }).waitFor();
        await page.goto(`${base}/account`);
        const { secret, recovery } = await switchOn(page, PASSWORD);
        assert.equal(recovery.length, 10);
        const again = await newPage();
        await logInByCode(again.page, `${base}/login`, 'alice', PASSWORD, codeOf(secret));
        await again.page.getByRole('button', { name: 'New folder' }).waitFor();
        const third = await newPage();
        await logInByCode(third.page, `${base}/login`, 'alice', PASSWORD, recovery[0]!);
        await third.page.getByRole('button', { name: 'New folder' }).waitFor();
        await third.page.goto(`${base}/account`);
        await third.page.getByText('9 recovery codes left').waitFor();
        await third.page.getByRole('button', { name: 'Switch off' }).click();
        await third.page.getByLabel('Present password').last().fill(PASSWORD);
        await third.page.getByLabel('One-time code').fill(recovery[1]!);
        await third.page.getByRole('button', { name: 'Switch off' }).click();
        await third.page.getByRole('button', { name: 'Set up' }).waitFor();
        assert.deepEqual(ours(offences, provider.issuer), []);
      },
    );
    await report.check('in a browser, an admin logs in by a second factor; a used code is refused in words', async () => {
      const { page } = await newPage();
      await page.goto(`${base}/admin`);
      await page.getByLabel('Name').fill('ada');
      await page.getByLabel('Password', { exact: true }).fill(OWNER_PASSWORD);
      await page.getByRole('button', { name: 'Log in', exact: true }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await page.goto(`${base}/admin/profile`);
      const { secret } = await switchOn(page, OWNER_PASSWORD);
      const code = codeOf(secret);
      const again = await newPage();
      await logInByCode(again.page, `${base}/admin`, 'ada', OWNER_PASSWORD, code);
      await again.page.getByRole('heading', { name: 'Overview' }).waitFor();
      const third = await newPage();
      await logInByCode(third.page, `${base}/admin`, 'ada', OWNER_PASSWORD, code);
      await third.page.getByRole('alert').first().waitFor();
    });
    await browser.close();
    await hub.stop();
    provider.close();
  },
};

export default script;
