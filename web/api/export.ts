import { Readable } from 'node:stream';
import { type HubEvent, z } from '#core/api.js';
import type { EventFilter } from '#core/db/events.js';
import { CSV_HEAD, csvLine } from '#core/events/csv.js';
import { defineRoute, type Route } from '../http/route.js';
import type { WebServices } from '../services.js';

const BATCH = 500;

const timeQuery = z.coerce.number().int().min(0).optional().describe('Milliseconds since 1970');

/** Events as a file. */
export const exportRoutes: readonly Route[] = [
  defineRoute({
    id: 'events.export',
    method: 'GET',
    path: '/events/export',
    summary: 'Download events, the oldest first, as CSV or as JSON lines',
    description: 'In CSV, what a spreadsheet would take for a formula begins with an apostrophe.',
    access: 'viewer',
    query: z.strictObject({
      format: z.enum(['csv', 'jsonl']),
      type: z.string().max(100).optional().describe("A type, or a family such as 'upload.*'"),
      user: z.string().max(256).optional(),
      path: z.string().max(4_096).optional(),
      since: timeQuery,
      until: timeQuery,
      search: z.string().max(256).optional(),
    }),
    rawResponse: 'text/csv',
    handle: async ({ query, services, h }) => {
      const { format, search, ...rest } = query;
      // What happens from now on is not waited for.
      const filter: EventFilter = { ...rest, until: rest.until ?? Date.now(), ...(search && { text: search }) };
      const lines = format === 'csv' ? csv(services, filter) : jsonLines(services, filter);
      return h
        .response(Readable.from(lines, { objectMode: false }))
        .type(format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/jsonl')
        .header('content-disposition', `attachment; filename="events.${format}"`)
        .header('cache-control', 'no-store');
    },
  }),
];

async function* eventsOf({ operations }: WebServices, filter: EventFilter): AsyncGenerator<HubEvent> {
  for (let after = ''; ; ) {
    const batch = await operations.events.after(after, filter, BATCH);
    yield* batch;
    if (batch.length < BATCH) return;
    after = batch.at(-1)!.id;
  }
}

async function* jsonLines(services: WebServices, filter: EventFilter): AsyncGenerator<string> {
  for await (const event of eventsOf(services, filter)) yield `${JSON.stringify(event)}\n`;
}

async function* csv(services: WebServices, filter: EventFilter): AsyncGenerator<string> {
  yield `${CSV_HEAD}\r\n`;
  for await (const event of eventsOf(services, filter)) yield `${csvLine(event)}\r\n`;
}
