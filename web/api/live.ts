import { z } from '#core/api.js';
import { authenticate } from '../auth/authenticate.js';
import { defineRoute, type Route } from '../http/route.js';
import { feedFor } from '../live/feed.js';

/** What happens, as it happens. */
export const liveRoutes: readonly Route[] = [
  defineRoute({
    id: 'live.listen',
    method: 'GET',
    path: '/live',
    summary: 'Server-sent events: events, deliveries and sessions, as far as I may see them',
    description:
      "Messages are 'ready', 'event' (an Event, whose id is that of the message), 'delivery' (a Delivery that has changed), 'sessions' (items and total, whenever they change, once a second at most) and 'reset' (too much was missed: read everything anew). Resumes after Last-Event-ID.",
    access: 'login',
    query: z.strictObject({ lastEventId: z.string().max(64).optional().describe('In place of the header') }),
    rawResponse: 'text/event-stream',
    handle: async ({ caller, request, query, services, h }) => {
      const header = request.raw.req.headers['last-event-id'];
      const lastId = (typeof header === 'string' && header !== '' ? header : query.lastEventId) || undefined;
      const check = () => authenticate(request, services).then(Boolean, () => false);
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
];
