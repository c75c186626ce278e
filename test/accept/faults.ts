import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { atExit, run, temporaryFolder, until } from '../support/children.js';
import type { Account, Clients } from '../support/clients.js';
import { listEvents } from '../support/events.js';
import type { HubProcess } from '../support/hub-process.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { requireRoot } from '../support/tools.js';
import type { Report } from './script.js';

/** Cuts connections, fills a disk and locks the database under a running hub. */
export async function checkFaults(report: Report, hub: HubProcess, clients: Clients, account: Account): Promise<void> {
  await report.check('a cut connection leaves the old file whole, nothing else, and an event of the failure', () => cut(hub, account));
  await report.check('a full disk: an error, no file, no event of success; there is room again at once', () => diskFull(hub, clients));
  await report.check('a locked database: no false OK, no upload without its event, no event without its upload', () =>
    databaseLocked(hub, account),
  );
}

async function cut(hub: HubProcess, account: Account): Promise<string> {
  const login = { port: hub.port, user: account.user, password: account.password ?? '' };
  const first = await RawSftp.connect(login);
  await first.request(FXP.MKDIR, string('/cut'), Buffer.alloc(4));
  await first.put('/cut/old.txt', Buffer.from('the old one'));
  first.end();
  const folder = join(hub.files, account.user, 'cut');
  for (const path of ['/cut/old.txt', '/cut/new.txt']) {
    const client = await RawSftp.connect(login);
    const handle = await client.open(path, OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
    await client.request(FXP.WRITE, string(handle), u64(0), string(Buffer.alloc(20_000, 'new')));
    client.cut();
  }
  const failed = await until('two events of the failures', async () => {
    const events = (await listEvents(hub, 'upload.failed')).filter(({ data }) => data.path?.startsWith('/cut/'));
    return events.length >= 2 && events;
  });
  assert.deepEqual(failed.map(({ data }) => data.path).sort(), ['/cut/new.txt', '/cut/old.txt']);
  assert.deepEqual(await readdir(folder), ['old.txt']);
  assert.equal(await readFile(join(folder, 'old.txt'), 'utf8'), 'the old one');
  const completed = (await listEvents(hub, 'upload.completed')).filter(({ data }) => data.path?.startsWith('/cut/'));
  assert.equal(completed.length, 1);
  await until('no temporary is left', async () => (await temporaries(hub.files)).length === 0);
  return String(failed[0]?.data.reason);
}

async function diskFull(hub: HubProcess, clients: Clients): Promise<string> {
  requireRoot('mounting a small file system');
  const small = await temporaryFolder('small');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
  atExit(() => execFileSync('umount', ['-l', small], { stdio: 'ignore' }));
  await hub.json(['storage', 'add', 'small', '--kind', 'local', '--option', `root=${small}`]);
  await hub.addUser('carol', 'secret', ['--home', 'small:/']);
  const carol = { port: hub.port, user: 'carol', password: 'secret' };
  const source = await temporaryFolder('source');
  await writeFile(join(source, 'large.bin'), randomBytes(20 * 2 ** 20));
  await writeFile(join(source, 'small.bin'), randomBytes(2 ** 20));
  const put = await clients.sftp(carol, [`put ${source}/large.bin /large.bin`]);
  assert.notEqual(put.code, 0, 'the upload was acknowledged');
  assert.deepEqual(
    (await readdir(small)).filter(name => name !== '.entrepot'),
    [],
  );
  await until('no temporary is left', async () => (await temporaries(small)).length === 0);
  const again = await clients.sftp(carol, [`put ${source}/small.bin /small.bin`]);
  assert.equal(again.code, 0, again.output);
  const completed = (await listEvents(hub, 'upload.completed')).filter(({ data }) => data.session?.user === 'carol');
  assert.deepEqual(
    completed.map(({ data }) => data.path),
    ['/small.bin'],
  );
  return put.output.split('\n').at(-1) ?? '';
}

async function databaseLocked(hub: HubProcess, account: Account): Promise<string> {
  const folder = join(hub.files, account.user, 'locked');
  await mkdir(folder, { recursive: true });
  const client = await RawSftp.connect({ port: hub.port, user: account.user, password: account.password ?? '' });
  const database = new Database(join(hub.dataDirectory, 'hub.db'));
  const outcomes: string[] = [];
  try {
    for (const heldMs of [500, 12_000]) {
      database.prepare('BEGIN IMMEDIATE').run();
      const began = performance.now();
      const put = client.put(`/locked/${heldMs}.txt`, Buffer.from('content')).then(
        () => 'acknowledged',
        error => `refused (${(error as Error).message})`,
      );
      const early = await Promise.race([put, new Promise<undefined>(resolve => setTimeout(resolve, heldMs, undefined))]);
      assert.notEqual(early, 'acknowledged', 'it was acknowledged while its event could not be recorded');
      database.prepare('ROLLBACK').run();
      outcomes.push(`held ${heldMs} ms: ${await put} after ${(performance.now() - began).toFixed(0)} ms`);
    }
  } finally {
    database.close();
  }
  await client.put('/locked/after.txt', Buffer.from('content'));
  client.end();
  const visible = (await readdir(folder)).map(name => `/locked/${name}`).sort();
  const recorded = await until('events and files agree', async () => {
    const events = (await listEvents(hub, 'upload.completed'))
      .map(({ data }) => String(data.path))
      .filter(path => path.startsWith('/locked/'));
    return events.length === visible.length && events.sort();
  });
  assert.deepEqual(recorded, visible);
  assert.ok(visible.includes('/locked/after.txt'));
  return outcomes.join('; ');
}

async function temporaries(root: string): Promise<string> {
  const found = await run('find', [root, '-name', '.entrepot-*']);
  return found.stdout.trim();
}
