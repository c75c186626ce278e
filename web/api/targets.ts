import { z } from '#core/api.js';
import { OPERATIONS } from '#core/operations/index.js';
import { defineRoute, type Route } from '../http/route.js';
import { wholeList } from '../http/whole-list.js';
import { deliveryCountsSchema } from './schemas.js';

interface Listed {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly enabled: boolean;
}

const LIST = wholeList(({ id, kind, name }: Listed) => [name, kind, id], {
  name: ({ name }) => name,
  kind: ({ kind }) => kind,
  enabled: ({ enabled }) => Number(enabled),
});

/** Whom events are delivered to, of every kind in one list. */
export const targetRoutes: readonly Route[] = [
  defineRoute({
    id: 'targets.list',
    method: 'GET',
    path: '/targets',
    summary: 'List whom events are delivered to: webhooks, hooks and handlers of extensions, with what became of their deliveries',
    access: 'viewer',
    query: z.strictObject(LIST.query),
    response: z
      .object({
        items: z.array(
          z
            .object({
              id: z.string().describe('The target of its deliveries'),
              kind: z.string().describe("'webhook', 'script' for a hook, 'handler' for one of an extension, or another type of action"),
              name: z.string(),
              rule: z.string().optional().describe('The id of the webhook, where it is one'),
              enabled: z.boolean(),
              events: z.array(z.string()),
              deliveries: deliveryCountsSchema,
            })
            .meta({ id: 'Target' }),
        ),
        total: z.int(),
      })
      .meta({ id: 'Targets' }),
    handle: async ({ query, services }) => {
      const { items, total } = LIST.page(await OPERATIONS['targets.list'].run(services.operations, {}), query);
      return {
        items: items.map(({ rule, events, ...rest }) => ({ ...rest, ...(rule !== undefined && { rule }), events: [...events] })),
        total,
      };
    },
  }),
];
