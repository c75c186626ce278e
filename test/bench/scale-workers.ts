import { rm } from 'node:fs/promises';
import { temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { cpuSeconds } from '../support/usage.js';
import { median, seconds } from './measures.js';
import { makeSource, type Peer, sftp } from './sftp-works.js';

const TMPFS = '/dev/shm';
const CLIENTS = [0, 1];

interface Side {
  readonly hub: HubProcess;
  readonly peer: Peer;
  readonly put: number[];
  readonly get: number[];
  cpu: number;
}

/** Two SFTP clients at once against one process and against two: whether sharing the ports costs anything; as rows. */
export async function processes(rounds: number, sizeMiB: number): Promise<string[][]> {
  const clients = await Clients.create();
  const key = await clients.makeKey('bench');
  const source = await makeSource(sizeMiB, TMPFS);
  const begin = async (workers: string): Promise<Side> => {
    const hub = await HubProcess.start({
      dataDirectory: await temporaryFolder('bench-workers', TMPFS),
      env: { ENTREPOT_WORKERS: workers },
    });
    await hub.addUser('bench', 'unused', ['--key', `${key}.pub`]);
    return { hub, peer: { account: { port: hub.port, user: 'bench', keyFile: key }, remote: '', folder: '' }, put: [], get: [], cpu: 0 };
  };
  const [one, two] = [await begin('0'), await begin('2')];
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of round % 2 ? [two, one] : [one, two]) {
      const before = await cpuSeconds(side.hub.pid);
      const back = await temporaryFolder('bench-workers-back', TMPFS);
      const put = await seconds(() => Promise.all(CLIENTS.map(index => sftp(clients, side.peer, [`put ${source.big} /big${index}`]))));
      const get = await seconds(() =>
        Promise.all(CLIENTS.map(index => sftp(clients, side.peer, [`get /big${index} ${back}/big${index}`]))),
      );
      await rm(back, { recursive: true });
      // The first round warms up.
      if (round === 0) continue;
      side.put.push(put);
      side.get.push(get);
      side.cpu += (await cpuSeconds(side.hub.pid)) - before;
    }
  }
  await Promise.all([one.hub.stop(), two.hub.stop()]);
  const row = (name: 'put' | 'get') => {
    const [alone, shared] = [median(one[name]), median(two[name])];
    const rate = (taken: number) => `${((CLIENTS.length * sizeMiB) / taken).toFixed(0)} MiB/s`;
    return [
      `${name} by two clients, one process / two`,
      `${rate(alone)} / ${rate(shared)}: ${(alone / shared).toFixed(2)} x`,
      '>= 0.95 x',
      '',
    ];
  };
  const cpu = (side: Side) => `${(side.cpu / rounds).toFixed(1)} s`;
  return [
    [...row('put').slice(0, 3), 'two cores for clients and hub'],
    [...row('get').slice(0, 3), 'two cores for clients and hub'],
    ['processor time of a round, one process / two', `${cpu(one)} / ${cpu(two)}`, '', ''],
  ];
}
