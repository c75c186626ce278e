import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/children.js';
import { BAD_INPUTS, BAD_TLS } from '../support/ftp-bad-input.js';
import { FtpBystander } from '../support/ftp-bystander.js';
import { FtpClient } from '../support/ftp-client.js';
import { ftpLogin, PASSWORD, startFtpHub } from '../support/ftp-hub.js';
import type { HubProcess } from '../support/hub-process.js';
import { collectedMemory, probeEnvironment, probeFile } from '../support/probed-hub.js';
import type { AcceptScript } from './script.js';

const FLOODER = '127.0.0.4';
/** With the garbage collected: the hub collects it rarely while it has work, and has up to 70 MiB of it meanwhile. */
const GROWTH_MIB = 4;

const script: AcceptScript = {
  id: '03.4.2',
  title: 'bad input is answered as the RFCs say, nobody else notices, and memory stays flat',
  async run(report, scale) {
    const probe = await probeFile();
    const hub = await startFtpHub({ ENTREPOT_PROTOCOLS__FTP__LOGIN_TIMEOUT: '5s', ...probeEnvironment(probe) });
    const usedMiB = async () => (await collectedMemory(hub, probe)).usedMiB;
    for (const user of ['alice', 'bystander']) await hub.addUser(user, PASSWORD);
    const plain = ftpLogin(hub, 'alice');
    const own = await FtpClient.connect(plain);
    await own.send('STOR bystander.bin', 'x');
    const bystander = await FtpBystander.start(ftpLogin(hub, 'bystander', 'explicit'));
    for (const { name, send } of BAD_INPUTS) await report.check(name, () => send(plain));
    for (const { name, send } of BAD_TLS) await report.check(name, () => send(ftpLogin(hub, 'alice', 'implicit')));
    await report.check('all of it again and again: memory stays flat', async () => {
      // Those that wait would make this long.
      const some = BAD_INPUTS.filter(({ name }) => !/^(directories|AUTH twice|a client that is gone)/.test(name));
      const round = async () => {
        for (const { send } of some) await send(plain);
      };
      for (let count = 0; count < 2; count++) await round();
      const before = await usedMiB();
      for (let count = 0; count < (scale === 'full' ? 30 : 3); count++) await round();
      const grown = (await usedMiB()) - before;
      assert.ok(grown < GROWTH_MIB, `${grown.toFixed(0)} MiB more`);
      return `${grown.toFixed(1)} MiB more`;
    });
    await report.check('the bystander has noticed nothing', () => bystander.stop());
    own.close();
    await report.check('500 silent connections: others log in, and the silent are gone when their time is up', () => silent(hub, usedMiB));
    await hub.stop();
  },
};

async function silent(hub: HubProcess, usedMiB: () => Promise<number>): Promise<string> {
  const descriptors = async () => (await readdir(`/proc/${hub.pid}/fd`)).length;
  await sleep(500);
  const [files, memory] = [await descriptors(), await usedMiB()];
  let open = 0;
  const sockets = Array.from({ length: 500 }, (_, index) => {
    const port = hub.portOf('ftp', index % 2 === 0);
    const socket = connect({ host: '127.0.0.1', port, localAddress: FLOODER }).on('error', () => undefined);
    open++;
    return socket.once('close', () => open--).resume();
  });
  await sleep(300);
  const held = (await descriptors()) - files;
  const times: number[] = [];
  for (let count = 0; count < 20; count++) {
    const began = performance.now();
    const client = await FtpClient.connect(ftpLogin(hub, 'alice', 'explicit'));
    assert.equal((await client.command('NOOP')).code, 200);
    client.close();
    times.push(performance.now() - began);
  }
  await until('all are gone', () => open === 0, 20_000);
  for (const socket of sockets) socket.destroy();
  await sleep(500);
  const left = (await descriptors()) - files;
  // Ten that were greeted, and forty that wait for it.
  assert.ok(held <= 60, `${held} are held`);
  assert.ok(left <= 3, `${left} descriptors are left`);
  const grown = (await usedMiB()) - memory;
  assert.ok(grown < GROWTH_MIB, `${grown.toFixed(0)} MiB more`);
  return `${held} held, the slowest login ${Math.max(...times).toFixed(0)} ms, ${grown.toFixed(1)} MiB more`;
}

export default script;
