import { defineExtension } from '#core/api.js';
import { ftpOptions } from './options.js';
import { FtpServer } from './server.js';

/** The FTP and FTPS server of the hub: protocol type 'ftp'. */
export default defineExtension({
  name: 'ftp',
  api: '^1.0.0',
  register(hub) {
    hub.protocol({
      name: 'ftp',
      options: ftpOptions,
      create: (options, context) => new FtpServer(options, context),
    });
  },
});
