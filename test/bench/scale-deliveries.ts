import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/children.js';
import type { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { cpuSeconds } from '../support/usage.js';
import { logIn, OWNER_PASSWORD, startWebProcess } from '../support/web-process.js';
import { Counter } from './counter.js';
import { median, percentile } from './measures.js';

const EVENTS = 3_000;
const TYPE = 'upload.completed';
const CLIENTS = 8;
const LIVELY = 9;
/** For how long uploads go on while one endpoint is dead, or all answer. */
const PACED_MS = 20_000;
const PACE_MS = 50;

/** Deliveries a second to one fast receiver on this machine, by sending `EVENTS` events again; as a row. */
export async function deliveryRate(name: string, env: Readonly<Record<string, string>>, rounds: number, wanted: string): Promise<string[]> {
  const receiver = await Counter.start();
  const { hub, base } = await startWebProcess({ env });
  await hub.addUser('bench', 'secret');
  await addWebhook(hub, receiver);
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => uploads(hub, client, EVENTS / CLIENTS)));
  await until('the first deliveries', async () => (await receiver.counted()).ids >= EVENTS, 120_000);
  const owner = await logIn(base, 'admin', 'ada', OWNER_PASSWORD);
  const rates: number[] = [];
  const shares: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    receiver.reset();
    const [began, cpuBefore] = [performance.now(), await cpuSeconds(hub.pid)];
    const { status, body } = await owner.post('/events/replay', { type: TYPE, since: 0 });
    if (status !== 200) throw new Error(`replay answered ${status}: ${JSON.stringify(body)}`);
    const { arrivedAt } = await until(
      'all deliveries again',
      async () => {
        const counted = await receiver.counted();
        return counted.ids >= EVENTS && counted;
      },
      120_000,
    );
    rates.push((arrivedAt.length - 1) / ((arrivedAt.at(-1)! - arrivedAt[0]!) / 1_000));
    shares.push((await cpuSeconds(hub.pid)) / ((performance.now() - began) / 1_000) - cpuBefore / ((performance.now() - began) / 1_000));
  }
  await hub.stop();
  await receiver.stop();
  return [`deliveries, ${name}`, `${median(rates).toFixed(0)}/s`, wanted, `${(median(shares) * 100).toFixed(0)} % of a core by the hub`];
}

/** How much later deliveries to nine endpoints arrive when a tenth never answers; as rows. */
export async function deadEndpoint(): Promise<string[][]> {
  const [healthy, broken] = [await pacedDelays(false), await pacedDelays(true)];
  const change = (broken / healthy - 1) * 100;
  return [
    [
      `p99 from upload to delivery, ${LIVELY} endpoints, a tenth that answers / is dead`,
      `${healthy.toFixed(0)} / ${broken.toFixed(0)} ms (${change >= 0 ? '+' : ''}${change.toFixed(0)} %)`,
      '<= +10 %',
      '',
    ],
  ];
}

/** The 99th percentile of the ms from an upload's acknowledgement to its arrival at the endpoints that answer. */
async function pacedDelays(dead: boolean): Promise<number> {
  const lively = await Promise.all(Array.from({ length: LIVELY }, () => Counter.start()));
  const tenth = await Counter.start(dead);
  const { hub } = await startWebProcess();
  await hub.addUser('bench', 'secret');
  for (const receiver of [...lively, tenth]) await addWebhook(hub, receiver);
  const client = await RawSftp.connect({ port: hub.port, user: 'bench', password: 'secret' });
  const acknowledgedAt: number[] = [];
  for (const began = Date.now(); Date.now() - began < PACED_MS; ) {
    await client.put(`/${acknowledgedAt.length}.dat`, Buffer.alloc(4_096));
    acknowledgedAt.push(Date.now());
    await sleep(PACE_MS);
  }
  const all = async () => {
    const counted = await Promise.all(lively.map(receiver => receiver.counted()));
    return counted.every(({ ids }) => ids >= acknowledgedAt.length) && counted;
  };
  const counted = await until('every delivery to those that answer', all, 60_000);
  client.end();
  await hub.stop();
  await Promise.all([...lively, tenth].map(receiver => receiver.stop()));
  // One client, one upload after the other: what arrived is in their order but for a few that overtook another.
  return percentile(
    counted.flatMap(({ arrivedAt }) => arrivedAt.toSorted((a, b) => a - b).map((at, index) => at - acknowledgedAt[index]!)),
    0.99,
  );
}

async function uploads(hub: HubProcess, client: number, count: number): Promise<void> {
  const connection = await RawSftp.connect({ port: hub.port, user: 'bench', password: 'secret' });
  for (let index = 0; index < count; index += 1) await connection.put(`/${client}-${index}.dat`, Buffer.alloc(4_096, index));
  connection.end();
}

async function addWebhook(hub: HubProcess, receiver: Counter): Promise<void> {
  await hub.json(['webhook', 'add', receiver.url, '--event', TYPE]);
}
