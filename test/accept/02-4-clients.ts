import assert from 'node:assert/strict';
import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../support/children.js';
import { CLIENT_LIBRARIES } from '../support/client-libraries.js';
import { CLIENT_PROGRAMS } from '../support/client-programs.js';
import { type Account, Clients } from '../support/clients.js';
import { succeeded } from '../support/file-client.js';
import { HubProcess } from '../support/hub-process.js';
import { assertSame, ClientBench, makeSources, STEPS, timed, writeContent } from './client-bench.js';
import type { AcceptScript } from './script.js';

const PASSWORD = 'correct-horse';
const HUGE_BYTES = 5 * 2 ** 30;
const CLIENTS = { ...CLIENT_PROGRAMS, ...CLIENT_LIBRARIES };

const script: AcceptScript = {
  id: '02.4.1',
  title: 'the clients that people use put, get, resume, list, rename and delete',
  async run(report, scale) {
    const hub = await HubProcess.start();
    await hub.addUser('alice', PASSWORD);
    const clients = await Clients.create();
    const account: Account = { port: hub.port, user: 'alice', password: PASSWORD };
    const sources = await makeSources(clients.home);
    const table: string[][] = [];
    for (const [index, [name, make]] of Object.entries(CLIENTS).entries()) {
      await report.check(name, async () => {
        const row = await new ClientBench(hub, account, clients, `/client ${index}`, sources).row(make);
        table.push([name, ...STEPS.map(step => row.get(step)?.slice(0, 12) ?? '-')]);
        const failed = [...row].filter(([, cell]) => cell.startsWith('FAIL'));
        if (failed.length > 0) throw new Error(failed.map(([step, cell]) => `${step}: ${cell}`).join('; '));
      });
    }
    await report.check('lftp mirrors by 16 connections at once, with no second try for any', () => lftpParallel(hub, clients, account));
    await report.check('rclone copy, check, sync and move', () => rcloneTrees(hub, clients, account));
    for (const name of scale === 'full' ? Object.keys(CLIENTS) : []) {
      await report.check(`${name} carries 5 GiB`, () => carryHuge(hub, clients, account, name));
    }
    print([['', ...STEPS], ...table]);
    await hub.stop();
  },
};

/** A tree is copied, compared, brought up to date after changes on both sides, and moved back. */
async function rcloneTrees(hub: HubProcess, clients: Clients, account: Account): Promise<void> {
  const tree = join(clients.home, 'tree');
  const stored = join(hub.files, account.user, 'tree');
  const rclone = (...args: readonly string[]) => succeeded(clients.rclone(account, args));
  await mkdir(join(tree, 'sub/deep'), { recursive: true });
  for (const name of ['one', 'sub/two', 'sub/deep/three', 'gone']) await writeFile(join(tree, name), name);
  const names = async (folder: string) => (await readdir(folder, { recursive: true })).sort();

  await rclone('copy', tree, 'hub:/tree');
  await rclone('check', tree, 'hub:/tree', '--download');
  assert.deepEqual(await names(stored), await names(tree));

  await rm(join(tree, 'gone'));
  await writeFile(join(tree, 'sub/two'), 'two, changed');
  await writeFile(join(stored, 'only here'), 'x');
  await assert.rejects(rclone('check', tree, 'hub:/tree', '--download'), /differences found/);
  await rclone('sync', tree, 'hub:/tree');
  await rclone('check', tree, 'hub:/tree', '--download');
  assert.deepEqual(await names(stored), await names(tree));

  const back = join(clients.home, 'back');
  await rclone('move', 'hub:/tree', back, '--delete-empty-src-dirs');
  assert.deepEqual(await names(back), await names(tree));
  assert.deepEqual(await readdir(stored, { recursive: true }).catch(() => []), []);
}

/** All connections begin in the same moment, from one address: more than may be without a login at a time. */
async function lftpParallel(hub: HubProcess, clients: Clients, account: Account): Promise<void> {
  const [tree, back] = [join(clients.home, 'many'), join(clients.home, 'many back')];
  await mkdir(tree);
  for (let index = 0; index < 64; index++) await writeFile(join(tree, `file-${index}`), String(index).repeat(50_000));
  const lftp = (command: string) => succeeded(clients.lftp(account, `set net:connection-limit 0\nmirror --parallel=16 ${command}`));
  await lftp(`-R "${tree}" /many`);
  await lftp(`/many "${back}"`);
  const names = (await readdir(tree)).sort();
  for (const folder of [join(hub.files, account.user, 'many'), back]) {
    assert.deepEqual((await readdir(folder)).sort(), names);
    for (const name of names) await assertSame(join(folder, name), join(tree, name));
  }
}

/** Never more than two of the large files lie on the disk. */
async function carryHuge(hub: HubProcess, clients: Clients, account: Account, name: string): Promise<string> {
  const client = await CLIENTS[name]!(clients, account);
  const [source, got] = [join(clients.home, 'huge source'), join(clients.home, 'huge')];
  const stored = join(hub.files, account.user, 'huge');
  try {
    await writeContent(source, HUGE_BYTES);
    const put = await timed(HUGE_BYTES, () => client.put(source, '/huge'));
    if (client.closesLater)
      await until('it is complete', () =>
        access(stored).then(
          () => true,
          () => false,
        ),
      );
    await assertSame(stored, source);
    await rm(source);
    const get = await timed(HUGE_BYTES, () => client.get('/huge', got));
    await assertSame(got, stored);
    return `put ${put}, get ${get}`;
  } finally {
    for (const file of [source, stored, got]) await rm(file, { force: true });
    await client.end?.();
  }
}

function print(table: readonly (readonly string[])[]): void {
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)));
  console.log(
    `\n${table
      .map(row =>
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      )
      .join('\n')}\n`,
  );
}

export default script;
