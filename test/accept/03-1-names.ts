import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import { succeeded } from '../support/file-client.js';
import { FtpClient } from '../support/ftp-client.js';
import { curlLogin, quoted, rcloneEnvironment, runLftp } from '../support/ftp-clients.js';
import { ftpAccount, ftpLogin, startFtpHub } from '../support/ftp-hub.js';
import type { HubProcess } from '../support/hub-process.js';
import { oddNames } from '../support/odd-names.js';
import { tool } from '../support/tools.js';
import type { AcceptScript, Report } from './script.js';

const CONTROLS = /[\x00-\x1f\x7f]/;

const script: AcceptScript = {
  id: '03.1.3',
  title: 'odd names travel byte for byte by FTP, and a tree of many files there and back',
  async run(report, scale) {
    const hub = await startFtpHub();
    await hub.addUser('alice', 'correct-horse');
    const clients = await Clients.create();
    // A line of FTP carries no CR and no LF.
    const names = oddNames(scale === 'full' ? 560 : 140).filter(name => !/[\r\n]/.test(name));
    const local = await temporaryFolder('names');
    for (const name of names) await writeFile(join(local, name), name);
    const trip: Trip = { hub, clients, names, local };
    await report.check('commands as they are: put, list, rename, get, remove', () => byCommands(trip));
    await report.check('lftp: mirror there and back, explicit', () => byLftp(trip));
    await byRclone(report, trip);
    await report.check('curl: each name, there and back', () => byCurl({ ...trip, names: scale === 'full' ? names : names.slice(0, 60) }));
    const files = scale === 'full' ? 10_000 : 400;
    for (const tls of ['none', 'explicit'] as const)
      await report.check(`lftp: mirror -R --parallel=8 of ${files} files and back, TLS: ${tls}`, () => mirror(trip, files, tls));
    await hub.stop();
  },
};

interface Trip {
  readonly hub: HubProcess;
  readonly clients: Clients;
  readonly names: readonly string[];
  /** A folder with a file of each name, whose content is the name. */
  readonly local: string;
}

async function byCommands({ hub, names }: Trip): Promise<string> {
  const client = await FtpClient.connect(ftpLogin(hub, 'alice'));
  for (const line of ['MKD /raw', 'MKD /moved', 'CWD /raw']) await client.command(line);
  const wrong: string[] = [];
  const expect = async (line: string, code: number, text = '') => {
    const reply = await client.command(line);
    if (reply.code !== code || !reply.text.includes(text)) wrong.push(`${line}: ${reply.text}`);
  };
  await client.command('TYPE I');
  for (const name of names) {
    const reply = await client.send(`STOR ${name}`, name);
    if (reply.code !== 226) wrong.push(`STOR ${name}: ${reply.text}`);
    await expect(`SIZE ${name}`, 213, `213 ${Buffer.byteLength(name)}`);
    await expect(`MLST ${name}`, 250, ` /raw/${name}`);
  }
  for (const command of ['NLST', 'MLSD']) {
    const lines = (await client.fetch(command)).data.toString().split('\r\n').slice(0, -1);
    const found = command === 'NLST' ? lines : lines.map(line => line.slice(line.indexOf('; ') + 2));
    assert.deepEqual(found.sort(), [...names].sort(), command);
  }
  for (const name of names) {
    await expect(`RNFR ${name}`, 350);
    await expect(`RNTO /moved/${name}`, 250);
    const { data } = await client.fetch(`RETR /moved/${name}`);
    if (data.toString() !== name) wrong.push(`RETR ${name}: ${data.length} bytes`);
    await expect(`DELE /moved/${name}`, 250);
  }
  assert.deepEqual(wrong.slice(0, 5), []);
  const events = await listEvents(hub, 'upload.completed', '/raw');
  const paths = new Set(events.map(({ data }) => data.path));
  assert.deepEqual(
    names.filter(name => !paths.has(`/raw/${name}`)),
    [],
  );
  client.close();
  return `${names.length} names, ${events.length} events`;
}

async function byLftp({ hub, clients, names, local }: Trip): Promise<string> {
  const back = await temporaryFolder('lftp');
  const account = ftpAccount(hub, 'alice');
  await succeeded(runLftp(clients, account, [`mirror -R --no-perms ${quoted(local)} /lftp`, `mirror --no-perms /lftp ${quoted(back)}`]));
  await same(names, join(hub.files, 'alice/lftp'), back);
  return `${names.length} names`;
}

async function byRclone(report: Report, { hub, clients, names, local }: Trip): Promise<void> {
  const env = await rcloneEnvironment(clients, ftpAccount(hub, 'alice'));
  const rclone = (...args: readonly string[]) => succeeded(run(tool('rclone'), ['--retries', '1', ...args], { env }));
  await report.check('rclone: copy there and back, and check', async () => {
    // On its way it replaces control characters, and a space or a dot at the end, by pictures of them, each of three bytes.
    const pictured = (name: string) => name.replaceAll(new RegExp(CONTROLS, 'g'), '␀').replace(/[ .]$/, '␠');
    const tooLong = names.filter(name => Buffer.byteLength(pictured(name)) > 255);
    for (const name of tooLong) await rm(join(local, name));
    const carried = names.filter(name => !tooLong.includes(name));
    const back = await temporaryFolder('rclone');
    await rclone('copy', local, 'hub:/rclone');
    await rclone('copy', 'hub:/rclone', back);
    await same(carried, back);
    await rclone('check', '--download', local, 'hub:/rclone');
    const plain = carried.filter(name => pictured(name) === name);
    const arrived = new Set(await readdir(join(hub.files, 'alice/rclone')));
    assert.deepEqual(
      plain.filter(name => !arrived.has(name)),
      [],
    );
    for (const name of tooLong) await writeFile(join(local, name), name);
    return `${carried.length} names, ${plain.length} of them as they are`;
  });
}

async function byCurl({ hub, clients, names, local }: Trip): Promise<string> {
  // It sends no control characters.
  const possible = names.filter(name => !CONTROLS.test(name));
  const account = ftpAccount(hub, 'alice', 'none');
  const { login, at } = curlLogin(account);
  const back = await temporaryFolder('curl');
  await mkdir(join(hub.files, 'alice/curl'));
  const curl = async (lines: readonly string[]) => {
    const config = join(clients.home, 'curl.config');
    await writeFile(config, lines.join('\n'));
    await succeeded(run(tool('curl'), [...login, '-g', '-K', config], { env: clients.environment(account) }));
  };
  const word = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
  await curl(possible.flatMap(name => [`upload-file = ${word(join(local, name))}`, `url = ${word(at(`/curl/${name}`))}`]));
  await same(possible, join(hub.files, 'alice/curl'));
  await curl(possible.flatMap(name => [`output = ${word(join(back, name))}`, `url = ${word(at(`/curl/${name}`))}`]));
  await same(possible, back);
  return `${possible.length} names`;
}

async function mirror({ hub, clients }: Trip, files: number, tls: 'none' | 'explicit'): Promise<string> {
  const tree = await temporaryFolder('tree');
  for (let index = 0; index < files; index++) {
    const folder = join(tree, `d${index % 20}`, `e${index % 3}`);
    if (index < 60) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `file ${index}`), Buffer.alloc((index * 37) % 5_000, `${index} `));
  }
  const back = await temporaryFolder('back');
  const account = ftpAccount(hub, 'alice', tls);
  const to = `/tree-${tls}`;
  const began = performance.now();
  await succeeded(runLftp(clients, account, [`mirror -R --parallel=8 ${quoted(tree)} ${to}`]));
  const between = performance.now();
  await succeeded(runLftp(clients, account, [`mirror --parallel=8 ${to} ${quoted(back)}`]));
  const ended = performance.now();
  for (const copy of [join(hub.files, 'alice', to), back]) {
    const compared = await run(tool('diff'), ['-r', tree, copy]);
    assert.equal(compared.output, '', `${copy} differs`);
  }
  return `there ${((between - began) / 1_000).toFixed(1)} s, back ${((ended - between) / 1_000).toFixed(1)} s`;
}

/** Asserts that each folder holds exactly these names, and each file its own name. */
async function same(names: readonly string[], ...folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const found = (await readdir(Buffer.from(folder), { encoding: 'buffer' })).map(String);
    const absent = names.filter(name => !found.includes(name));
    const extra = found.filter(name => !names.includes(name));
    const some = (list: readonly string[]) => list.slice(0, 5).map(name => JSON.stringify(name));
    assert.ok(absent.length === 0 && extra.length === 0, `in ${folder} lack ${absent.length}: ${some(absent)}, extra: ${some(extra)}`);
    for (const name of names) assert.equal(await readFile(join(folder, name), 'utf8'), name);
  }
}

export default script;
