import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MEMORY_FOLDER } from '../../backends/local-storage.js';
import { temporaryFolder } from '../../support/children.js';
import { Clients } from '../../support/clients.js';
import { PASSWORD, startSftp } from './support.js';

const MIB = 1024 * 1024;

/** A hub whose files are on a disk, or on a file system in memory, where bytes go between network and file without another thread. */
async function startOn(t: ExecutionContext, medium: 'disk' | 'memory') {
  if (medium === 'disk' || process.platform !== 'linux') return startSftp(t, { storage: 'disk' });
  const dataDirectory = await mkdtemp(join(MEMORY_FOLDER, 'entrepot-test-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  return startSftp(t, { storage: 'disk', dataDirectory });
}

for (const medium of ['disk', 'memory'] as const)
  test(`OpenSSH moves 40 MiB each way with a re-key each 16 MiB, on files in ${medium}`, async t => {
    const hub = await startOn(t, medium);
    const clients = await Clients.create();
    const content = randomBytes(40 * MIB);
    await writeFile(join(clients.home, 'big'), content);
    const account = { port: hub.port('sftp'), user: 'alice', password: PASSWORD };
    const commands = [`put ${clients.home}/big /big`, `get /big ${clients.home}/back`];
    const outcome = await clients.sftp(account, commands, ['-oRekeyLimit=16M']);
    t.is(outcome.code, 0, outcome.output);
    t.true(content.equals(await readFile(join(clients.home, 'back'))));
  });

for (const cipher of [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
]) {
  test(`OpenSSH moves files with ${cipher}`, async t => {
    const hub = await startOn(t, 'memory');
    const clients = await Clients.create();
    const content = randomBytes(3 * MIB + 17);
    await writeFile(join(clients.home, 'file'), content);
    const account = { port: hub.port('sftp'), user: 'alice', password: PASSWORD };
    const commands = [`put ${clients.home}/file /file`, `get /file ${clients.home}/back`];
    const outcome = await clients.sftp(account, commands, [`-oCiphers=${cipher}`]);
    t.is(outcome.code, 0, outcome.output);
    t.true(content.equals(await readFile(join(clients.home, 'back'))));
  });
}

test('OpenSSH works with folders, names, modes and times, and ends', async t => {
  const hub = await startSftp(t, { storage: 'disk' });
  const clients = await Clients.create();
  const folder = join(clients.home, 'tree');
  await mkdir(join(folder, 'sub dir'), { recursive: true });
  await writeFile(join(folder, 'sub dir', 'ünï ©ode 😀'), 'x');
  await writeFile(join(folder, 'plain'), 'y'.repeat(100_000));
  await writeFile(join(clients.home, 'longer'), `${'y'.repeat(100_000)}tail`);
  const account = { port: hub.port('sftp'), user: 'alice', password: PASSWORD };
  const outcome = await clients.sftp(account, [
    `put -pr ${folder} /tree`,
    `get -pr /tree ${clients.home}/again`,
    'ls -l /tree',
    'rename /tree/plain /tree/renamed',
    'chmod 600 /tree/renamed',
    'ln -s renamed /tree/link',
    'ls -la /tree',
    'rm /tree/link',
    '-rm /tree/absent',
    `reput ${clients.home}/longer /tree/renamed`,
  ]);
  t.is(outcome.code, 0, outcome.output);
  t.regex(outcome.stdout, /^-rw-------.* (?:\/tree\/)?renamed$/m);
  const files = await hub.files('alice');
  t.is((await files.stat('/tree/renamed')).size, 100_004);
  t.deepEqual((await readdir(join(clients.home, 'again'), { recursive: true })).sort(), ['plain', 'sub dir', 'sub dir/ünï ©ode 😀']);
});

test('lftp and rclone mirror a folder there and back', async t => {
  const hub = await startSftp(t, { storage: 'disk' });
  const clients = await Clients.create();
  const source = await temporaryFolder('source');
  for (let index = 0; index < 60; index += 1) await writeFile(join(source, `file ${index}`), randomBytes(index * 3_000));
  const account = { port: hub.port('sftp'), user: 'alice', password: PASSWORD };
  const lftp = await clients.lftp(account, `mirror -R --parallel=4 ${source} /lftp\nmirror --parallel=4 /lftp ${clients.home}/lftp`);
  t.is(lftp.code, 0, lftp.output);
  for (const args of [
    ['copy', '--transfers', '8', source, 'hub:/rclone'],
    ['check', '--download', source, 'hub:/rclone'],
    ['check', '--download', source, 'hub:/lftp'],
    ['move', 'hub:/rclone', 'hub:/moved'],
    ['check', '--download', `${clients.home}/lftp`, 'hub:/moved'],
  ]) {
    const outcome = await clients.rclone(account, args);
    t.is(outcome.code, 0, `${args.join(' ')}: ${outcome.output}`);
  }
});
