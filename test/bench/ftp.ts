import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { run, temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { succeeded } from '../support/file-client.js';
import { curlLogin, type FtpAccount, quoted, runLftp } from '../support/ftp-clients.js';
import { startFtpHub } from '../support/ftp-hub.js';
import { Proftpd } from '../support/proftpd.js';
import { Lacking, tool } from '../support/tools.js';
import { Vsftpd } from '../support/vsftpd.js';
import { cpuSeconds, median, printTable, seconds } from './measures.js';
import { makeSource, SMALL_FILES, type Source } from './sftp-works.js';

const TMPFS = '/dev/shm';
const AT_ONCE = 4;
/** Of the hub's memory over that of the idle hub, by one transfer. */
const MAX_GROWTH_MIB = 60;
const ANONYMOUS = 'set ftp:ssl-allow-anonymous yes';

/** What to compare, and how often. */
export interface FtpBench {
  readonly rounds: number;
  readonly sizeMiB: number;
  /** Parts of names of works; all when it is empty. */
  readonly only: readonly string[];
}

interface Peer {
  readonly name: string;
  readonly account: Omit<FtpAccount, 'tls' | 'data'>;
  readonly remote: string;
  readonly folder: string;
  readonly stop: () => Promise<unknown>;
}

/** Does it; what it gives compares what was moved, and is not measured. */
type Run = (clients: Clients, peer: Peer, source: Source) => Promise<() => Promise<unknown>>;

/** Something that is done with each server in turn; `get` takes what the `put` before it left. */
interface Work {
  readonly name: string;
  readonly least: number;
  readonly files?: number;
  readonly run: Run;
}

type Version = '1.2' | '1.3' | undefined;

const WORKS: readonly Work[] = [
  ...(['1.3', '1.2'] as const).flatMap(version => [
    { name: `TLS ${version} put, curl`, least: 1.05, files: 1, run: put(version) },
    { name: `TLS ${version} get, curl`, least: 0.9, files: 1, run: get(version) },
  ]),
  { name: 'plain put, curl', least: 0.7, files: 1, run: put(undefined) },
  { name: 'plain get, curl', least: 0.9, files: 1, run: get(undefined) },
  { name: 'plain get, lftp', least: 0.55, files: 1, run: getByLftp },
  { name: `TLS 1.3 put, curl, ${AT_ONCE} at once`, least: 0.8, files: AT_ONCE, run: several(put) },
  { name: `TLS 1.3 get, curl, ${AT_ONCE} at once`, least: 0.8, files: AT_ONCE, run: several(get) },
  { name: `${SMALL_FILES} x 4 KiB, lftp, plain, 1 in parallel`, least: 1.0, run: mirror('none', 1) },
  { name: `${SMALL_FILES} x 4 KiB, lftp, plain, 8 in parallel`, least: 1.0, run: mirror('none', 8) },
  { name: `${SMALL_FILES} x 4 KiB, lftp, TLS, 1 in parallel`, least: 1.0, run: mirror('explicit', 1) },
];

/**
 * Compares vsftpd and ProFTPD with the hub, in turn, with files and database on tmpfs, and prints medians and ratios (the time of the
 * faster one by ours: above 1 we are faster). Nothing else should run meanwhile. A server that this machine lacks is named and left
 * out. Leaves nothing behind.
 */
export async function benchFtp({ rounds, sizeMiB, only }: FtpBench): Promise<void> {
  const works = WORKS.filter(({ name }) => only.length === 0 || only.some(part => name.includes(part)));
  if (works.length === 0) throw new Error(`No such works. There are: ${WORKS.map(({ name }) => name).join('; ')}`);
  const clients = await Clients.create();
  const source = await makeSource(sizeMiB, TMPFS);
  console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`);
  const others = await startOthers();
  const hub = await startFtpHub({}, { dataDirectory: await temporaryFolder('bench-hub', TMPFS) });
  await hub.addUser('bench', 'secret');
  const ours: Peer = {
    name: 'Entrepot',
    account: { port: hub.portOf('ftp'), user: 'bench', password: 'secret' },
    remote: 'up',
    folder: join(hub.files, 'bench/up'),
    stop: () => hub.stop(),
  };
  const peers = [...others, ours];
  const idleMiB = await hub.memoryMiB('VmHWM');
  let alonePeakMiB = idleMiB;
  const times = new Map(peers.map(peer => [peer, new Map<string, number[]>()]));
  const cpu = new Map<string, number[]>();
  // The first round warms up, and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const peer of round % 2 ? peers.toReversed() : peers) {
      await mkdir(peer.folder, { recursive: true });
      for (const work of works) {
        await mkdir(source.back, { recursive: true });
        const cpuBefore = await cpuSeconds(hub.pid);
        let compare: (() => Promise<unknown>) | undefined;
        const taken = await seconds(async () => {
          compare = await work.run(clients, peer, source);
        });
        const cpuTaken = (await cpuSeconds(hub.pid)) - cpuBefore;
        await compare?.();
        // Works with one client come before those with several.
        if (round === 0 && peer === ours && work.files === 1) alonePeakMiB = await hub.memoryMiB('VmHWM');
        if (round === 0) continue;
        note(times.get(peer)!, work.name, taken);
        if (peer === ours) note(cpu, work.name, cpuTaken);
      }
      await run(tool('find'), [peer.folder, source.back, '-mindepth', '1', '-delete']);
    }
  }
  const growth = (when: string, grownMiB: number, wanted: readonly string[]) => [
    `growth of memory, ${when}`,
    ...others.map(() => ''),
    `${grownMiB.toFixed(0)} MiB`,
    '',
    ...wanted,
    '',
  ];
  const peakMiB = await hub.memoryMiB('VmHWM');
  for (const peer of peers) await peer.stop();
  console.log('');
  printTable([
    ['work', ...peers.map(({ name }) => name), 'ratio', 'wanted', '', 'our CPU'],
    ...works.map(work => [
      ...row(
        work,
        [...times.values()].map(of => of.get(work.name)!),
        sizeMiB,
      ),
      `${median(cpu.get(work.name)!).toFixed(2)} s`,
    ]),
    growth('one transfer at a time', alonePeakMiB - idleMiB, [
      `<= ${MAX_GROWTH_MIB}`,
      alonePeakMiB - idleMiB <= MAX_GROWTH_MIB ? 'reached' : 'missed',
    ]),
    growth('all rounds', peakMiB - idleMiB, ['', '']),
  ]);
}

/** The servers to compare with, of those that this machine has. */
async function startOthers(): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const [name, Server] of Object.entries({ vsftpd: Vsftpd, ProFTPD: Proftpd })) {
    try {
      const { port, folder, stop } = await Server.start(TMPFS);
      peers.push({ name, account: { port, user: 'anonymous', password: 'x' }, remote: 'up', folder, stop });
    } catch (error) {
      if (!(error instanceof Lacking)) throw error;
      console.log(`Not compared with ${name}: ${error.message}`);
    }
  }
  if (peers.length === 0) throw new Lacking('There is nothing to compare with: install vsftpd or ProFTPD');
  return peers;
}

function note(values: Map<string, number[]>, name: string, value: number): void {
  values.set(name, [...(values.get(name) ?? []), value]);
}

/** `times` are those of the others, then ours. */
function row({ name, least, files }: Work, times: readonly (readonly number[])[], sizeMiB: number): string[] {
  const mine = times.at(-1)!;
  const theirs = times.slice(0, -1).toSorted((a, b) => median(a) - median(b))[0]!;
  const ratios = theirs.map((time, round) => time / mine[round]!);
  const ratio = median(theirs) / median(mine);
  const show = (values: readonly number[]) =>
    files ? `${((files * sizeMiB) / median(values)).toFixed(0)} MiB/s` : `${median(values).toFixed(2)} s`;
  const range = `${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})`;
  return [name, ...times.map(show), range, `>= ${least}`, ratio >= least ? 'reached' : 'missed'];
}

function curl(clients: Clients, { account }: Peer, version: Version, words: (at: (path: string) => string) => readonly string[]) {
  const full: FtpAccount = { ...account, tls: version ? 'explicit' : 'none', data: 'extended' };
  const { login, at } = curlLogin(full);
  const versions = version ? [`--tlsv${version}`, '--tls-max', version] : [];
  return succeeded(run(tool('curl'), [...login, ...versions, ...words(at)], { env: clients.environment(full) }));
}

function put(version: Version, index = 0): Run {
  return async (clients, peer, { big }) => {
    await curl(clients, peer, version, at => ['-T', big, at(`/${peer.remote}/big${index}`)]);
    return () => same(big, join(peer.folder, `big${index}`));
  };
}

function get(version: Version, index = 0): Run {
  return async (clients, peer, { big, back }) => {
    const to = join(back, `big${index}`);
    await curl(clients, peer, version, at => ['-o', to, at(`/${peer.remote}/big${index}`)]);
    return () => same(big, to);
  };
}

function several(make: (version: Version, index: number) => Run): Run {
  const runs = Array.from({ length: AT_ONCE }, (_, index) => make('1.3', index));
  return async (clients, peer, source) => {
    const compares = await Promise.all(runs.map(one => one(clients, peer, source)));
    return () => Promise.all(compares.map(compare => compare()));
  };
}

async function getByLftp(clients: Clients, peer: Peer, { big, back }: Source): Promise<() => Promise<unknown>> {
  const to = join(back, 'by lftp');
  const account: FtpAccount = { ...peer.account, tls: 'none', data: 'extended' };
  await succeeded(runLftp(clients, account, [`get ${peer.remote}/big0 -o ${quoted(to)}`], [ANONYMOUS]));
  return () => same(big, to);
}

function mirror(tls: 'none' | 'explicit', parallel: number): Run {
  return async (clients, peer, { small }) => {
    const to = `small-${tls}-${parallel}`;
    const account: FtpAccount = { ...peer.account, tls, data: 'extended' };
    const commands = [`mirror -R --no-perms --parallel=${parallel} ${quoted(small)} ${peer.remote}/${to}`];
    await succeeded(runLftp(clients, account, commands, [ANONYMOUS]));
    return () => same(small, join(peer.folder, to));
  };
}

async function same(original: string, copy: string): Promise<void> {
  assert.equal((await run(tool('diff'), ['-rq', original, copy])).output, '', `${copy} differs`);
}
