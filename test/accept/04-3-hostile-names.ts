import assert from 'node:assert/strict';
import { loggedInContext, settled, watchedPage } from '../support/browser.js';
import { addUser, type BrowsedHub, OWNER, setUp, startBrowsedHub } from '../support/web-hub.js';
import { ApiClient } from '../web/support.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'a long password';
const SCRIPTS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "'-alert(1)-'",
  'javascript:alert(1)',
  '{{constructor.constructor("alert(1)")()}}',
  '$'.concat('{alert(1)}'),
  '<iframe srcdoc="<script>alert(1)</script>">',
  '<a href="javascript:alert(1)">x</a>',
  '<style>*{display:none}</style>',
  '<base href=//example.org>',
  '<form action=//example.org><button>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '<!--<script>alert(1)//-->',
  ']]><script>alert(1)</script>',
  '=HYPERLINK("//example.org")',
  '+SUM(1)',
  '@x',
  '%3Cscript%3Ealert(1)%3C%2Fscript%3E',
  '__proto__',
  'constructor',
  'toString',
  '\u202eexe.txt',
  '\u2066abc\u2069',
  '\u200b',
  'ﷺ'.repeat(20),
  'a\u0301\u0301\u0301\u0301',
  '🏴‍☠️',
  'مرحبا',
  'x'.repeat(200),
] as const;
/** Each as it is, and within another name. */
const NAMES = SCRIPTS.flatMap(name => [name, `a ${name} b`.slice(0, 200)]);
/** What a name of a file must not have. */
const asFile = (name: string) => name.replaceAll('/', '\u2215');

/** The cells of a CSV by RFC 4180. */
function rowsOf(csv: string): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    if (quoted === undefined && plain === '' && end === '') break;
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
  }
  return rows.filter(row => row.length > 0);
}

const script: AcceptScript = {
  id: '04.3',
  title: `${NAMES.length} hostile names for users, files, folders, storages and webhooks: no script runs, the content policy reports nothing`,
  async run(report) {
    let browsed: BrowsedHub | undefined;
    await report.check('a hub, an owner and a user', async () => {
      browsed = await startBrowsedHub();
      await setUp(browsed.page, browsed.setupLink);
      await addUser(browsed.page, browsed.base, 'alice', PASSWORD);
    });
    if (!browsed) return;
    const { page, base, browser, offences } = browsed;
    const owner = new ApiClient(base);
    const alice = new ApiClient(base);
    await report.check('the names are taken or refused, never a failure of the hub', async () => {
      await owner.post('/session', { scope: 'admin', username: OWNER.name, password: OWNER.password });
      await alice.post('/session', { scope: 'user', username: 'alice', password: PASSWORD });
      const statuses = new Map<number, number>();
      const count = ({ status }: { readonly status: number }) => statuses.set(status, (statuses.get(status) ?? 0) + 1);
      for (const name of NAMES) {
        count(await owner.post('/users', { username: name, password: PASSWORD, description: name }));
        count(await owner.post('/storages', { name, kind: 'memory' }));
        count(
          await owner.post('/webhooks', {
            url: `https://example.com/${name}`,
            name,
            events: ['upload.failed'],
            paths: [`/${name}`],
            users: [name],
          }),
        );
        count(await owner.post('/address-rules', { range: `203.0.113.${NAMES.indexOf(name)}`, action: 'deny', comment: name }));
        count(await owner.post('/api-keys', { name: name.slice(0, 100), scope: 'read' }));
        count(await owner.post('/session', { scope: 'user', username: name, password: 'wrong' }).then(() => ({ status: 401 })));
        count(await alice.post('/files/directories', { path: `/d ${asFile(name)}`.slice(0, 200) }));
        count(await alice.raw('PUT', `/files/content?path=${encodeURIComponent(`/${asFile(name)}`)}`, { body: name }));
      }
      assert.deepEqual(
        [...statuses.keys()].filter(status => status >= 500),
        [],
      );
      return [...statuses]
        .sort()
        .map(([status, times]) => `${status} × ${times}`)
        .join(', ');
    });
    await report.check('no page of administrators runs any of it', async () => {
      const event = (await owner.get('/events?type=upload.completed')).body.items![0]!;
      const webhook = (await owner.get('/webhooks')).body.items![0]!;
      const paths = ['', '/users', '/users/alice', '/events', `/events/${event.id}`, '/webhooks', `/webhooks/${webhook.id}`];
      for (const path of [...paths, '/deliveries', '/storages', '/bans', '/api-keys', '/activity', '/users/new', '/settings']) {
        await page.goto(`${base}/admin${path}`);
        await settled(page);
      }
      assert.deepEqual(offences, []);
    });
    await report.check('exports hold the names, and no cell of them is a formula or breaks its line', async () => {
      const csv = await (await owner.raw('GET', '/events/export?format=csv')).text();
      const rows = rowsOf(csv);
      const width = rows[0]!.length;
      assert.ok(rows.length > NAMES.length, `${rows.length} rows`);
      for (const row of rows) {
        assert.equal(row.length, width, row.join(' | '));
        for (const text of row) assert.ok(!/^[=+\-@\t\r]/.test(text), text);
      }
      const jsonl = await (await owner.raw('GET', '/events/export?format=jsonl')).text();
      const lines = jsonl.trimEnd().split('\n');
      for (const line of lines) JSON.parse(line);
      const uploaded = new Set(lines.map(line => (JSON.parse(line) as { subject?: string }).subject));
      const kept = (await alice.get('/files?limit=1000')).body.items as unknown as readonly { name: string; type: string }[];
      const missing = kept.filter(({ name, type }) => type === 'file' && !uploaded.has(`/${name}`));
      assert.deepEqual(missing, []);
      await page.goto(`${base}/admin/audit`);
      await page.getByRole('button', { name: 'Export' }).click();
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: /CSV/ }).click()]);
      assert.equal(download.suggestedFilename(), 'events.csv');
      assert.deepEqual(offences, []);
      return `${rows.length - 1} rows, ${lines.length} lines`;
    });
    await report.check('no page of users runs any of it', async () => {
      const context = await loggedInContext(browser, base, 'user', alice.cookie!);
      const watched = await watchedPage(context, base);
      for (const path of ['/', `/files/${encodeURIComponent(`d ${asFile(NAMES[0]!)}`)}`, '/account']) {
        await watched.page.goto(base + path);
        await settled(watched.page);
      }
      assert.deepEqual(watched.offences, []);
    });
    await browsed.stop();
  },
};

export default script;
