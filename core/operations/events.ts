import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { DELIVERY_STATES, type DeliveryRecord } from '../db/deliveries.js';
import { HubError } from '../errors.js';
import { EVENT_TYPES } from '../events/types.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';

const MAX_PAGE = 1_000;
const TAIL_BATCH = 100;

const filter = {
  /** A type, or a pattern such as 'upload.*'. */
  type: z.string().optional(),
  user: z.string().optional(),
  /** The path itself and everything below it. */
  path: z.string().optional(),
  /** Milliseconds since 1970, inclusive. */
  since: z.number().optional(),
  /** Milliseconds since 1970, exclusive. */
  until: z.number().optional(),
  text: z.string().optional(),
};
const paged = { cursor: z.string().optional(), limit: z.int().min(1).max(MAX_PAGE).default(50) };
const identified = z.strictObject({ id: z.string() });

/** What administrators read of events. */
export const eventOperations = {
  'events.list': operation(z.strictObject({ ...filter, ...paged }), async ({ events }, { cursor, limit, ...wanted }) => {
    checkType(wanted.type);
    return events.page(wanted, cursor, limit);
  }),

  /** An event, and what became of each of its deliveries. */
  'events.show': operation(identified, async ({ events, deliveries }, { id }) => {
    const event = await events.find(id);
    if (!event) throw new HubError('not-found', `There is no event '${id}'`);
    return { event, deliveries: (await deliveries.page({ eventId: id }, undefined, MAX_PAGE)).items };
  }),

  /** The events after the one of id `after`, oldest first; without `after` none, only where to go on. Ask again with `next`. */
  'events.tail': operation(z.strictObject({ ...filter, after: z.string().optional() }), async ({ events }, { after, ...wanted }) => {
    checkType(wanted.type);
    if (after === undefined) return { items: [], next: await events.latest() };
    const items = await events.after(after, wanted, TAIL_BATCH);
    return { items, next: items.at(-1)?.id ?? after };
  }),
};

/** What administrators do with deliveries. */
export const deliveryOperations = {
  'deliveries.list': operation(
    z.strictObject({ state: z.enum(DELIVERY_STATES).optional(), target: z.string().optional(), event: z.string().optional(), ...paged }),
    async ({ deliveries }, { state, target, event, cursor, limit }) => deliveries.page({ state, target, eventId: event }, cursor, limit),
  ),

  /** A delivery with each of its tries. */
  'deliveries.show': operation(identified, async (services, { id }) => {
    const delivery = await find(services, id);
    return { ...delivery, tries: await services.deliveries.attempts(id) };
  }),

  /** Makes a delivery due now, also one that was given up or succeeded; the receiver sees the same event id. */
  'deliveries.retry': operation(identified, async (services, { id }) => {
    await services.deliveries.retry(id);
    services.coordinator.broadcast('deliveries.waiting', {});
    return find(services, id);
  }),
};

async function find({ deliveries }: OperationServices, id: string): Promise<DeliveryRecord> {
  const delivery = await deliveries.find(id);
  if (!delivery) throw new HubError('not-found', `There is no delivery '${id}'`);
  return delivery;
}

/** Extensions may bring types of their own, so only what is near a known one is a slip. */
function checkType(type: string | undefined): void {
  if (type === undefined || type === '*' || type.endsWith('.*') || (EVENT_TYPES as readonly string[]).includes(type)) return;
  const suggestion = didYouMean(type, EVENT_TYPES);
  if (suggestion) throw new HubError('invalid-request', `There is no event '${type}'${suggestion}`);
}
