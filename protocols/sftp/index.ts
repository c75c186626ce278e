import { resolve } from 'node:path';
import { defineExtension } from '#core/api.js';
import { HostKeyFiles } from './host-key-files.js';
import { sftpOptions } from './options.js';
import { SftpServer } from './server.js';

/** The SFTP server of the hub: protocol type 'sftp'. */
export default defineExtension({
  name: 'sftp',
  api: '^1.0.0',
  register(hub) {
    hub.protocol({
      name: 'sftp',
      options: sftpOptions,
      create: (options, context) => new SftpServer(options, context),
      hostKeys: (options, dataDirectory) => new HostKeyFiles(resolve(dataDirectory, options.hostKeys)),
    });
  },
});
