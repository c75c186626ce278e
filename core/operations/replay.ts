import { z } from 'zod';
import { DELIVERY_STATES } from '../db/delivery-states.js';
import { HubError, toHubError } from '../errors.js';
import type { HubEvent } from '../events/types.js';
import { newWebhookSecret, uuidv7 } from '../ids.js';
import { operation } from './operation.js';
import type { OperationServices } from './services.js';
import { checkUrl, testEvent } from './webhooks.js';

const BATCH = 500;
/** Those of one moment share a commit. */
const AT_ONCE = 50;
/** The most events or deliveries that one call makes due. */
export const MAX_REPLAYED = 10_000;
const TRY_LIMIT_MS = 20_000;

const range = {
  type: z.string().optional(),
  user: z.string().optional(),
  path: z.string().optional(),
  /** Milliseconds since 1970, inclusive. */
  since: z.number(),
  /** Milliseconds since 1970, exclusive; now unless told. */
  until: z.number().optional(),
};
/** Whom to: webhooks by id, and targets by theirs; all that want the event unless told. */
const chosen = { webhooks: z.array(z.string()).min(1).max(100).optional(), targets: z.array(z.string()).min(1).max(100).optional() };

/** Sending again what was sent, or what a target has missed. The receiver sees the ids of then. */
export const replayOperations = {
  /** Makes an event due again. */
  'events.replay': operation(z.strictObject({ id: z.string(), ...chosen }), async (services, input) => {
    const event = await services.events.find(input.id);
    if (!event) throw new HubError('not-found', `There is no event '${input.id}'`);
    const targets = await targetsOf(services, input);
    const deliveries = await services.deliveries.replay(event.id, targets(event));
    services.coordinator.broadcast('deliveries.waiting', {});
    return { events: 1, deliveries };
  }),

  /**
   * Makes the events of a range due again, the oldest first, 10,000 at most; with `dryRun` only counts them. Where there may be more, `last`
   * is the id to go on `after`, and `next` its time.
   */
  'events.replay-range': operation(
    z.strictObject({ ...range, ...chosen, after: z.string().optional(), dryRun: z.boolean().default(false) }),
    async (services, { webhooks, targets: ids, after: begin = '', dryRun, ...filter }) => {
      const targets = await targetsOf(services, { webhooks, targets: ids });
      const until = filter.until ?? Date.now();
      let events = 0;
      let deliveries = 0;
      let last: HubEvent | undefined;
      for (let after = begin; events < MAX_REPLAYED; ) {
        const batch = await services.events.after(after, { ...filter, until }, BATCH);
        const wanted = batch.map(event => ({ id: event.id, targets: targets(event) })).filter(({ targets }) => targets.length > 0);
        events += wanted.length;
        for (let index = 0; index < wanted.length; index += AT_ONCE) {
          const some = wanted.slice(index, index + AT_ONCE);
          const made = some.map(({ id, targets }) => (dryRun ? targets.length : services.deliveries.replay(id, targets)));
          deliveries += (await Promise.all(made)).reduce((sum, count) => sum + count, 0);
        }
        last = batch.at(-1);
        if (!last || batch.length < BATCH) break;
        after = last.id;
      }
      if (!dryRun && deliveries > 0) services.coordinator.broadcast('deliveries.waiting', {});
      return { events, deliveries, ...(events >= MAX_REPLAYED && last && { next: Date.parse(last.time), last: last.id }) };
    },
  ),

  /** Makes deliveries due again, 10,000 at most: all that are dead unless told. */
  'deliveries.retry-all': operation(
    z.strictObject({
      state: z.enum(DELIVERY_STATES).exclude(['running']).default('dead'),
      /** The id of a webhook. */
      webhook: z.string().optional(),
      since: z.number().optional(),
      until: z.number().optional(),
    }),
    async ({ deliveries, coordinator }, { webhook, ...filter }) => {
      const wanted = { ...filter, ...(webhook !== undefined && { targetPrefix: `rule/${webhook}/` }) };
      const { items, total } = await deliveries.page(wanted, undefined, MAX_REPLAYED);
      for (const { id } of items) await deliveries.retry(id).catch(goneOn);
      coordinator.broadcast('deliveries.waiting', {});
      return { deliveries: items.length, left: total - items.length };
    },
  ),

  /** Sends a test to a URL that is no webhook yet, and tells what was sent and answered. */
  'webhooks.try': operation(z.strictObject({ url: z.string() }), async (services, { url }) => {
    const action = { type: 'webhook', options: { url: checkUrl(url), secret: newWebhookSecret() } };
    const { type, options } = services.actions.prepare(action);
    const event = testEvent(services);
    const startedAt = performance.now();
    const ended = (head?: string) => ({
      durationMs: Math.round(performance.now() - startedAt),
      request: [...(head === undefined ? [] : [head, '']), JSON.stringify(event)].join('\n'),
    });
    try {
      const delivery = { id: uuidv7(), target: 'try', attempt: 1, event };
      const receipt = await type.run(options, delivery, AbortSignal.timeout(TRY_LIMIT_MS));
      const { summary, answer, request } = typeof receipt === 'object' ? receipt : { summary: receipt ?? 'Done' };
      return { ok: true, summary, answer, ...ended(request) };
    } catch (error) {
      const { message, answer, request } = error as { readonly message: string; readonly answer?: string; readonly request?: string };
      return { ok: false, summary: error instanceof HubError ? toHubError(error).message : message, answer, ...ended(request) };
    }
  }),
};

interface Chosen {
  readonly webhooks?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
}

async function targetsOf(services: OperationServices, { webhooks, targets }: Chosen): Promise<(event: HubEvent) => readonly string[]> {
  if (!webhooks && !targets) return event => services.ruleTable.targetsFor(event).map(({ id }) => id);
  const chosen = new Set<string>();
  for (const id of webhooks ?? []) {
    const rule = await services.rules.find(id);
    if (!rule) throw new HubError('not-found', `There is no webhook '${id}'`, { field: 'webhooks' });
    for (const position of rule.actions.keys()) chosen.add(`rule/${rule.id}/${position}`);
  }
  for (const id of targets ?? []) {
    if (!services.ruleTable.find(id)) throw new HubError('not-found', `There is no target '${id}'`, { field: 'targets' });
    chosen.add(id);
  }
  return () => [...chosen];
}

/** Somebody else may have dealt with one meanwhile. */
function goneOn(error: unknown): void {
  if (!(error instanceof HubError) || !['conflict', 'not-found'].includes(error.code)) throw error;
}
