import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import Sqlite from 'better-sqlite3';
import { idOf, pastEvent } from '../support/past-events.js';
import { entrepot, startHub, temporaryFolder } from './cli.js';

function commandsIn(t: ExecutionContext, cwd: string) {
  const run = (words: readonly string[]) => entrepot(words, { cwd });
  const json = async <T>(words: readonly string[]): Promise<T> => {
    const ended = await run([...words, '--json']);
    t.is(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout) as T;
  };
  return { run, json };
}

for (const live of [true, false]) {
  const how = live ? 'through a running hub' : 'without a hub';

  test.serial(`adds, lists and removes rules for addresses and keys of programs ${how}`, async t => {
    const cwd = await temporaryFolder(t);
    if (live) await startHub(t, cwd);
    const { run, json } = commandsIn(t, cwd);
    await json(['user', 'add', 'alice']);
    const rule = await json<{ id: string; range: string }>([
      'address-rule',
      'add',
      '203.0.113.7',
      '--action',
      'deny',
      '--comment',
      'noise',
    ]);
    t.is(rule.range, '203.0.113.7/32');
    t.regex((await run(['address-rule', 'add', '203.0.113.7', '--action', 'allow'])).stderr, /There is a rule for 203.0.113.7\/32 already/);
    t.regex((await run(['address-rule', 'list'])).stdout, /203\.0\.113\.7\/32 +deny .*noise/);
    t.is((await run(['address-rule', 'remove', rule.id])).code, 0);
    t.deepEqual(await json(['address-rule', 'list']), []);

    const made = await json<{ token: string; key: { id: string; owner: string; expiresAt: number } }>([
      'api-key',
      'create',
      'nightly',
      '--user',
      'alice',
      '--scope',
      'read',
      '--days',
      '30',
    ]);
    t.regex(made.token, /^ek_/);
    t.is(made.key.owner, 'alice');
    t.true(Math.abs(made.key.expiresAt - Date.now() - 30 * 86_400_000) < 600_000);
    const listed = await run(['api-key', 'list']);
    t.regex(listed.stdout, /nightly +user alice +read/);
    t.false(listed.stdout.includes(made.token));
    t.regex((await run(['api-key', 'create', 'x', '--admin', 'nobody', '--scope', 'read'])).stderr, /There is no admin 'nobody'/);
    t.is((await run(['api-key', 'create', 'x', '--scope', 'read'])).code, 2);
    t.is((await run(['api-key', 'remove', made.key.id])).code, 0);
    t.deepEqual(await json(['api-key', 'list']), []);
  });

  test.serial(`sets the branding, and lists extensions and targets ${how}`, async t => {
    const cwd = await temporaryFolder(t);
    if (live) await startHub(t, cwd);
    const { run, json } = commandsIn(t, cwd);
    await json(['user', 'add', 'alice']);
    await writeFile(join(cwd, 'logo'), Buffer.from('89504e470d0a1a0a0000', 'hex'));
    t.is((await run(['branding', 'set', '--name', 'Files of Acme', '--colour', '#1c7ed6', '--logo', 'logo'])).code, 0);
    t.like(await json(['branding', 'show']), { name: 'Files of Acme', colour: '#1c7ed6', logo: 'data:image/png;base64,iVBORw0KGgoAAA==' });
    await writeFile(join(cwd, 'logo'), '<svg/>');
    t.regex((await run(['branding', 'set', '--logo', 'logo'])).stderr, /is no PNG, JPEG, WebP or GIF/);
    t.regex((await run(['branding', 'set', '--colour', 'green'])).stderr, /expected a colour/);
    t.like(await json(['branding', 'set', '--logo', '']), { name: 'Files of Acme', logo: '' });

    t.regex((await run(['extension', 'list'])).stdout, /^webhook +\d+\.\d+\.\d+ +ok +action webhook/m);
    await json(['webhook', 'add', 'https://example.com/hook', '--event', 'upload.completed']);
    t.like(await json(['target', 'list']), { 0: { kind: 'webhook', name: 'https://example.com/hook', enabled: true } });
  });
}

test.serial('shows what is in a storage, and prints all events of a time as lines', async t => {
  const cwd = await temporaryFolder(t);
  const { run, json } = commandsIn(t, cwd);
  await json(['user', 'add', 'alice']);
  const home = join(cwd, 'entrepot-data/files/alice');
  await mkdir(join(home, 'in'), { recursive: true });
  await writeFile(join(home, '=SUM(A1).csv'), 'four');
  const shown = await run(['storage', 'browse', 'data', '/alice']);
  t.regex(shown.stdout, /^NAME +SIZE +CHANGED\nin\/ +- .*\n=SUM\(A1\)\.csv +4 /);
  t.like(await json(['storage', 'browse', 'data', '/alice', '--limit', '1', '--offset', '1']), {
    path: '/alice',
    total: 2,
    items: { 0: { name: '=SUM(A1).csv', type: 'file', size: 4 }, length: 1 },
  });
  t.regex((await run(['storage', 'browse', 'data', '/nowhere'])).stderr, /No such file or directory/);
  t.regex((await run(['storage', 'browse', 'dota'])).stderr, /There is no storage 'dota', did you mean 'data'/);

  const path = join(cwd, 'entrepot-data/hub.db');
  const db = new Sqlite(path);
  const add = db.prepare("insert into events (id, type, username, path, time, state, event) values (?, ?, ?, ?, ?, 'ready', ?)");
  for (let i = 0; i < 250; i++) {
    const [id, time, place] = [idOf(1_700_000_000_000 + i, i), 1_700_000_000_000 + i, `/=1+${i}`];
    add.run(id, 'upload.completed', '=alice', place, time, pastEvent({ id, type: 'upload.completed', user: '=alice', time, path: place }));
  }
  db.close();
  const lines = (await run(['events', 'export', '--type', 'upload.*'])).stdout.trim().split('\n');
  t.deepEqual(
    lines.map(line => (JSON.parse(line) as { subject: string }).subject),
    Array.from({ length: 250 }, (_, i) => `/=1+${i}`),
  );
  const csv = (await run(['events', 'export', '--format', 'csv', '--path', '/=1+7', '--until', '2024-01-01'])).stdout;
  t.regex(
    csv,
    /^time,type,user,path,remoteAddress,id,data\r\n2023-11-14T22:13:20\.007Z,upload\.completed,'=alice,\/=1\+7,192\.0\.2\.1,[-0-9a-f]{36},"\{""path"".*"\r\n$/,
  );
});
