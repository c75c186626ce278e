import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import type { StoredRule } from '../db/rules.js';
import { about, HubError, toHubError } from '../errors.js';
import type { Rule } from '../events/rule.js';
import { EVENT_TYPES, type HubEvent } from '../events/types.js';
import { pathPatternProblem } from '../glob.js';
import { newWebhookSecret, uuidv7 } from '../ids.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';
import { noSuchUser } from './strangers.js';

const TEST_LIMIT_MS = 20_000;
const TEST_POLL_MS = 100;
const ROTATION_MS = 24 * 3_600_000;
const MAX_SHOWN = 100;
const MAX_URL_LENGTH = 2_048;

const concurrency = z.int().min(1).max(1_000);
const rate = z.string().regex(/^[1-9]\d{0,5}\/[sm]$/, "expected requests in a second or a minute, such as '10/s' or '30/m'");

const identified = z.strictObject({ id: z.string() });

/** A webhook as administrators see it: without its secret. */
export interface WebhookView {
  readonly id: string;
  readonly name: string;
  /** Rises with each change. */
  readonly version: number;
  readonly createdAt: number;
  /** Until when an earlier secret signs along, in ms since 1970. */
  readonly previousSecretUntil?: number;
  readonly url: string;
  readonly events: readonly string[];
  readonly paths: readonly string[];
  readonly users: readonly string[];
  readonly enabled: boolean;
  /** How many requests may be under way, and may begin in a second or a minute ('10/s', '30/m'), of all nodes together. */
  readonly concurrency?: number;
  readonly rate?: string;
}

/** What administrators do with webhooks: rules whose one action is of the type 'webhook'. */
export const webhookOperations = {
  /** Adds a webhook; its secret is given back this once. `warning` tells what keeps the hub from sending now. */
  'webhooks.add': operation(
    z.strictObject({
      url: z.string(),
      events: z.array(z.string()).min(1, 'expected at least one event'),
      paths: z.array(z.string()).default([]),
      users: z.array(z.string()).default([]),
      name: z.string().max(255).optional(),
      concurrency: concurrency.nullish(),
      rate: rate.nullish(),
    }),
    async (services, { url, events, paths, users, name, concurrency, rate }) => {
      const checked = await checkFields({ url, events, paths });
      const secret = newWebhookSecret();
      const wanted = {
        name: name || new URL(checked).host,
        enabled: true,
        events: [...new Set(events)],
        guards: [],
        conditions: { ...(paths.length && { paths }), ...(users.length && { users }) },
        actions: [{ type: 'webhook', options: { url: checked, secret, ...limitsOf({ concurrency, rate }) } }],
      };
      services.ruleTable.check(wanted);
      const rule = await services.rules.create(wanted);
      await services.ruleLoader.current();
      const warnings = [...(await strangers(services, users)), ...(await refusal(services, checked))];
      return { ...view(rule), secret, ...(warnings.length > 0 && { warning: warnings.join('; ') }) };
    },
  ),

  'webhooks.list': operation(z.strictObject({}), async services => {
    const counts = await services.deliveries.counts();
    return (await webhooks(services)).map(rule => ({
      ...view(rule),
      deliveries: Object.fromEntries(
        counts.filter(({ target }) => target.startsWith(`rule/${rule.id}/`)).map(({ state, count }) => [state, count]),
      ),
    }));
  }),

  'webhooks.show': operation(identified, async (services, { id }) => view(await find(services, id))),

  /** Sends a 'webhook.test' to this webhook alone and waits for its first try, 20 seconds at most. */
  'webhooks.test': operation(identified, async (services, { id }) => {
    const rule = await find(services, id);
    if (services.listeners.length === 0)
      throw new HubError('unavailable', 'No hub is running that could send; start it with `entrepot start`');
    const event = testEvent(services);
    await services.events.record({ event, user: undefined, path: undefined, targets: [`rule/${rule.id}/0`] });
    services.coordinator.broadcast('deliveries.waiting', {});
    return { event: event.id, ...(await firstTry(services, event.id)) };
  }),

  /** Changes what is given. Throws 'conflict' for a `version` that is not current. */
  'webhooks.set': operation(
    z.strictObject({
      id: z.string(),
      name: z.string().min(1).max(255).optional(),
      url: z.string().optional(),
      events: z.array(z.string()).min(1, 'expected at least one event').optional(),
      paths: z.array(z.string()).optional(),
      users: z.array(z.string()).optional(),
      enabled: z.boolean().optional(),
      concurrency: concurrency.nullish(),
      rate: rate.nullish(),
      version: z.int().optional(),
    }),
    async (services, { id, version, name, url, events, paths, users, enabled, concurrency, rate }) => {
      const rule = await find(services, id);
      const checked = await checkFields({ url: url ?? view(rule).url, events: events ?? rule.events, paths: paths ?? [] });
      const action = rule.actions[0]!;
      const { concurrency: concurrencyBefore, rate: rateBefore, ...others } = action.options;
      const limits = limitsOf({
        concurrency: concurrency === undefined ? concurrencyBefore : concurrency,
        rate: rate === undefined ? rateBefore : rate,
      });
      const conditions = {
        ...((paths ?? rule.conditions.paths)?.length && { paths: paths ?? rule.conditions.paths! }),
        ...((users ?? rule.conditions.users)?.length && { users: users ?? rule.conditions.users! }),
      };
      const changes = {
        ...(name !== undefined && { name }),
        ...(enabled !== undefined && { enabled }),
        ...(events && { events: [...new Set(events)] }),
        conditions,
        actions: [{ ...action, options: { ...others, ...limits, url: checked } }],
      };
      services.ruleTable.check({ ...rule, ...changes });
      const changed = await update(services, rule.id, changes, version);
      const warnings = [...(await strangers(services, users ?? [])), ...(await refusal(services, checked))];
      return { ...view(changed), ...(warnings.length > 0 && { warning: warnings.join('; ') }) };
    },
  ),

  'webhooks.enable': operation(identified, async (services, { id }) => change(services, id, { enabled: true })),
  'webhooks.disable': operation(identified, async (services, { id }) => change(services, id, { enabled: false })),

  /** Throws 'conflict' for a `version` that is not current. */
  'webhooks.remove': operation(identified.extend({ version: z.int().optional() }), async (services, { id, version }) => {
    const rule = await find(services, id);
    await services.rules.delete(rule.id, version);
    await services.ruleLoader.current();
    return view(rule);
  }),

  /** Makes a new secret. The old one signs along for 24 hours, so that receivers can change over. */
  'webhooks.rotate-secret': operation(identified, async (services, { id }) => {
    const rule = await find(services, id);
    const action = rule.actions[0]!;
    const secret = newWebhookSecret();
    const previousSecretUntil = Date.now() + ROTATION_MS;
    const options = { ...action.options, secret, previousSecret: action.options.secret, previousSecretUntil };
    const changed = await update(services, rule.id, { actions: [{ ...action, options }] });
    return { ...view(changed), secret, previousSecretUntil };
  }),
};

async function webhooks({ rules }: OperationServices): Promise<readonly StoredRule[]> {
  return (await rules.list()).filter(rule => rule.actions.length === 1 && rule.actions[0]!.type === 'webhook');
}

/** By id, the start of one that is not shared, or the URL. */
async function find(services: OperationServices, id: string): Promise<StoredRule> {
  const all = await webhooks(services);
  const exact = all.find(rule => rule.id === id);
  if (exact) return exact;
  const matching = all.filter(rule => (id.length >= 4 && rule.id.startsWith(id)) || view(rule).url === id);
  if (matching.length === 1) return matching[0]!;
  if (matching.length > 1) throw new HubError('conflict', `Several webhooks match '${id}'; give the whole id`);
  throw new HubError('not-found', `There is no webhook '${id}'; \`entrepot webhook list\` shows them`);
}

async function change(services: OperationServices, id: string, changes: Partial<Pick<Rule, 'enabled'>>): Promise<WebhookView> {
  const rule = await find(services, id);
  return view(await update(services, rule.id, changes));
}

/** Changes a rule, and waits until the change is in effect. */
async function update(
  { rules, ruleLoader }: OperationServices,
  id: string,
  changes: Partial<Omit<Rule, 'id'>>,
  version?: number,
): Promise<StoredRule> {
  const changed = await rules.update(id, changes, version);
  await ruleLoader.current();
  return changed;
}

function view({ id, name, version, createdAt, events, enabled, conditions, actions }: StoredRule): WebhookView {
  const until = actions[0]?.options.previousSecretUntil;
  const previous = typeof until === 'number' && until > Date.now() && { previousSecretUntil: until };
  return {
    id,
    name,
    version,
    createdAt,
    ...previous,
    url: String(actions[0]?.options.url),
    events,
    paths: conditions.paths ?? [],
    users: conditions.users ?? [],
    enabled,
    ...limitsOf(actions[0]?.options ?? {}),
  };
}

/** Those that are set. */
function limitsOf(options: { readonly concurrency?: unknown; readonly rate?: unknown }): Pick<WebhookView, 'concurrency' | 'rate'> {
  return {
    ...(typeof options.concurrency === 'number' && { concurrency: options.concurrency }),
    ...(typeof options.rate === 'string' && { rate: options.rate }),
  };
}

/** The URL as it is kept. Throws 'invalid-request' that names the field. */
async function checkFields(fields: { url: string; events: readonly string[]; paths: readonly string[] }): Promise<string> {
  const url = await about('url', () => checkUrl(fields.url));
  for (const [index, event] of fields.events.entries()) await about(`events.${index}`, () => checkEvent(event));
  for (const [index, path] of fields.paths.entries()) await about(`paths.${index}`, () => checkPath(path));
  return url;
}

/** The URL as it is kept. Throws 'invalid-request'. */
export function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new HubError('invalid-request', `Expected a URL that starts with http:// or https://, got '${text}'`);
  if (url.username || url.password) throw new HubError('invalid-request', 'The URL must not carry a user name or a password');
  if (url.href.length > MAX_URL_LENGTH) throw new HubError('invalid-request', `The URL is longer than ${MAX_URL_LENGTH} characters`);
  return url.href;
}

function checkEvent(event: string): void {
  const families = [...new Set(EVENT_TYPES.map(type => `${type.slice(0, type.indexOf('.'))}.*`))];
  const known = ['*', ...EVENT_TYPES, ...families];
  if (known.includes(event)) return;
  throw new HubError(
    'invalid-request',
    `There is no event '${event}'${didYouMean(event, known) || `; there are ${EVENT_TYPES.join(', ')}, families such as 'upload.*', and '*'`}`,
  );
}

function checkPath(path: string): void {
  const problem = pathPatternProblem(path);
  if (problem !== undefined) throw new HubError('invalid-request', `'${path.slice(0, MAX_SHOWN)}' can match no file: ${problem}`);
}

/** They may be added later, or come from a directory. */
async function strangers(services: OperationServices, users: readonly string[]): Promise<readonly string[]> {
  const told: string[] = [];
  for (const name of users) {
    if (!(await services.users.findByUsername(name))) told.push(await noSuchUser(services, name));
  }
  return told;
}

async function refusal({ outbound }: OperationServices, url: string): Promise<readonly string[]> {
  try {
    await outbound.check(url);
    return [];
  } catch (error) {
    return [toHubError(error).message];
  }
}

/** An event that says that it is a test. */
export function testEvent({ config }: OperationServices): HubEvent<'webhook.test'> {
  return {
    specversion: '1.0',
    id: uuidv7(),
    type: 'webhook.test',
    source: `entrepot/${config.node}`,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { message: 'A test by an administrator' },
  };
}

/** How the first try of the event's delivery went. */
async function firstTry({ deliveries }: OperationServices, eventId: string) {
  for (let waitedMs = 0; waitedMs < TEST_LIMIT_MS; waitedMs += TEST_POLL_MS) {
    await new Promise(resolve => setTimeout(resolve, TEST_POLL_MS));
    const delivery = (await deliveries.page({ eventId }, undefined, 1)).items[0];
    const [attempt] = delivery ? await deliveries.attempts(delivery.id) : [];
    if (delivery && attempt)
      return {
        delivery: delivery.id,
        ok: attempt.succeeded,
        summary: attempt.summary,
        answer: attempt.answer,
        durationMs: attempt.durationMs,
      };
  }
  return { ok: false, summary: `No answer within ${TEST_LIMIT_MS / 1_000} s; \`entrepot deliveries list\` shows how it goes on` };
}
