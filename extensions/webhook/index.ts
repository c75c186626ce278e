import { defineExtension } from '#core/api.js';
import { webhookOptions } from './options.js';
import { WebhookSender } from './sender.js';

const MARGIN_MS = 5_000;

/** Action type `webhook`: sends events to a URL, and can be asked before an action. */
export default defineExtension({
  name: 'webhook',
  api: '^1.0.0',
  register(hub) {
    const sender = new WebhookSender(hub.outbound);
    hub.action({
      name: 'webhook',
      options: webhookOptions,
      timeoutMs: options => sender.limitMs(options) + MARGIN_MS,
      limits: ({ concurrency, rate }) => ({ concurrency, rate }),
      run: (options, delivery, signal) => sender.send(options, delivery, signal),
      decide: (options, action, signal) => sender.ask(options, action, signal),
    });
  },
});
