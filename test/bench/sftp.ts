import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { run, temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { Sshd } from '../support/sshd.js';
import { tool } from '../support/tools.js';
import { median, printTable, seconds } from './measures.js';
import { acknowledgements, smallFilesWith, startTimes } from './sftp-costs.js';
import { IDLE_CONNECTIONS, idleConnections, memoryRows, underProbe } from './sftp-memory.js';
import { GROUPS, type Group, makeSource, type Peer, SMALL_FILES, type Source, type Work } from './sftp-works.js';

const TMPFS = '/dev/shm';
/** Rounds that do not count: a hub serves for weeks, and is compiled while it runs. */
const WARM_UP_ROUNDS = 3;

/** What to compare, and how often. */
export interface SftpBench {
  readonly rounds: number;
  readonly sizeMiB: number;
  /** Names of groups of works; all when it is empty. */
  readonly only: readonly string[];
}

/** The seconds that each server took, by the name of the work. */
type Times = ReadonlyMap<Peer, Map<string, number[]>>;

/**
 * Compares OpenSSH's sshd and internal-sftp with the hub, in turn, with files and database on tmpfs, and prints the medians,
 * the ratios (OpenSSH's time by ours: above 1 we are faster), memory, loop delay and the cost of events and of durability.
 * Nothing else should run meanwhile. Leaves nothing behind.
 */
export async function benchSftp({ rounds, sizeMiB, only }: SftpBench): Promise<void> {
  const groups = GROUPS.filter(({ name }) => only.length === 0 || only.includes(name));
  if (groups.length === 0) throw new Error(`No such works. There are: ${GROUPS.map(({ name }) => name).join(', ')}`);
  const clients = await Clients.create();
  const key = await clients.makeKey('bench');
  const source = await makeSource(sizeMiB, TMPFS);
  const sshd = await Sshd.start(clients);
  const hub = await HubProcess.start({ dataDirectory: await temporaryFolder('bench-hub', TMPFS) });
  await hub.addUser('bench', 'unused', ['--key', `${key}.pub`]);
  await new Promise(resolve => setTimeout(resolve, 3_000));
  const idleMiB = await hub.memoryMiB('VmRSS');
  const root = await temporaryFolder('bench-openssh', TMPFS);
  const openssh: Peer = { account: sshd.account, remote: root, folder: root };
  const ours: Peer = { account: { port: hub.port, user: 'bench', keyFile: key }, remote: '', folder: join(hub.files, 'bench') };

  console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, ${(await run('ssh', ['-V'])).stderr.trim()}`);
  const warmUp = GROUPS.filter(({ name }) => name === 'aes128-gcm' || name === 'small');
  const unused: Times = new Map([openssh, ours].map(peer => [peer, new Map()]));
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1)
    for (const group of warmUp) await oneRound(clients, group, [openssh, ours], source, unused);
  console.log(`${WARM_UP_ROUNDS} rounds first to warm up, which do not count`);
  const times: Times = new Map([openssh, ours].map(peer => [peer, new Map()]));
  const last = (peer: Peer, { name }: Work) => times.get(peer)!.get(name)!.at(-1)!;
  for (let round = 0; round < rounds; round += 1) {
    for (const group of groups) {
      // Who comes second gets memory that was used longer ago, which a virtual machine may have to fetch from its host.
      await oneRound(clients, group, round % 2 ? [ours, openssh] : [openssh, ours], source, times);
      const ratios = group.works.map(work => `${work.name} ${(last(openssh, work) / last(ours, work)).toFixed(2)}`);
      console.log(`round ${round + 1} of ${rounds}: ${ratios.join(', ')}`);
    }
  }
  const peakMiB = await hub.memoryMiB('VmHWM');
  await hub.stop();
  await sshd.stop();
  const others = only.length > 0 ? [] : await otherFigures(clients, key, source, rounds, { idleMiB, peakMiB });
  console.log('');
  const works = groups.flatMap(group => group.works);
  printTable([
    ['work', 'OpenSSH', 'Entrepot', 'ratio', 'wanted', ''],
    ...works.map(work => row(work, times.get(openssh)!.get(work.name)!, times.get(ours)!.get(work.name)!, sizeMiB)),
    ...others.map(([what = '', value = '', wanted = '']) => [what, '', value, '', wanted, '']),
  ]);
}

/** Does the works of a group with each of the servers, and compares what was moved. */
async function oneRound(clients: Clients, group: Group, peers: readonly Peer[], source: Source, times: Times): Promise<void> {
  for (const peer of peers) {
    await mkdir(peer.folder, { recursive: true });
    await mkdir(source.back, { recursive: true });
    await group.prepare?.(peer);
    for (const work of group.works) {
      const taken = await seconds(() => work.run(clients, peer, source));
      const of = times.get(peer)!;
      of.set(work.name, [...(of.get(work.name) ?? []), taken]);
    }
    for (const [original, name] of group.equal?.(source) ?? [])
      for (const copy of [join(peer.folder, name), join(source.back, name)])
        assert.equal((await run(tool('diff'), ['-rq', original, copy])).output, '', `${copy} differs`);
    for (const folder of [peer.folder, source.back]) await run(tool('find'), [folder, '-mindepth', '1', '-delete']);
  }
}

function row({ name, least, bigFiles }: Work, theirs: readonly number[], mine: readonly number[], sizeMiB: number): string[] {
  const ratios = theirs.map((time, round) => time / mine[round]!);
  const ratio = median(theirs) / median(mine);
  const show = (values: readonly number[]) =>
    bigFiles ? `${((bigFiles * sizeMiB) / median(values)).toFixed(0)} MiB/s` : `${median(values).toFixed(2)} s`;
  const range = `${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})`;
  return [name, show(theirs), show(mine), range, `>= ${least}`, ratio >= least ? 'reached' : 'missed'];
}

async function otherFigures(
  clients: Clients,
  key: string,
  source: Source,
  rounds: number,
  memory: { readonly idleMiB: number; readonly peakMiB: number },
): Promise<string[][]> {
  const starts = await startTimes(3);
  const few = Math.max(3, Math.min(rounds, 5));
  const events = await smallFilesWith(clients, key, source.small, few, TMPFS, { on: {}, off: { ENTREPOT_EVENTS__RECORD: '[]' } });
  const durability = await smallFilesWith(clients, key, source.small, few, undefined, {
    disk: { ENTREPOT_DURABILITY: 'disk' },
    process: { ENTREPOT_DURABILITY: 'process' },
  });
  const [disk, process] = [await acknowledgements('disk'), await acknowledgements('process')];
  const probed = await underProbe(clients, key, source);
  const idle = await idleConnections(IDLE_CONNECTIONS, TMPFS);
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  return [
    ['start to listening', `${(starts / 1000).toFixed(2)} s`, '< 1.50 s'],
    ['memory idle', `${memory.idleMiB.toFixed(0)} MiB`, '< 120 MiB'],
    ['memory at the peak of all rounds', `${memory.peakMiB.toFixed(0)} MiB`, ''],
    ...memoryRows(probed, idle),
    ['loop delay p99 under put and get (the timer itself: 10 ms)', ms(probed.p99Ms), '< 30 ms'],
    [`put of ${SMALL_FILES} small files, events recorded`, `${events.on!.toFixed(2)} s`, ''],
    [
      `put of ${SMALL_FILES} small files, no events`,
      `${events.off!.toFixed(2)} s`,
      `cost of events ${((events.on! / events.off! - 1) * 100).toFixed(0)} %`,
    ],
    [`put of ${SMALL_FILES} small files on a disk, durability disk`, `${durability.disk!.toFixed(2)} s`, ''],
    [`put of ${SMALL_FILES} small files on a disk, durability process`, `${durability.process!.toFixed(2)} s`, ''],
    ['acknowledgement of a 4 KiB upload on a disk, durability disk', `p50 ${ms(disk.p50)}, p99 ${ms(disk.p99)}`, ''],
    ['acknowledgement of a 4 KiB upload on a disk, durability process', `p50 ${ms(process.p50)}, p99 ${ms(process.p99)}`, ''],
  ];
}
