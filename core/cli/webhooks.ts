import type { Command } from 'commander';
import type { OperationOutput } from '../operations/index.js';
import { withHub } from './connection.js';
import { type CliContext, UsageError } from './context.js';
import { surroundings, withExamples } from './group.js';
import { time } from './output.js';
import { repeated, wholeNumber } from './values.js';

interface AddOptions {
  readonly event: readonly string[];
  readonly path?: readonly string[];
  readonly user?: readonly string[];
  readonly concurrency?: number;
  readonly rate?: string;
}

/** Adds `entrepot webhook …`. */
export function addWebhookCommands(program: Command, context: CliContext): void {
  const group = program.command('webhook').description('Send events to URLs, signed as Standard Webhooks');

  withExamples(group.command('add [url]').usage('<url> [options]').description('Add a webhook; its secret is printed once'), [
    ['Every finished upload', 'webhook add https://example.com/hook --event upload.completed'],
    ['To a receiver that bears 30 requests in a minute', 'webhook add https://example.com/hook --event "upload.*" --rate 30/m'],
    ['CSV files of alice', 'webhook add https://example.com/hook --event "upload.*" --path "/in/**/*.csv" --user alice'],
  ])
    .requiredOption('--event <type...>', "what to send: 'upload.completed', 'upload.*' or '*'; several, and repeats")
    .option('--path <glob>', "only files like this, such as '/in/**/*.csv'; repeats", repeated)
    .option('--user <name>', 'only of this user; repeats', repeated)
    .option('--concurrency <n>', 'how many requests may be under way at a time, of all nodes together', wholeNumber(1, 1_000))
    .option('--rate <rate>', "how many may begin in a second or a minute, of all nodes together: '10/s', '30/m'")
    .action(async (first: string | undefined, options: AddOptions, self: Command) => {
      const { global, output } = surroundings(self, context);
      const { url, events } = urlAndEvents(first, options.event);
      const { concurrency, rate } = options;
      const limits = { ...(concurrency !== undefined && { concurrency }), ...(rate !== undefined && { rate }) };
      const input = { url, events, paths: [...(options.path ?? [])], users: [...(options.user ?? [])], ...limits };
      const added = await withHub(context, global, hub => hub.call('webhooks.add', input), { creates: true });
      if (added.warning !== undefined) output.note(`Warning: ${added.warning}`);
      output.result(
        added,
        ({ id, secret }) =>
          `Added webhook ${id}\nSecret: ${secret}\nIt is shown this once; \`entrepot webhook test ${id}\` sends an event.`,
      );
    });

  withExamples(group.command('list').description('List webhooks with their deliveries'), [['All of them', 'webhook list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('webhooks.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'ID', value: webhook => webhook.id },
            { head: 'STATE', value: webhook => (webhook.enabled ? 'enabled' : 'disabled') },
            { head: 'URL', value: webhook => webhook.url },
            { head: 'EVENTS', value: webhook => webhook.events.join(', ') },
            { head: 'ONLY', value: webhook => [...webhook.paths, ...webhook.users].join(', ') },
            { head: 'DELIVERIES', value: countsOf },
          ],
          'There are no webhooks; `entrepot webhook add URL --event upload.completed` adds one.',
        ),
      );
    },
  );

  withExamples(group.command('test <id>').description('Send a webhook.test event to one webhook and show the answer'), [
    ['The start of its id is enough', 'webhook test 0198c3f2'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const result = await withHub(context, global, hub => hub.call('webhooks.test', { id }));
    output.result(result, ({ ok, summary, answer, durationMs }) =>
      [
        `${ok ? 'Delivered' : 'Not delivered'}: ${summary}${durationMs === undefined ? '' : ` (${durationMs} ms)`}`,
        ...(answer ? [output.plain(answer)] : []),
      ].join('\n'),
    );
    if (!result.ok) process.exitCode = 1;
  });

  for (const [verb, operation, description, done] of [
    ['enable', 'webhooks.enable', 'Send again; what waited is sent now', 'Enabled'],
    ['disable', 'webhooks.disable', 'Send nothing; deliveries wait', 'Disabled'],
    ['remove', 'webhooks.remove', 'Delete a webhook', 'Removed'],
  ] as const) {
    withExamples(group.command(`${verb} <id>`).description(description), [
      ['By its URL', `webhook ${verb} https://example.com/hook`],
    ]).action(async (id: string, _options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(
        await withHub(context, global, hub => hub.call(operation, { id })),
        webhook => `${done} ${webhook.id} (${webhook.url})`,
      );
    });
  }

  withExamples(group.command('rotate-secret <id>').description('Make a new secret; the old one signs along for 24 hours'), [
    ['The start of its id is enough', 'webhook rotate-secret 0198c3f2'],
  ]).action(async (id: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    const rotated = await withHub(context, global, hub => hub.call('webhooks.rotate-secret', { id }));
    output.result(
      rotated,
      ({ secret, previousSecretUntil }) =>
        `Secret: ${secret}\nIt is shown this once. The old one signs along until ${time(previousSecretUntil)}.`,
    );
  });
}

/** The URL may stand behind the events, which take every word up to the next option. */
function urlAndEvents(first: string | undefined, words: readonly string[]): { readonly url: string; readonly events: string[] } {
  const urls = [...(first === undefined ? [] : [first]), ...words.filter(word => word.includes('://'))];
  if (urls.length !== 1)
    throw new UsageError(urls.length === 0 ? "missing required argument 'url'" : `Expected one URL, got ${urls.join(' and ')}`);
  return { url: urls[0]!, events: words.filter(word => !word.includes('://')) };
}

function countsOf({ deliveries }: OperationOutput<'webhooks.list'>[number]): string {
  return Object.entries(deliveries)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}
