import 'reflect-metadata';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { defineExtension, type ProtocolServer } from '#core/api.js';
import { Hub } from '#core/hub.js';
import { bundled, migrations } from '#extensions/bundled.js';
import { sftpOptions } from '#protocols/sftp/options.js';
import { Share } from '#protocols/sftp/share.js';

/**
 * What the checks of malformed traffic must catch, named by TEST_WITHOUT: 'limits' is the product without limits to what
 * a client may have in flight; 'codec' an SFTP server as ssh2's examples make one. Everything else is the product's.
 */
const without = process.env.TEST_WITHOUT;

const naive = defineExtension({
  name: 'sftp',
  api: '^1.0.0',
  register: host =>
    host.protocol({
      name: 'sftp',
      options: sftpOptions,
      create: () => naiveServer(ssh2.utils.generateKeyPairSync('ed25519').private),
    }),
});

function naiveServer(hostKey: string): ProtocolServer {
  const server = new ssh2.Server({ hostKeys: [hostKey] }, client => {
    client.on('authentication', request => request.accept());
    client.on('session', accept => accept().on('sftp', acceptSftp => void acceptSftp()));
  });
  return {
    async start() {
      const listening = once(server, 'listening');
      server.listen(0, '127.0.0.1');
      await listening;
      return [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: false }];
    },
    async stop() {
      server.close();
    },
  };
}

if (without === 'limits') {
  Share.prototype.join = function join(this: Share): void {
    Object.assign(this, { requests: Infinity, unwrittenBytes: Infinity, unsentBytes: Infinity, heldBuffers: Infinity });
  };
}
const dataDirectory = process.env.TEST_DATA_DIRECTORY ?? '';
const hub = await Hub.open({
  dataDirectory,
  env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('ENTREPOT_'))),
  bundled: without === 'codec' ? [...bundled.filter(({ name }) => name !== 'sftp'), naive] : bundled,
  migrations,
});
await hub.start();
const running = join(dataDirectory, 'run.json');
await writeFile(`${running}.new`, JSON.stringify({ pid: process.pid, listeners: hub.listeners }));
await rename(`${running}.new`, running);
process.once('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
