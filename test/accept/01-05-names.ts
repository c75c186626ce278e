import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/children.js';
import { type Account, Clients, escaped } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import { HubProcess } from '../support/hub-process.js';
import { oddNames } from '../support/odd-names.js';
import { replayRequestOrders } from './request-orders.js';
import type { AcceptScript, Report } from './script.js';

const script: AcceptScript = {
  id: '01.5',
  title: 'odd names travel byte for byte by every client',
  async run(report, scale) {
    const hub = await HubProcess.start();
    const clients = await Clients.create();
    await hub.addUser('alice', 'secret');
    const account = { port: hub.port, user: 'alice', password: 'secret' };
    const names = oddNames(scale === 'full' ? 500 : 120);
    const local = await makeFiles(names);
    const trip = { hub, clients, account, names, local };
    await openSsh(report, trip);
    await report.check('lftp: mirror there and back', () => lftp(trip));
    await rclone(report, trip);
    await report.check('sshfs: copy into the mount and out of it', () => sshfs(trip));
    await report.check('events and logs name them byte for byte, on one line each', () => traces(trip));
    await replayRequestOrders(report, hub, account);
    await hub.stop();
  },
};

interface Trip {
  readonly hub: HubProcess;
  readonly clients: Clients;
  readonly account: Account;
  readonly names: readonly string[];
  /** A folder with a file of each name, whose content is the name. */
  readonly local: string;
}

async function openSsh(report: Report, trip: Trip): Promise<void> {
  const { hub, clients, account, names, local } = trip;
  await report.check('OpenSSH: put -r and get -r', async () => {
    const back = await temporaryFolder('openssh');
    const moved = await clients.sftp(account, ['mkdir /openssh', `put -r ${local}/. /openssh`, `get -r /openssh/. ${back}`]);
    assert.equal(moved.code, 0, moved.output);
    await same(names, join(hub.files, 'alice/openssh'), back);
    return `${names.length} names`;
  });
  await report.check('OpenSSH: each name escaped in a batch: put, rename, get, rm', async () => {
    // A batch is read line by line, in pieces of 2,047 bytes: what holds a line feed cannot be written in it.
    const writable = names.filter(name => !/[\n\r]/.test(name));
    const back = await temporaryFolder('batch');
    const commands = ['mkdir /batch', 'mkdir /moved'];
    for (const name of writable) {
      const [from, there] = [escaped(join(local, name)), escaped(`/batch/${name}`)];
      commands.push(
        `put ${from} ${there}`,
        `rename ${there} ${escaped(`/moved/${name}`)}`,
        `get ${escaped(`/moved/${name}`)} ${escaped(join(back, name))}`,
      );
    }
    commands.push(`rm ${escaped(`/moved/${writable[0]}`)}`);
    const done = await clients.sftp(account, commands);
    assert.equal(done.code, 0, done.output.split('\n').slice(-5).join('\n'));
    await same(writable, back);
    await same(writable.slice(1), join(hub.files, 'alice/moved'));
    return `${writable.length} names, ${commands.length} commands`;
  });
}

async function lftp({ hub, clients, account, names, local }: Trip): Promise<string> {
  const back = await temporaryFolder('lftp');
  const moved = await clients.lftp(account, `mirror -R --no-perms ${local} /lftp\nmirror --no-perms /lftp ${back}`);
  assert.equal(moved.code, 0, moved.output);
  await same(names, join(hub.files, 'alice/lftp'), back);
  return `${names.length} names`;
}

async function rclone(report: Report, { hub, clients, account, names, local }: Trip): Promise<void> {
  await report.check('rclone: copy there and back', async () => {
    const back = await temporaryFolder('rclone');
    const there = await clients.rclone(account, ['copy', local, 'hub:/rclone']);
    assert.equal(there.code, 0, there.output.slice(-1_000));
    const again = await clients.rclone(account, ['copy', 'hub:/rclone', back]);
    assert.equal(again.code, 0, again.output.slice(-1_000));
    await same(names, back);
    // On its way rclone replaces control characters by pictures of them; the other names must be on the disk as they are.
    const plain = names.filter(name => !/[\x00-\x1f\x7f]/.test(name));
    const arrived = new Set(await readdir(join(hub.files, 'alice/rclone')));
    assert.deepEqual(
      plain.filter(name => !arrived.has(name)),
      [],
    );
    return `${names.length} names, ${plain.length} of them as they are`;
  });
  await report.check('rclone check agrees', async () => {
    const checked = await clients.rclone(account, ['check', '--download', local, 'hub:/rclone']);
    assert.equal(checked.code, 0, checked.output.slice(-1_000));
    return checked.output
      .split('\n')
      .find(line => line.includes('matching'))
      ?.replace(/^.*NOTICE: /, '');
  });
}

async function sshfs({ hub, clients, account, names, local }: Trip): Promise<string> {
  const mount = await clients.sshfs(account);
  try {
    const back = await temporaryFolder('sshfs');
    await mkdir(join(mount.folder, 'sshfs'));
    for (const name of names) await writeFile(join(mount.folder, 'sshfs', name), name);
    await cp(join(mount.folder, 'sshfs'), back, { recursive: true });
    await same(names, join(hub.files, 'alice/sshfs'), back, local);
  } finally {
    await mount.unmount();
  }
  return `${names.length} names`;
}

async function traces({ hub, names }: Trip): Promise<string> {
  const events = await listEvents(hub, 'upload.completed', '/openssh');
  const paths = new Set(events.map(({ data }) => data.path));
  assert.deepEqual(
    names.filter(name => !paths.has(`/openssh/${name}`)),
    [],
  );
  const table = await hub.cli(['events', 'list', '--limit', '1000']);
  const raw = /[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]/u;
  assert.equal(table.code, 0, table.output);
  assert.doesNotMatch(table.stdout, raw, 'the table holds raw control characters of a name');
  assert.doesNotMatch(hub.log, raw, 'the log holds raw control characters of a name');
  assert.ok(hub.log.split('\n').every(line => line === '' || line.startsWith('{') || !hub.log.startsWith('{')));
  return `${paths.size} paths in ${events.length} events`;
}

async function makeFiles(names: readonly string[]): Promise<string> {
  const folder = await temporaryFolder('names');
  for (const name of names) await writeFile(join(folder, name), name);
  return folder;
}

/** Asserts that each folder holds exactly these names, and each file its own name. */
async function same(names: readonly string[], ...folders: readonly string[]): Promise<void> {
  const wanted = names.map(name => Buffer.from(name).toString('hex')).sort();
  for (const folder of folders) {
    const found = (await readdir(Buffer.from(folder), { encoding: 'buffer' })).map(name => name.toString('hex')).sort();
    const absent = wanted.filter(name => !found.includes(name)).map(readable);
    const extra = found.filter(name => !wanted.includes(name)).map(readable);
    assert.deepEqual(
      { absent, extra },
      { absent: [], extra: [] },
      `names in ${folder}: absent ${absent.slice(0, 5)}, extra ${extra.slice(0, 5)}`,
    );
    for (const name of names) assert.equal(await readFile(join(folder, name), 'utf8'), name);
  }
}

function readable(hex: string): string {
  return JSON.stringify(Buffer.from(hex, 'hex').toString());
}

export default script;
