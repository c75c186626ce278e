import { z } from '#core/api.js';
import type { AttemptRecord, DeliveryRecord } from '#core/db/deliveries.js';
import { DELIVERY_STATES } from '#core/db/delivery-states.js';
import type { EventFilter } from '#core/db/events.js';
import { EVENT_TYPES } from '#core/events/types.js';
import { OPERATIONS } from '#core/operations/index.js';
import { defineRoute, type Route } from '../http/route.js';
import { time } from './schemas.js';

/** Lists are counted up to here: beyond it, `exact` is false. */
const COUNT_LIMIT = 10_000;

export const eventSchema = z
  .object({
    specversion: z.string(),
    id: z.string(),
    type: z.string(),
    source: z.string(),
    subject: z.string().optional(),
    time: z.string().describe('RFC 3339'),
    datacontenttype: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });

export const deliverySchema = z
  .object({
    id: z.string(),
    eventId: z.string(),
    eventType: z.string(),
    target: z.string(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    dueAt: time.nullable(),
    lastError: z.string().nullable(),
    createdAt: time,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Delivery' });

const attemptSchema = z
  .object({
    attempt: z.int(),
    startedAt: time,
    durationMs: z.number(),
    succeeded: z.boolean(),
    summary: z.string(),
    answer: z.string().nullable(),
    request: z.string().nullable().describe('What was asked, without the event and without secrets; null where nothing is known of it'),
  })
  .meta({ id: 'Attempt' });

const timeQuery = z.coerce.number().int().min(0).optional().describe('Milliseconds since 1970');
const filter = {
  type: z.string().max(100).optional().describe("A type, or a family such as 'upload.*'"),
  user: z.string().max(256).optional(),
  path: z.string().max(4_096).optional().describe('The path and everything below it'),
  since: timeQuery,
  until: timeQuery,
};
const paging = {
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  cursor: z.string().max(64).optional().describe('`next` of the page before'),
};
/** Whom an event is sent to again. */
const chosen = {
  webhooks: z.array(z.string().max(64)).min(1).max(100).optional().describe('Ids; all targets that want the event unless told'),
  targets: z.array(z.string().max(255)).min(1).max(100).optional().describe('Ids of GET /targets, in addition'),
};
const identified = z.strictObject({ id: z.string().min(1).max(64) });

/** A page that `next` goes on from, too. */
function cursorPage<T extends z.ZodType>(item: T, id: string) {
  return z
    .object({
      items: z.array(item),
      total: z.int(),
      exact: z.boolean().describe('False when there are more than `total`'),
      limit: z.int(),
      offset: z.int(),
      next: z.string().optional(),
    })
    .meta({ id });
}

/** What admins read of events, and send again. */
export const eventRoutes: readonly Route[] = [
  defineRoute({
    id: 'events.types',
    method: 'GET',
    path: '/event-types',
    summary: "List the hub's own types of events",
    access: 'viewer',
    response: z.object({ items: z.array(z.string()) }).meta({ id: 'EventTypes' }),
    handle: async () => ({ items: [...EVENT_TYPES] }),
  }),

  defineRoute({
    id: 'events.list',
    method: 'GET',
    path: '/events',
    summary: 'List events, the newest first',
    access: 'viewer',
    query: z.strictObject({ ...filter, search: z.string().max(256).optional().describe("A part of the event's JSON"), ...paging }),
    response: cursorPage(eventSchema, 'EventPage'),
    handle: async ({ query, services }) => {
      const { limit, offset, cursor, search, ...rest } = query;
      const wanted: EventFilter = { ...rest, ...(search && { text: search }) };
      const page = await services.operations.events.page(wanted, cursor, limit, { offset, countLimit: COUNT_LIMIT + 1 });
      const exact = page.total <= COUNT_LIMIT;
      const items = page.items.map(event => ({ ...event, data: { ...event.data } }));
      return { items, total: Math.min(page.total, COUNT_LIMIT), exact, limit, offset, ...(page.next !== undefined && { next: page.next }) };
    },
  }),

  defineRoute({
    id: 'events.replay-range',
    method: 'POST',
    path: '/events/replay',
    summary: 'Send the events of a time range again, 10,000 at most; receivers see the ids of then',
    access: 'operator',
    body: z
      .strictObject({
        type: filter.type,
        user: filter.user,
        path: filter.path,
        since: z.int().min(0).describe('Milliseconds since 1970, inclusive'),
        until: z.int().min(0).optional().describe('Exclusive; now unless told'),
        ...chosen,
        after: z.string().max(64).optional().describe('`last` of the answer before, to go on'),
        dryRun: z.boolean().default(false).describe('Only counts'),
      })
      .meta({ id: 'EventReplay' }),
    response: z
      .object({
        events: z.int(),
        deliveries: z.int(),
        next: time.optional().describe('The time up to which it went, when there may be more'),
        last: z.string().optional().describe('The event up to which it went, when there may be more: go on `after` it'),
      })
      .meta({ id: 'EventReplayed' }),
    failures: [404],
    handle: ({ body, services }) => OPERATIONS['events.replay-range'].run(services.operations, body),
  }),

  defineRoute({
    id: 'events.show',
    method: 'GET',
    path: '/events/{id}',
    summary: 'Show an event, what became of its deliveries, and who wants it now',
    access: 'viewer',
    params: identified,
    response: z
      .object({
        event: eventSchema,
        deliveries: z.array(deliverySchema),
        wanted: z.array(z.string()).describe('Targets that a replay goes to unless told'),
      })
      .meta({ id: 'EventDetails' }),
    failures: [404],
    handle: async ({ params, services }) => {
      const { event, deliveries } = await OPERATIONS['events.show'].run(services.operations, params);
      const wanted = services.operations.ruleTable.targetsFor(event).map(({ id }) => id);
      return { event: { ...event, data: { ...event.data } }, deliveries: deliveries.map(deliveryView), wanted };
    },
  }),

  defineRoute({
    id: 'events.replay',
    method: 'POST',
    path: '/events/{id}/replay',
    summary: 'Send an event again; receivers see the same id',
    access: 'operator',
    params: identified,
    body: z.strictObject(chosen).meta({ id: 'EventReplayOne' }),
    response: z.object({ events: z.int(), deliveries: z.int() }).meta({ id: 'EventReplayedOne' }),
    failures: [404],
    handle: ({ params, body, services }) => OPERATIONS['events.replay'].run(services.operations, { ...params, ...body }),
  }),

  defineRoute({
    id: 'deliveries.list',
    method: 'GET',
    path: '/deliveries',
    summary: 'List deliveries, the newest first',
    access: 'viewer',
    query: z.strictObject({
      state: z.enum(DELIVERY_STATES).optional(),
      webhook: z.string().max(64).optional().describe('Of this webhook'),
      target: z.string().max(255).optional().describe("A target, or what begins with it where it ends with '/'"),
      event: z.string().max(64).optional(),
      type: filter.type,
      since: timeQuery,
      until: timeQuery,
      ...paging,
    }),
    response: cursorPage(deliverySchema, 'DeliveryPage'),
    handle: async ({ query, services }) => {
      const { limit, offset, cursor, webhook, event, target, ...rest } = query;
      const wanted = {
        ...rest,
        eventId: event,
        ...(target !== undefined && (target.endsWith('/') ? { targetPrefix: target } : { target })),
        ...(webhook !== undefined && { targetPrefix: `rule/${webhook}/` }),
      };
      const { items, total, next } = await services.operations.deliveries.page(wanted, cursor, limit, offset);
      return { items: items.map(deliveryView), total, exact: true, limit, offset, ...(next !== undefined && { next }) };
    },
  }),

  defineRoute({
    id: 'deliveries.retry-all',
    method: 'POST',
    path: '/deliveries/redeliver',
    summary: 'Send deliveries again, 10,000 at most: those that are dead unless told',
    access: 'operator',
    body: z
      .strictObject({
        state: z.enum(DELIVERY_STATES).exclude(['running']).default('dead'),
        webhook: z.string().max(64).optional(),
        since: z.int().min(0).optional(),
        until: z.int().min(0).optional(),
      })
      .meta({ id: 'DeliveriesRetry' }),
    response: z.object({ deliveries: z.int(), left: z.int() }).meta({ id: 'DeliveriesRetried' }),
    handle: ({ body, services }) => OPERATIONS['deliveries.retry-all'].run(services.operations, body),
  }),

  defineRoute({
    id: 'deliveries.show',
    method: 'GET',
    path: '/deliveries/{id}',
    summary: 'Show a delivery with each of its tries',
    access: 'viewer',
    params: identified,
    response: deliverySchema.extend({ tries: z.array(attemptSchema) }).meta({ id: 'DeliveryDetails' }),
    failures: [404],
    handle: async ({ params, services }) => {
      const { tries, ...delivery } = await OPERATIONS['deliveries.show'].run(services.operations, params);
      return { ...deliveryView(delivery), tries: tries.map(attemptView) };
    },
  }),

  defineRoute({
    id: 'deliveries.retry',
    method: 'POST',
    path: '/deliveries/{id}/redeliver',
    summary: 'Send a delivery again now',
    access: 'operator',
    params: identified,
    response: deliverySchema,
    failures: [404, 409],
    handle: async ({ params, services }) => deliveryView(await OPERATIONS['deliveries.retry'].run(services.operations, params)),
  }),

  defineRoute({
    id: 'deliveries.dismiss',
    method: 'POST',
    path: '/deliveries/{id}/dismiss',
    summary: 'Give a delivery up',
    access: 'operator',
    params: identified,
    response: deliverySchema,
    failures: [404, 409],
    handle: async ({ params, services }) => deliveryView(await OPERATIONS['deliveries.dismiss'].run(services.operations, params)),
  }),
];

export function deliveryView(delivery: DeliveryRecord): z.input<typeof deliverySchema> {
  const { dueAt = null, lastError = null, finishedAt = null } = delivery;
  return { ...delivery, dueAt, lastError, finishedAt };
}

function attemptView(attempt: AttemptRecord): z.input<typeof attemptSchema> {
  return { ...attempt, answer: attempt.answer ?? null, request: attempt.request ?? null };
}
