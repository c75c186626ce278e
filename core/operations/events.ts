import { z } from 'zod';
import { didYouMean } from '../config/nearest.js';
import { DELIVERY_STATES, type DeliveryRecord } from '../db/deliveries.js';
import type { Page } from '../db/page.js';
import { HubError } from '../errors.js';
import { EVENT_TYPES, type HubEvent } from '../events/types.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';
import { noSuchUser } from './strangers.js';

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
/** Events, and the id to go on from. */
export interface Tail {
  readonly items: readonly HubEvent[];
  readonly next: string;
}

/** What in a filter is not known, where nothing was found. */
export interface Hinted {
  readonly hint?: string;
}

const paged = { cursor: z.string().optional(), limit: z.int().min(1).max(MAX_PAGE).default(50) };
const identified = z.strictObject({ id: z.string() });

/** What administrators read of events. */
export const eventOperations = {
  /** Newest first. `hint` tells of an empty page what in the filter is not known. */
  'events.list': operation(
    z.strictObject({ ...filter, ...paged }),
    async (services, { cursor, limit, ...wanted }): Promise<Page<HubEvent> & Hinted> => {
      const { events } = services;
      checkType(wanted.type);
      const page = await events.page(wanted, cursor, limit);
      return page.total > 0 ? page : { ...page, ...(await hintFor(services, wanted)) };
    },
  ),

  /** An event, and what became of each of its deliveries. */
  'events.show': operation(identified, async ({ events, deliveries }, { id }) => {
    const event = await events.find(id);
    if (!event) throw new HubError('not-found', `There is no event '${id}'`);
    return { event, deliveries: (await deliveries.page({ eventId: id }, undefined, MAX_PAGE)).items };
  }),

  /** The events after the one of id `after`, oldest first; without `after` none, only where to go on and the same `hint`. Ask again with `next`. */
  'events.tail': operation(
    z.strictObject({ ...filter, after: z.string().optional() }),
    async (services, { after, ...wanted }): Promise<Tail & Hinted> => {
      const { events } = services;
      checkType(wanted.type);
      if (after === undefined) return { items: [], next: await events.latest(), ...(await hintFor(services, wanted)) };
      const items = await events.after(after, wanted, TAIL_BATCH);
      return { items, next: items.at(-1)?.id ?? after };
    },
  ),
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

  /** Gives up a delivery that waits or is dead. Throws 'not-found', or 'conflict' in another state. */
  'deliveries.dismiss': operation(identified, async (services, { id }) => {
    await services.deliveries.dismiss(id);
    return find(services, id);
  }),
};

/** Names that nothing has had so far; an extension or a directory may still bring them. */
async function hintFor(
  services: OperationServices,
  { type, user }: { readonly type?: string | undefined; readonly user?: string | undefined },
) {
  const hints: string[] = [];
  if (type !== undefined && !EVENT_TYPES.some(known => isOfType(known, type)) && (await isUnseen(services, { type })))
    hints.push(`There is no event '${type}'${didYouMean(type, EVENT_TYPES)}; the hub's own are ${EVENT_TYPES.join(', ')}`);
  if (user !== undefined && !(await services.users.findByUsername(user)) && (await isUnseen(services, { user })))
    hints.push(await noSuchUser(services, user));
  return hints.length > 0 ? { hint: hints.join('; ') } : {};
}

async function isUnseen({ events }: OperationServices, filter: { readonly type?: string; readonly user?: string }): Promise<boolean> {
  return (await events.page(filter, undefined, 1)).total === 0;
}

function isOfType(type: string, wanted: string): boolean {
  return wanted === '*' || type === wanted || (wanted.endsWith('.*') && type.startsWith(wanted.slice(0, -1)));
}

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
