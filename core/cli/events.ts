import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { DELIVERY_STATES, type DeliveryState } from '../db/delivery-states.js';
import { CSV_HEAD, csvLine } from '../events/csv.js';
import type { HubEvent } from '../events/types.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';
import { type Column, cellText, renderTable, time } from './output.js';
import { pastTime, wholeNumber } from './values.js';

const TAIL_INTERVAL_MS = 500;

interface Filter {
  readonly type?: string;
  readonly user?: string;
  readonly path?: string;
  readonly since?: number;
  readonly until?: number;
  readonly text?: string;
  readonly limit?: number;
}

/** Adds `entrepot events …`. */
export function addEventCommands(program: Command, context: CliContext): void {
  const group = program.command('events').description('Read what happened');

  withExamples(filtered(group.command('list').description('List events, newest first')), [
    ['Uploads of the last hour', 'events list --type "upload.*" --since 1h'],
    ['What alice did below /in', 'events list --user alice --path /in'],
  ])
    .option('--until <date>', "before a date, or a duration ago, such as '1h'", pastTime)
    .option('--limit <number>', 'how many at most', wholeNumber(1, 1_000), 50)
    .option('--cursor <id>', "'next' of the page before")
    .action(async (options: Filter, self: Command) => {
      const { global, output } = surroundings(self, context);
      const page = await withHub(context, global, hub => hub.call('events.list', options));
      if (page.hint !== undefined) output.note(page.hint);
      output.result(page, ({ items, next, total }) => {
        const table = output.table(items, EVENT_COLUMNS, 'There are no such events.');
        return next === undefined ? table : `${table}\n${items.length} of ${total}; more with --cursor ${next}`;
      });
    });

  withExamples(filtered(group.command('export').description('Print all events of a time, the oldest first, for another program')), [
    ['Uploads of the last week, for a spreadsheet', 'events export --format csv --type "upload.*" --since 7d'],
    ['Everything, one JSON a line', 'events export'],
  ])
    .option('--until <date>', "before a date, or a duration ago, such as '1h'", pastTime)
    .addOption(new Option('--format <format>', 'lines of JSON, or CSV (RFC 4180)').choices(['jsonl', 'csv']).default('jsonl'))
    .action(async ({ format, ...filter }: Filter & { readonly format: 'jsonl' | 'csv' }, self: Command) => {
      const { global, output } = surroundings(self, context);
      // What happens from now on is not waited for.
      const wanted = { ...filter, until: filter.until ?? Date.now() };
      if (format === 'csv') output.write(`${CSV_HEAD}\r`);
      await withHub(context, global, async hub => {
        for (let after = ''; ; ) {
          const { items, next } = await hub.call('events.tail', { ...wanted, after });
          for (const event of items) output.write(format === 'csv' ? `${csvLine(event)}\r` : JSON.stringify(event));
          if (items.length === 0) return;
          after = next;
        }
      });
    });

  withExamples(group.command('show <id>').description('Show an event and what became of its deliveries'), [
    ['By its id', 'events show 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('events.show', { id })), ({ event, deliveries }) => {
      const table = output.table(deliveries, DELIVERY_COLUMNS, 'It is delivered to nobody.');
      return `${output.plain(JSON.stringify(event, undefined, 2))}\n\n${table}`;
    });
  });

  withExamples(filtered(group.command('tail').description('Print events as they happen')), [
    ['Everything', 'events tail'],
    ['Uploads, as JSON lines for another program', 'events tail --type "upload.*" --json'],
    ['The last ten minutes too', 'events tail --since 10m'],
  ]).action(async ({ since, ...filter }: Filter, self: Command) => {
    const { global, output } = surroundings(self, context);
    const show = (events: readonly HubEvent[]) => {
      for (const event of events)
        output.write(output.json ? JSON.stringify(event) : EVENT_COLUMNS.map(({ value }) => cellText(value(event))).join('  '));
    };
    await withHub(context, global, async hub => {
      const start = await hub.call('events.tail', filter);
      if (start.hint !== undefined) output.note(start.hint);
      let { next } = start;
      if (since !== undefined) show((await hub.call('events.list', { ...filter, since, limit: 1_000 })).items.toReversed());
      for (;;) {
        const found = await hub.call('events.tail', { ...filter, after: next });
        show(found.items);
        next = found.next;
        if (found.items.length === 0) await sleep(TAIL_INTERVAL_MS);
      }
    });
  });
}

/** Adds `entrepot deliveries …`. */
export function addDeliveryCommands(program: Command, context: CliContext): void {
  const group = program.command('deliveries').description('Read, retry and dismiss what events were sent to');

  withExamples(group.command('list').description('List deliveries, newest first'), [
    ['Those that were given up', 'deliveries list --state dead'],
    ['Of one event', 'deliveries list --event 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ])
    .addOption(new Option('--state <state>', 'only those in this state').choices(DELIVERY_STATES))
    .option('--target <id>', "'rule/<id>/<position>' or 'handler/<extension>/<name>'")
    .option('--event <id>', 'of this event')
    .option('--limit <number>', 'how many at most', wholeNumber(1, 1_000), 50)
    .option('--cursor <id>', "'next' of the page before")
    .action(
      async (
        options: {
          readonly state?: DeliveryState;
          readonly target?: string;
          readonly event?: string;
          readonly limit: number;
          readonly cursor?: string;
        },
        self: Command,
      ) => {
        const { global, output } = surroundings(self, context);
        const page = await withHub(context, global, hub => hub.call('deliveries.list', options));
        output.result(page, ({ items, next, total }) => {
          const table = output.table(items, DELIVERY_COLUMNS, 'There are no such deliveries.');
          return next === undefined ? table : `${table}\n${items.length} of ${total}; more with --cursor ${next}`;
        });
      },
    );

  withExamples(group.command('show <id>').description('Show a delivery with each try'), [
    ['By its id', 'deliveries show 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('deliveries.show', { id })), delivery => {
      const tries = output.table(
        delivery.tries,
        [
          { head: 'TRY', value: row => row.attempt, align: 'right' },
          { head: 'STARTED', value: row => time(row.startedAt) },
          { head: 'TOOK', value: row => `${row.durationMs} ms`, align: 'right' },
          { head: 'RESULT', value: row => (row.succeeded ? 'succeeded' : 'failed') },
          { head: 'SUMMARY', value: row => row.summary },
          { head: 'ANSWER', value: row => row.answer?.slice(0, 200) },
        ],
        'It was not tried yet.',
      );
      const request = delivery.tries.at(-1)?.request;
      const asked = request === undefined ? [] : [`Last request:\n${output.plain(request)}`];
      return [renderTable([delivery], DELIVERY_COLUMNS), tries, ...asked].join('\n\n');
    });
  });

  withExamples(group.command('retry <id>').description('Try a delivery again now, also one that was given up or succeeded'), [
    ['By its id', 'deliveries retry 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const { live, delivery } = await withHub(context, global, async hub => ({
      live: hub.live,
      delivery: await hub.call('deliveries.retry', { id }),
    }));
    output.result(delivery, () =>
      live ? `It is tried now; \`entrepot deliveries show ${id}\` tells how it went.` : 'It is tried as soon as the hub runs.',
    );
  });

  addDismissCommand(group, context);
}

function addDismissCommand(group: Command, context: CliContext): void {
  withExamples(group.command('dismiss <ids...>').description('Give up deliveries that wait or are dead; nothing is sent'), [
    ['By its id', 'deliveries dismiss 0198c3f2-7d1c-7a52-9d42-5d8f4b1c2a10'],
  ]).action(async (ids: readonly string[], _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const dismissed = await withHub(context, global, async hub => {
      const all = [];
      for (const id of ids) all.push(await hub.call('deliveries.dismiss', { id }));
      return all;
    });
    output.result(dismissed, list =>
      list.map(({ id }) => `Dismissed ${id}; \`entrepot deliveries retry ${id}\` would send it after all.`).join('\n'),
    );
  });
}

interface DeliveryLike {
  readonly id: string;
  readonly eventType: string;
  readonly target: string;
  readonly state: string;
  readonly attempts: number;
  readonly dueAt: number | undefined;
  readonly lastError: string | undefined;
}

const EVENT_COLUMNS: readonly Column<HubEvent>[] = [
  { head: 'TIME', value: event => time(event.time) },
  { head: 'TYPE', value: event => event.type },
  { head: 'USER', value: event => userOf(event.data) },
  { head: 'ABOUT', value: event => event.subject ?? aboutOf(event.data) },
  { head: 'ID', value: event => event.id },
];

const DELIVERY_COLUMNS: readonly Column<DeliveryLike>[] = [
  { head: 'ID', value: row => row.id },
  { head: 'EVENT', value: row => row.eventType },
  { head: 'TARGET', value: row => row.target },
  { head: 'STATE', value: row => row.state },
  { head: 'TRIES', value: row => row.attempts, align: 'right' },
  { head: 'DUE', value: row => (row.state === 'waiting' ? time(row.dueAt ?? undefined) : '') },
  { head: 'LAST ERROR', value: row => row.lastError?.slice(0, 120) },
];

function filtered(command: Command): Command {
  return command
    .option('--type <type>', "a type, or a family such as 'upload.*'")
    .option('--user <name>', 'of this user')
    .option('--path <path>', 'this path and everything below it')
    .option('--since <date>', "from a date on, or a duration ago, such as '1h'", pastTime)
    .option('--text <text>', "a text anywhere in the event's JSON");
}

function userOf(data: object): string | undefined {
  const { session, user, admin } = data as {
    readonly session?: { readonly user?: string };
    readonly user?: string;
    readonly admin?: string;
  };
  return session?.user ?? user ?? admin;
}

/** What was done, to what, and why not; or why something failed. */
function aboutOf(data: object): string | undefined {
  const { action, target, refused, reason, message } = data as Readonly<Record<string, string | undefined>>;
  const parts = [action, target, refused ?? reason ?? message].filter(part => part !== undefined && part !== '');
  return parts.length > 0 ? parts.join(' · ') : undefined;
}
