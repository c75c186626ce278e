import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { OwnFolders } from '#core/storage/own-folders.js';

test('keeps storages out of what is the hub’s own, whatever path leads there, and out of what contains it', async t => {
  const machine = await mkdtemp(join(tmpdir(), 'entrepot-own-'));
  t.teardown(() => rm(machine, { recursive: true }));
  const data = join(machine, 'data');
  for (const folder of ['data/files', 'data/hooks', 'database', 'elsewhere']) await mkdir(join(machine, folder), { recursive: true });
  await symlink(join(data, 'hooks'), join(machine, 'link'));
  const own = new OwnFolders();
  own.add(data, join(data, 'files'));
  own.add(join(machine, 'entrepot.yaml'));
  for (const folder of ['/', machine, data, `${data}/`, `${data}/hooks`, `${data}/new/one`, `${data}/files/../hooks`, `${data}/files..`])
    await t.throwsAsync(own.refuse(folder), { code: 'invalid-request', message: /is the hub's own/ }, folder);
  for (const folder of [join(machine, 'link'), join(machine, 'link/below'), join(machine, 'entrepot.yaml')])
    await t.throwsAsync(own.refuse(folder), { code: 'invalid-request' }, folder);
  for (const folder of ['data/files', 'data/files/alice', 'database', 'elsewhere', 'elsewhere/new', 'data2'])
    await t.notThrowsAsync(own.refuse(join(machine, folder)), folder);
});
