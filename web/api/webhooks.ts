import { z } from '#core/api.js';
import { OPERATIONS } from '#core/operations/index.js';
import type { WebhookView } from '#core/operations/webhooks.js';
import { Answer, defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import type { WebServices } from '../services.js';
import { deliveryCountsSchema, time, warning } from './schemas.js';

const concurrency = z.int().min(1).max(1_000).describe('How many requests may be under way at a time, of all nodes together');
const rate = z
  .string()
  .regex(/^[1-9]\d{0,5}\/[sm]$/, "expected requests in a second or a minute, such as '10/s' or '30/m'")
  .describe("How many requests may begin in a second or a minute, of all nodes together: '10/s', '30/m'");

const webhookSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    url: z.string(),
    events: z.array(z.string()),
    paths: z.array(z.string()),
    users: z.array(z.string()),
    enabled: z.boolean(),
    concurrency: concurrency.optional(),
    rate: rate.optional(),
    createdAt: time,
    previousSecretUntil: time.optional().describe('Until when an earlier secret signs along'),
    deliveries: deliveryCountsSchema,
    lastDelivery: z.object({ id: z.string(), state: z.string(), at: time, lastError: z.string().optional() }).optional(),
    version: z.int(),
  })
  .meta({ id: 'Webhook' });

const url = z.string().min(1).max(2_048);
const events = z
  .array(z.string().max(100))
  .min(1, 'expected at least one event')
  .max(100)
  .describe("Types, families such as 'upload.*', or '*'");
const paths = z.array(z.string().max(1_024)).max(100).describe('Patterns; empty means all');
const users = z.array(z.string().max(256)).max(1_000).describe('Empty means all');
const webhookId = z.strictObject({ id: z.string().min(1).max(64) });

const LIST = wholeList(({ name, url, events, users }: WebhookView) => [name, url, ...events, ...users], {
  name: ({ name }) => name,
  url: ({ url }) => url,
  createdAt: ({ createdAt }) => createdAt,
  enabled: ({ enabled }) => Number(enabled),
});

/** What admins do with webhooks. */
export const webhookRoutes: readonly Route[] = [
  defineRoute({
    id: 'webhooks.list',
    method: 'GET',
    path: '/webhooks',
    summary: 'List webhooks, with what became of their deliveries',
    access: 'viewer',
    query: z.strictObject(LIST.query),
    response: z.object({ items: z.array(webhookSchema), total: z.int() }).meta({ id: 'Webhooks' }),
    handle: async ({ query, services }) => {
      const rows = await OPERATIONS['webhooks.list'].run(services.operations, {});
      const { items, total } = LIST.page(rows, query);
      return { items: await Promise.all(items.map(row => webhookView(services, row, row.deliveries))), total };
    },
  }),

  defineRoute({
    id: 'webhooks.add',
    method: 'POST',
    path: '/webhooks',
    summary: 'Add a webhook; its secret is in the answer, this once',
    access: 'admin',
    status: 201,
    body: z
      .strictObject({
        url,
        events,
        paths: paths.default([]),
        users: users.default([]),
        name: z.string().min(1).max(255).optional(),
        concurrency: concurrency.nullable().optional(),
        rate: rate.nullable().optional(),
      })
      .meta({ id: 'WebhookCreate' }),
    response: z.object({ webhook: webhookSchema, secret: z.string(), warning }).meta({ id: 'WebhookCreated' }),
    handle: async ({ body, services }) => {
      const { secret, warning, ...webhook } = await OPERATIONS['webhooks.add'].run(services.operations, body);
      return new Answer(
        { webhook: await webhookView(services, webhook), secret, warning },
        { version: webhook.version, location: `/webhooks/${webhook.id}` },
      );
    },
  }),

  defineRoute({
    id: 'webhooks.try',
    method: 'POST',
    path: '/webhooks/test',
    summary: 'Send a test to a URL that is no webhook yet; request and answer are told',
    access: 'admin',
    body: z.strictObject({ url }).meta({ id: 'WebhookTry' }),
    response: z
      .object({ ok: z.boolean(), summary: z.string(), answer: z.string().optional(), request: z.string(), durationMs: z.int() })
      .meta({ id: 'WebhookTried' }),
    handle: ({ body, services }) => OPERATIONS['webhooks.try'].run(services.operations, body),
  }),

  defineRoute({
    id: 'webhooks.show',
    method: 'GET',
    path: '/webhooks/{id}',
    summary: 'Show a webhook',
    access: 'viewer',
    params: webhookId,
    response: webhookSchema,
    failures: [404],
    handle: async ({ params, services }) => {
      const webhook = await OPERATIONS['webhooks.show'].run(services.operations, params);
      return new Answer(await webhookView(services, webhook), { version: webhook.version });
    },
  }),

  defineRoute({
    id: 'webhooks.set',
    method: 'PATCH',
    path: '/webhooks/{id}',
    summary: 'Change a webhook',
    access: 'admin',
    versioned: true,
    params: webhookId,
    body: z
      .strictObject({
        url: url.optional(),
        events: events.optional(),
        paths: paths.optional(),
        users: users.optional(),
        name: z.string().min(1).max(255).optional(),
        enabled: z.boolean().optional(),
        concurrency: concurrency.nullable().optional(),
        rate: rate.nullable().optional(),
      })
      .meta({ id: 'WebhookChange' }),
    response: webhookSchema.extend({ warning }).meta({ id: 'WebhookChanged' }),
    failures: [404],
    handle: async ({ params, body, ifMatch, services }) => {
      const { warning, ...webhook } = await OPERATIONS['webhooks.set'].run(services.operations, { ...params, ...body, version: ifMatch });
      return new Answer({ ...(await webhookView(services, webhook)), warning }, { version: webhook.version });
    },
  }),

  defineRoute({
    id: 'webhooks.remove',
    method: 'DELETE',
    path: '/webhooks/{id}',
    summary: 'Delete a webhook; what is still to be delivered is dead',
    access: 'admin',
    versioned: true,
    params: webhookId,
    failures: [404],
    handle: async ({ params, ifMatch, services }) => {
      await OPERATIONS['webhooks.remove'].run(services.operations, { ...params, version: ifMatch });
    },
  }),

  defineRoute({
    id: 'webhooks.test',
    method: 'POST',
    path: '/webhooks/{id}/test',
    summary: "Send a 'webhook.test' and wait for its first try, 20 s at most",
    access: 'operator',
    params: webhookId,
    response: z
      .object({
        event: z.string(),
        delivery: z.string().optional(),
        ok: z.boolean(),
        summary: z.string(),
        answer: z.string().optional(),
        durationMs: z.int().optional(),
      })
      .meta({ id: 'WebhookTested' }),
    failures: [404],
    handle: async ({ params, services }) => {
      const { answer, ...tested } = await OPERATIONS['webhooks.test'].run(services.operations, params);
      return { ...tested, ...(answer != null && { answer }) };
    },
  }),

  defineRoute({
    id: 'webhooks.rotate-secret',
    method: 'POST',
    path: '/webhooks/{id}/secret',
    summary: 'Make a new secret; the old one signs along for 24 hours',
    access: 'admin',
    params: webhookId,
    response: z.object({ secret: z.string(), previousSecretUntil: time }).meta({ id: 'WebhookSecret' }),
    failures: [404],
    handle: async ({ params, services }) => {
      const { secret, previousSecretUntil } = await OPERATIONS['webhooks.rotate-secret'].run(services.operations, params);
      return { secret, previousSecretUntil };
    },
  }),
];

async function webhookView(
  { operations }: WebServices,
  webhook: WebhookView,
  counted?: Readonly<Record<string, number>>,
): Promise<z.input<typeof webhookSchema>> {
  const targetPrefix = `rule/${webhook.id}/`;
  const counts = counted ?? (await countsOf(operations, targetPrefix));
  const last = (await operations.deliveries.page({ targetPrefix }, undefined, 1)).items[0];
  const { waiting = 0, running = 0, succeeded = 0, dead = 0, dismissed = 0 } = counts;
  return {
    ...webhook,
    events: [...webhook.events],
    paths: [...webhook.paths],
    users: [...webhook.users],
    deliveries: { waiting, running, succeeded, dead, dismissed },
    ...(last && {
      lastDelivery: {
        id: last.id,
        state: last.state,
        at: last.finishedAt ?? last.createdAt,
        ...(last.lastError !== undefined && { lastError: last.lastError }),
      },
    }),
  };
}

async function countsOf({ deliveries }: WebServices['operations'], prefix: string): Promise<Readonly<Record<string, number>>> {
  const counts = await deliveries.counts();
  return Object.fromEntries(counts.filter(({ target }) => target.startsWith(prefix)).map(({ state, count }) => [state, count]));
}
