import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listEvents } from '../support/events.js';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import type { AcceptScript } from './script.js';

const SESSIONS = 8;
const TRANSFERS = 16;

const script: AcceptScript = {
  id: '03.2',
  title: 'many data connections at one time, from one address',
  async run(report, scale) {
    const bytes = scale === 'full' ? 64 * 2 ** 20 : 4 * 2 ** 20;
    // Hardly more ports than transfers: each has to be given back at once.
    const ports = { ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: '21000-21019' };
    const hub = await startFtpHub(ports);
    await hub.addUser('alice', 'correct-horse');
    const stored = (name: string) => readFile(join(hub.files, 'alice', name));
    const contents = Array.from({ length: TRANSFERS }, () => randomBytes(bytes));
    for (const tls of ['none', 'explicit'] as const) {
      await report.check(`${TRANSFERS} transfers by ${SESSIONS} sessions, TLS: ${tls}`, async () => {
        const began = performance.now();
        await Promise.all(
          Array.from({ length: SESSIONS }, async (_, index) => {
            const client = await FtpClient.connect(ftpLogin(hub, 'alice', tls));
            assert.equal((await client.send(`STOR ${tls}-${index}`, contents[index]!)).code, 226);
            const { reply, data } = await client.fetch(`RETR ${tls}-${index}`);
            assert.equal(reply.code, 226);
            assert.ok(data.equals(contents[index]!));
            client.close();
          }),
        );
        return `${((TRANSFERS * bytes) / 2 ** 20 / ((performance.now() - began) / 1_000)).toFixed(0)} MiB/s in all`;
      });
    }
    await report.check(`${TRANSFERS} uploads of which each has begun before any has ended`, async () => {
      const clients: FtpClient[] = [];
      while (clients.length < TRANSFERS) clients.push(await FtpClient.connect(ftpLogin(hub, 'alice')));
      const sockets = await Promise.all(clients.map(client => client.dataSocket()));
      for (const [index, client] of clients.entries()) assert.equal((await client.command(`STOR all-${index}`)).code, 150);
      await Promise.all(sockets.map((socket, index) => new Promise(sent => socket.write(contents[index]!.subarray(0, 100_000), sent))));
      for (const [index, socket] of sockets.entries()) socket.end(contents[index]!.subarray(100_000));
      for (const client of clients) assert.equal((await client.reply()).code, 226);
      for (const [index, content] of contents.entries()) assert.ok((await stored(`all-${index}`)).equals(content));
      const events = await listEvents(hub, 'upload.completed');
      assert.equal(events.filter(({ data }) => String(data.path).startsWith('/all-')).length, TRANSFERS);
      for (const client of clients) client.close();
    });
    await report.check('a port is given back at once, a hundred times, also when the client does not come', async () => {
      const clients: FtpClient[] = [];
      while (clients.length < 15) clients.push(await FtpClient.connect(ftpLogin(hub, 'alice')));
      for (let round = 0; round < 100; round++) {
        const client = clients[round % clients.length]!;
        await client.passivePort();
        assert.equal((await client.fetch('NLST')).reply.code, 226);
      }
      for (const client of clients) client.close();
    });
    await hub.stop();
  },
};

export default script;
