import { defineExtension } from '#core/api.js';
import { webOptions } from './options.js';
import { WebServer } from './server.js';

/** The pages and the HTTP API of the hub: protocol type 'web'. */
export default defineExtension({
  name: 'web',
  api: '^1.0.0',
  register(hub) {
    hub.protocol({
      name: 'web',
      options: webOptions,
      create: (options, context) => new WebServer(options, context),
    });
  },
});
