import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { RawSftp } from '../support/raw-sftp.js';
import { printTable } from './measures.js';
import { makeSource, type Peer, type Source, sftp } from './sftp-works.js';

const TMPFS = '/dev/shm';
export const IDLE_CONNECTIONS = 500;

/** Prints what connections and transfers of `sizeMiB` take of the hub's memory. Leaves nothing behind. */
export async function benchMemory({ sizeMiB }: { readonly sizeMiB: number }): Promise<void> {
  const clients = await Clients.create();
  const key = await clients.makeKey('bench');
  const probed = await underProbe(clients, key, await makeSource(sizeMiB, TMPFS));
  const idle = await idleConnections(IDLE_CONNECTIONS, TMPFS);
  printTable([['memory', 'Entrepot', 'wanted'], ...memoryRows(probed, idle)]);
}

/** As rows of a table: what, how much, and how much it may be. */
export function memoryRows(probed: { readonly oneMiB: number; readonly fourMiB: number }, idleKiB: number): string[][] {
  return [
    ['growth of memory over a new hub, one put and get', `${probed.oneMiB.toFixed(0)} MiB`, '<= 40 MiB'],
    ['growth of memory over a new hub, four at once', `${probed.fourMiB.toFixed(0)} MiB`, '<= 90 MiB'],
    [`an idle connection, of ${IDLE_CONNECTIONS}`, `${idleKiB.toFixed(0)} KiB`, '< 350 KiB'],
  ];
}

/** Put and get by one client, then by four at once, on a new hub with a probe in it: how late its loop was, and by how much it grew. */
export async function underProbe(clients: Clients, key: string, source: Source) {
  const file = join(clients.home, 'loop.json');
  const probe = fileURLToPath(new URL('loop-probe.js', import.meta.url));
  const env = { LOOP_PROBE_FILE: file, NODE_OPTIONS: `--import=${probe}` };
  const hub = await HubProcess.start({ dataDirectory: await temporaryFolder('bench-probe', TMPFS), env });
  await hub.addUser('bench', 'unused', ['--key', `${key}.pub`]);
  await sleep(3_000);
  const peer: Peer = { account: { port: hub.port, user: 'bench', keyFile: key }, remote: '', folder: '' };
  const idleMiB = await hub.memoryMiB('VmHWM');
  const grown = async (indices: readonly number[]) => {
    const back = await temporaryFolder('bench-probe-back', TMPFS);
    await Promise.all(indices.map(index => sftp(clients, peer, [`put ${source.big} /big${index}`])));
    await Promise.all(indices.map(index => sftp(clients, peer, [`get /big${index} ${back}/big${index}`])));
    await rm(back, { recursive: true });
    return (await hub.memoryMiB('VmHWM')) - idleMiB;
  };
  const [oneMiB, fourMiB] = [await grown([0]), await grown([0, 1, 2, 3])];
  await sleep(500);
  const seen = JSON.parse(await readFile(file, 'utf8')) as { readonly p99Ms: number };
  await hub.stop();
  return { ...seen, oneMiB, fourMiB };
}

/** What one of `count` connections that are logged in and do nothing takes of the hub's memory, in KiB. */
export async function idleConnections(count: number, parent: string): Promise<number> {
  const env = { ENTREPOT_LIMITS__SESSIONS_PER_USER: String(count + 10) };
  const hub = await HubProcess.start({ dataDirectory: await temporaryFolder('bench-idle', parent), env });
  await hub.addUser('bench', 'secret');
  const account = { port: hub.port, user: 'bench', password: 'secret' };
  const connections: RawSftp[] = [];
  const open = async (wanted: number) => {
    while (connections.length < wanted) connections.push(await RawSftp.connect(account));
  };
  // The first ones make what all share.
  await open(10);
  const before = await hub.memoryMiB('VmRSS');
  await open(count + 10);
  const after = await hub.memoryMiB('VmRSS');
  for (const connection of connections) connection.end();
  await hub.stop();
  return ((after - before) * 1024) / count;
}
