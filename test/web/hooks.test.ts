import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { chromiumOr, loggedInContext, watchedPage } from '../support/browser.js';
import { until } from '../support/children.js';
import { startWeb } from './support.js';

test('the page of hooks names the folder that they are in, shows one that is dropped, and says when they are off', async t => {
  const browser = await chromiumOr(t);
  if (!browser) return;
  for (const enabled of [true, false]) {
    const hub = await startWeb(t, { values: { extensions: { script: { directory: 'elsewhere', enabled } } } });
    const ada = await hub.loggedIn('admin', 'ada');
    const { page } = await watchedPage(await loggedInContext(browser, hub.base, 'admin', ada.cookie!), hub.base);
    await page.goto(`${hub.base}/admin/hooks`);
    const folder = join(hub.dataDirectory, 'elsewhere');
    await page.getByText(`${folder}/upload.completed.sh`).first().waitFor();
    const off = page.getByText('Hooks are switched off');
    if (!enabled) {
      await off.waitFor();
      continue;
    }
    t.is(await off.count(), 0);
    const file = join(folder, 'upload.completed.sh');
    await until('the folder is there', () =>
      writeFile(file, '#!/bin/sh\n').then(
        () => true,
        () => false,
      ),
    );
    await chmod(file, 0o700);
    await page.getByRole('table').getByText('In use').waitFor();
    await writeFile(join(folder, 'login.failed.sh'), '#!/bin/sh\n', { mode: 0o600 });
    await page.getByRole('table').getByText('is not executable').waitFor();
  }
});
