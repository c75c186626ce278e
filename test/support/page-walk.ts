import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { ApiClient } from '../web/support.js';
import { loggedInContext, type Offence, seriousFlaws, settled, watchedPage } from './browser.js';
import { until } from './children.js';
import { REPOSITORY } from './hub-process.js';

const SCREENSHOTS = process.env.SCREENSHOTS ?? join(REPOSITORY, 'dist/screenshots');
/** A width of the window, in points, and a colour scheme. */
interface Look {
  readonly width: number;
  readonly scheme: 'light' | 'dark';
}

/** Both widths in both schemes, so that each step changes one of them. */
const LOOKS = [
  { width: 1440, scheme: 'light' },
  { width: 1440, scheme: 'dark' },
  { width: 390, scheme: 'dark' },
  { width: 390, scheme: 'light' },
] as const satisfies readonly Look[];
/** Each width and each scheme once. */
export const FEW_LOOKS: readonly Look[] = [LOOKS[0], LOOKS[2]];
const HEIGHT = 900;
/** Pages of a browser that are looked at at a time. */
const AT_ONCE = 2;
const OPENED = '[role=dialog], [role=menu]';
const HOSTILE = '<img src=x onerror=alert(1)>';

/** Something that opens over a page: what is clicked, one after the other; a key is pressed where it is one. */
export interface Dialog {
  readonly path: string;
  readonly opens: readonly (string | RegExp)[];
}

/** Who looks at which pages and dialogs. */
export interface Visit {
  readonly who?: { readonly scope: 'admin' | 'user'; readonly cookie: string };
  readonly paths: readonly string[];
  readonly dialogs?: readonly Dialog[];
  /** All four unless told. */
  readonly looks?: readonly Look[];
}

/** What there is to look at. */
export type Ids = Readonly<Record<'event' | 'delivery' | 'webhook', string>>;

/** Gives every page of a hub something to show. alice must be there with a password, and events.retry be '["1h"]'. */
export async function populate(owner: ApiClient, alice: ApiClient): Promise<Ids> {
  const webhook = await owner.post('/webhooks', { url: `${owner.base}/hooks/nobody`, events: ['upload.completed'] });
  await owner.post('/users', { username: 'bob', password: 'another password', description: HOSTILE });
  await owner.post('/storages', { name: 'archive', kind: 'memory' });
  await owner.post('/address-rules', { range: '203.0.113.0/24', action: 'deny', comment: HOSTILE });
  await owner.post('/api-keys', { name: HOSTILE, scope: 'read' });
  await owner.post('/admins', { username: 'viola', role: 'viewer' });
  await alice.post('/files/directories', { path: '/Angebote' });
  const path = '/a name that is rather long, so that it has to be cut somewhere, and <b>bold</b>.pdf'.replace('</b>', '');
  await alice.raw('PUT', `/files/content?path=${encodeURIComponent(path)}`, { body: 'content' });
  await alice.send('POST', '/session', { scope: 'user', username: 'alice', password: 'wrong' }, { cookie: '' });
  const delivery = await until('the delivery has failed', async () => {
    const found = (await owner.get('/deliveries')).body.items?.[0];
    return found && Number(found.attempts) > 0 ? found : undefined;
  });
  return { webhook: String(webhook.body.webhook!.id), delivery: String(delivery.id), event: String(delivery.eventId) };
}

/** Every page of administrators. */
export const adminPages = (ids: Ids): readonly string[] => [
  '/admin',
  '/admin/activity',
  '/admin/events',
  '/admin/events?range=2026-01-01T00:00Z/',
  `/admin/events/${ids.event}`,
  '/admin/targets',
  '/admin/webhooks',
  '/admin/webhooks/new',
  `/admin/webhooks/${ids.webhook}`,
  `/admin/webhooks/${ids.webhook}/edit`,
  '/admin/hooks',
  '/admin/deliveries',
  `/admin/deliveries/${ids.delivery}`,
  '/admin/extensions',
  '/admin/users',
  '/admin/users/new',
  '/admin/users/alice',
  '/admin/users/alice/rights',
  '/admin/users/alice/keys',
  '/admin/users/alice/connect',
  '/admin/admins',
  '/admin/api',
  '/admin/api-keys',
  '/admin/storages',
  '/admin/storages/new',
  '/admin/storages/data',
  '/admin/storages/archive',
  '/admin/bans',
  '/admin/audit',
  '/admin/doctor',
  '/admin/settings',
  '/admin/profile',
  '/admin/no-such-page',
];

/** Everything that opens over a page of administrators. */
export const adminDialogs = (ids: Ids): readonly Dialog[] => [
  { path: '/admin', opens: ['Control+k'] },
  { path: '/admin', opens: [/^Your account/] },
  { path: '/admin', opens: ['Appearance and language'] },
  { path: '/admin/activity', opens: ['Block address'] },
  { path: '/admin/activity', opens: ['End session'] },
  { path: '/admin/events', opens: ['Export'] },
  { path: `/admin/events/${ids.event}`, opens: ['Replay'] },
  { path: `/admin/webhooks/${ids.webhook}`, opens: ['More actions'] },
  { path: `/admin/webhooks/${ids.webhook}`, opens: ['More actions', /^New secret/] },
  { path: `/admin/webhooks/${ids.webhook}`, opens: ['More actions', 'Delete'] },
  { path: `/admin/deliveries/${ids.delivery}`, opens: ['Give up'] },
  { path: '/admin/users/new', opens: ['Find a folder'] },
  { path: '/admin/users/alice', opens: ['Find a folder'] },
  { path: '/admin/users/alice', opens: ['More actions'] },
  { path: '/admin/users/alice', opens: ['More actions', 'Disable'] },
  { path: '/admin/users/alice', opens: ['More actions', 'Delete'] },
  { path: '/admin/users', opens: ['Select all on this page', 'Disable'] },
  { path: '/admin/users', opens: ['Select all on this page', 'Delete'] },
  { path: '/admin/admins', opens: ['Add administrator'] },
  { path: '/admin/admins', opens: ['New password'] },
  { path: '/admin/admins', opens: ['Delete'] },
  { path: '/admin/api-keys', opens: ['Make a key'] },
  { path: '/admin/api-keys', opens: ['Revoke'] },
  { path: '/admin/storages/archive', opens: ['Remove'] },
  { path: '/admin/bans', opens: ['Remove'] },
];

export const CLIENT_PAGES: readonly string[] = ['/', '/files/Angebote', '/account'];
/** Everything that opens over a page of users. */
export const CLIENT_DIALOGS: readonly Dialog[] = [
  { path: '/', opens: ['New folder'] },
  { path: '/', opens: ['Actions for Angebote'] },
  { path: '/', opens: ['Actions for Angebote', /^Rename/] },
  { path: '/', opens: ['Actions for Angebote', /^Move/] },
  { path: '/', opens: ['Actions for Angebote', /^Details/] },
  { path: '/', opens: ['Actions for Angebote', /^Delete/] },
  { path: '/account', opens: ['Make a key'] },
];
export const OPEN_PAGES: readonly string[] = ['/admin/login', '/login', '/setup'];

/** Looks at each page and dialog, wide and narrow, light and dark; each is a picture in SCREENSHOTS. Gives what is wrong with any of them. */
export async function visit(
  browser: Browser,
  base: string,
  { who, paths, dialogs = [], looks = LOOKS }: Visit,
): Promise<readonly string[]> {
  await mkdir(SCREENSHOTS, { recursive: true });
  const context = who ? await loggedInContext(browser, base, who.scope, who.cookie) : await browser.newContext({ locale: 'en-GB' });
  const left: Dialog[] = [...paths.map(path => ({ path, opens: [] })), ...dialogs];
  const found: string[] = [];
  const look = async () => {
    const { page, offences } = await watchedPage(context, base);
    for (let next = left.shift(); next; next = left.shift()) {
      const name = `${who?.scope ?? 'open'}${next.path
        .replace(/[0-9a-f]{8}-[0-9a-f-]+/, 'id')
        .replace(/\?.*/, '-narrowed')
        .replaceAll('/', '-')}`;
      try {
        found.push(...(await inEveryLook(page, offences, { url: base + next.path, opens: next.opens, name, looks })));
      } catch (error) {
        found.push(`${name}: ${next.opens.join(' > ')}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  await context.close();
  return found;
}

async function inEveryLook(
  page: Page,
  offences: Offence[],
  { url, opens, name, looks }: Pick<Dialog, 'opens'> & { readonly url: string; readonly name: string; readonly looks: readonly Look[] },
): Promise<readonly string[]> {
  const found: string[] = [];
  await page.setViewportSize({ width: LOOKS[0].width, height: HEIGHT });
  await page.emulateMedia({ colorScheme: LOOKS[0].scheme });
  await page.goto(url);
  await settled(page);
  for (const step of opens) await openBy(page, step);
  for (const { width, scheme } of looks) {
    await page.setViewportSize({ width, height: HEIGHT });
    await page.emulateMedia({ colorScheme: scheme });
    await settled(page);
    const shown = [
      name,
      ...opens.map(step => (typeof step === 'string' ? step : step.source).replaceAll(/[^\w]+/g, '')),
      width,
      scheme,
    ].join('-');
    await page.screenshot({ path: join(SCREENSHOTS, `${shown}.png`), fullPage: opens.length === 0 });
    const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    if (wider > 0) found.push(`${shown}: ${wider} px wider than the window`);
    // The page below a dialog is looked at by itself.
    for (const flaw of await seriousFlaws(page, opens.length === 0 ? undefined : OPENED)) found.push(`${shown}: ${flaw}`);
    for (const { kind, text } of offences.splice(0)) found.push(`${shown}: ${kind}: ${text}`);
  }
  return found;
}

/** Opens what a name leads to, as who uses the pages does. */
async function openBy(page: Page, step: string | RegExp): Promise<void> {
  if (typeof step === 'string' && step.startsWith('Control+')) await page.keyboard.press(step);
  else {
    const exact = typeof step === 'string';
    const named = (role: 'button' | 'menuitem' | 'checkbox') => page.getByRole(role, { name: step, exact });
    await named('menuitem').or(named('button')).or(named('checkbox')).first().click();
  }
  if (step === 'Select all on this page') return;
  await page.locator(OPENED).filter({ visible: true }).last().waitFor();
}
