import { z } from '#core/api.js';
import { OPERATIONS } from '#core/operations/index.js';
import { authenticate } from '../auth/authenticate.js';
import { defineRoute, type Route } from '../http/route.js';
import { feedFor } from '../live/feed.js';
import { deliverySchema, eventSchema } from './events.js';
import { time } from './schemas.js';
import { sessionSchema } from './security.js';

const trafficBinSchema = z.object({ at: time, uploadBytes: z.int(), downloadBytes: z.int() }).meta({ id: 'TrafficBin' });

/** The data of each kind of message. */
const messages = z
  .object({
    ready: z.object({}).describe('The stream is open'),
    event: eventSchema.describe('Something happened; its id is that of the message'),
    delivery: deliverySchema.describe('A delivery has changed'),
    sessions: z
      .object({ items: z.array(sessionSchema), total: z.int() })
      .describe('The sessions that are open now, those that transfer first; 200 at most'),
    throughput: z.object({ upload: z.int(), download: z.int() }).describe('Bytes a second, whenever that changes; to administrators'),
    traffic: z.object({ bins: z.array(trafficBinSchema) }).describe('Bins of GET /traffic that have changed; to administrators'),
    rules: z
      .object({ source: z.string() })
      .describe("What wants events has changed: the 'database', or 'hooks', of this node; to administrators"),
    reset: z.object({}).describe('Too much was missed: read everything anew'),
  })
  .meta({ id: 'LiveMessages' });

/** What happens, as it happens. */
export const liveRoutes: readonly Route[] = [
  defineRoute({
    id: 'live.listen',
    method: 'GET',
    path: '/live',
    summary: 'Server-sent events: events, deliveries and sessions, as far as I may see them',
    description: 'Each message is named by a property of LiveMessages, and its data is that property. Resumes after Last-Event-ID.',
    access: 'login',
    query: z.strictObject({ lastEventId: z.string().max(64).optional().describe('In place of the header') }),
    rawResponse: 'text/event-stream',
    messages,
    handle: async ({ caller, client, request, query, services, h }) => {
      const header = request.raw.req.headers['last-event-id'];
      const lastId = (typeof header === 'string' && header !== '' ? header : query.lastEventId) || undefined;
      const check = async () =>
        !services.defence.isDenied(client.remoteAddress) &&
        (await authenticate(request, services, { isUse: false }).then(Boolean, () => false));
      const stream = await feedFor(services).listen(caller, lastId, check);
      // 'identity': compression would hold the messages back.
      return h
        .response(stream)
        .type('text/event-stream')
        .header('content-encoding', 'identity')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no');
    },
  }),

  defineRoute({
    id: 'traffic.show',
    method: 'GET',
    path: '/traffic',
    summary: 'What was uploaded and downloaded within the last 24 hours',
    description: 'Made of the recorded transfers, the bytes of each spread over its duration. Bins without traffic are left out.',
    access: 'viewer',
    response: z
      .object({
        binMs: z.int().describe('Length of a bin'),
        bins: z.array(trafficBinSchema),
        complete: z.boolean().describe('False while the records are still being read'),
      })
      .meta({ id: 'Traffic' }),
    handle: ({ services }) => OPERATIONS['traffic.show'].run(services.operations, {}),
  }),
];
