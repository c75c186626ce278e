import { chmod, chown, mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { HookDirectory, toRules } from '#extensions/script/directory.js';
import { makeHooksFolder } from '#extensions/script/examples.js';
import { distrust } from '#extensions/script/trust.js';
import { eventually, type HooksFolder, hooksFolder, registerScript } from '../support/hooks-folder.js';

const SH = '#!/bin/sh\nexit 0\n';

async function reasons({ folder }: Pick<HooksFolder, 'folder'>): Promise<Record<string, string>> {
  return Object.fromEntries((await new HookDirectory(folder).scan()).map(({ file, reason }) => [file, reason ?? 'active']));
}

test('takes names of files for rules', async t => {
  const hooks = await hooksFolder(t);
  for (const file of [
    'upload.completed',
    'login.failed.sh',
    'file.deleted.py',
    'before.upload.sh',
    'upload.completed.d/20-b.sh',
    'upload.completed.d/10-a',
    'before.rename.d/1.sh',
  ])
    await hooks.write(file, SH);
  await hooks.write('before.login.mjs', '// @hook users=bob timeout=2s on-error=allow\n', 0o600);
  await hooks.write('download.completed.js', '// @hook match=/out/**\n', 0o600);
  const rules = toRules(await new HookDirectory(hooks.folder).scan());
  t.deepEqual(
    rules.map(({ id, events, guards }) => [id, ...events, ...guards.map(guard => `guard ${guard}`)]),
    [
      ['before.login.mjs', 'guard login'],
      ['before.rename.d/1.sh', 'guard rename'],
      ['before.upload.sh', 'guard upload'],
      ['download.completed.js', 'download.completed'],
      ['file.deleted.py', 'file.deleted'],
      ['login.failed.sh', 'login.failed'],
      ['upload.completed', 'upload.completed'],
      ['upload.completed.d/10-a', 'upload.completed'],
      ['upload.completed.d/20-b.sh', 'upload.completed'],
    ],
  );
  t.deepEqual(rules[0], {
    id: 'before.login.mjs',
    name: 'before.login.mjs',
    enabled: true,
    events: [],
    guards: ['login'],
    conditions: { users: ['bob'] },
    actions: [{ type: 'script', options: { command: 'before.login.mjs', timeoutMs: 2_000, onError: 'allow' } }],
  });
  t.deepEqual(rules[3]!.conditions, { paths: ['/out/**'] });
});

test('does not look at what is switched off, hidden, a README, a back-up copy, or made by npm', async t => {
  const hooks = await hooksFolder(t);
  for (const file of [
    '_upload.completed.sh',
    '.upload.completed.sh',
    'README.md',
    'README',
    'upload.completed.sh~',
    'upload.completed.sh.bak',
    'package.json',
    '_lib/x.js',
    'node_modules/x/index.js',
    'lib/y.js',
    'upload.completed.d/_off.sh',
  ])
    await hooks.write(file, SH);
  t.deepEqual(await reasons(hooks), {});
});

test('rejects an unknown event, and names the nearest', async t => {
  const hooks = await hooksFolder(t);
  for (const file of ['uplaod.completed.sh', 'before.uplod.sh', 'zzz.sh', 'upload.complete.d/1.sh']) await hooks.write(file, SH);
  await mkdir(join(hooks.folder, 'upload.failed'));
  t.deepEqual(await reasons(hooks), {
    'before.uplod.sh': "'before.uplod' is not the name of an event, did you mean 'before.upload'?",
    'uplaod.completed.sh': "'uplaod.completed' is not the name of an event, did you mean 'upload.completed'?",
    'upload.complete.d': "'upload.complete' is not the name of an event, did you mean 'upload.completed'?",
    'upload.failed': 'is a folder; hooks for one event go into upload.failed.d/',
    'zzz.sh': "'zzz' is not the name of an event",
  });
});

test('rejects what is not executable, writable by others, in such a folder, no file, or has a wrong header', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('upload.completed.sh', SH, 0o644);
  await hooks.write('upload.completed.py', SH, 0o722);
  await hooks.write('upload.completed.js', '', 0o620);
  await hooks.write('upload.completed.bat', SH);
  await hooks.write('login.failed.sh', '#!/bin/sh\n# @hook timeout=soon\n');
  await hooks.write('upload.failed.d/1.sh', SH);
  await chmod(join(hooks.folder, 'upload.failed.d'), 0o777);
  await mkdir(join(hooks.folder, 'upload.completed.d/sub.sh'), { recursive: true });
  t.deepEqual(await reasons(hooks), {
    'login.failed.sh': "timeout=soon: expected a duration of at most 1h, such as '60s'",
    'upload.completed.bat': 'is a batch file, which cannot be started safely',
    'upload.completed.d/sub.sh': 'is not a file',
    'upload.completed.js': 'is writable by others (mode 0620); chmod go-w it',
    'upload.completed.py': 'is writable by others (mode 0722); chmod go-w it',
    'upload.completed.sh': 'is not executable; chmod +x it',
    'upload.failed.d/1.sh': 'is in a folder that is writable by others (mode 0777); chmod go-w it',
  });
});

test('rejects everything in a folder that others may write', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('upload.completed.sh', SH);
  await hooks.write('upload.failed.d/1.sh', SH);
  await chmod(hooks.folder, 0o770);
  for (const reason of Object.values(await reasons(hooks))) t.regex(reason, /^is in a folder that is writable by others \(mode 0770\)/);
});

test('trusts files of its own user and of root alone', t => {
  const of = (uid: number, mode: number) => distrust({ uid, mode: 0o100_000 | mode }, 1000);
  t.is(of(1000, 0o700), undefined);
  t.is(of(0, 0o755), undefined);
  t.regex(of(1001, 0o700)!, /belongs to user 1001, neither to the user of the hub \(1000\) nor to root/);
  for (const mode of [0o720, 0o702, 0o777, 0o1777]) t.regex(of(1000, mode)!, /writable by others/);
  t.is(distrust({ uid: 1001, mode: 0o777 }, undefined), undefined);
});

test('rejects a file of another user', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('upload.completed.sh', SH);
  const path = join(hooks.folder, 'upload.completed.sh');
  const given = await chown(path, 12_345, 12_345).then(
    () => true,
    () => false,
  );
  t.regex((await reasons(hooks))['upload.completed.sh']!, given ? /belongs to user 12345/ : /^active$/);
});

test('follows links inside the folder and rejects those that lead out or nowhere', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('_lib/scan.sh', SH);
  await symlink('_lib/scan.sh', join(hooks.folder, 'upload.completed.sh'));
  await symlink('/bin/true', join(hooks.folder, 'upload.failed.sh'));
  await symlink('nowhere', join(hooks.folder, 'login.failed.sh'));
  await symlink('/usr', join(hooks.folder, 'file.deleted.d'));
  await hooks.write('_loose/scan.sh', SH);
  await chmod(join(hooks.folder, '_loose'), 0o777);
  await symlink('_loose/scan.sh', join(hooks.folder, 'session.ended.sh'));
  const found = await reasons(hooks);
  t.is(found['upload.completed.sh'], 'active');
  t.is(found['upload.failed.sh'], 'is a link that leads out of the hooks folder');
  t.is(found['login.failed.sh'], 'is a link to nothing');
  t.regex(found['session.ended.sh']!, /^is a link into a folder that is writable by others/);
  const outside = Object.entries(found).filter(([file]) => file.startsWith('file.deleted.d/'));
  t.true(outside.length > 0);
  for (const [file, reason] of outside) t.is(reason, 'is a link that leads out of the hooks folder', file);
});

test('is made at start with a README and examples that are switched off and would work', async t => {
  const hooks = await hooksFolder(t);
  await rm(hooks.folder, { recursive: true });
  await makeHooksFolder(hooks.folder);
  t.is((await stat(hooks.folder)).mode & 0o777, 0o700);
  t.deepEqual(await reasons(hooks), {});
  const examples = (await readdir(hooks.folder)).filter(name => name.startsWith('_'));
  t.is(examples.length, 3);
  for (const name of examples) await rename(join(hooks.folder, name), join(hooks.folder, name.slice(1)));
  t.deepEqual(await reasons(hooks), { 'before.upload.mjs': 'active', 'upload.completed.mjs': 'active', 'upload.completed.sh': 'active' });
  await rm(join(hooks.folder, 'before.upload.mjs'));
  await makeHooksFolder(hooks.folder);
  t.false((await readdir(hooks.folder)).includes('_before.upload.mjs'));
});

test('picks up what is added, changed and removed, without a restart', async t => {
  const hooks = await hooksFolder(t);
  const fake = registerScript(hooks);
  const stop = await fake.start();
  const active = () => (fake.rules.get('hooks') ?? []).map(({ name, conditions }) => `${name} ${JSON.stringify(conditions)}`).join('; ');
  t.is(active(), '');
  await hooks.write('upload.completed.sh', SH);
  await eventually(() => active() === 'upload.completed.sh {}', 'the new hook');
  await hooks.write('upload.completed.sh', '#!/bin/sh\n# @hook users=bob\n');
  await eventually(() => active() === 'upload.completed.sh {"users":["bob"]}', 'its new header');
  await hooks.write('upload.completed.d/1.sh', SH);
  await eventually(() => active() === 'upload.completed.d/1.sh {}; upload.completed.sh {"users":["bob"]}', 'the hook in a folder');
  await chmod(join(hooks.folder, 'upload.completed.d/1.sh'), 0o777);
  await eventually(() => active() === 'upload.completed.sh {"users":["bob"]}', 'the rejection');
  await rm(join(hooks.folder, 'upload.completed.sh'));
  await eventually(() => active() === '', 'the removal');
  await stop();
  await hooks.write('upload.failed.sh', SH);
  t.is(active(), '');
  const warnings = fake.lines.filter(({ level }) => level === 'warn');
  t.deepEqual(
    warnings.map(({ message }) => message),
    ['Hook rejected: is writable by others (mode 0777); chmod go-w it'],
  );
});

test('makes the folder when it starts, and does not touch it when hooks are switched off', async t => {
  const hooks = await hooksFolder(t);
  const off = registerScript(hooks, { enabled: false, directory: 'off' });
  await (await off.start())();
  t.deepEqual(await readdir(hooks.dataDirectory), ['hooks']);
  t.deepEqual(await off.report('hooks'), []);
  t.deepEqual(await off.report('hooks-folder'), { folder: join(hooks.dataDirectory, 'off'), enabled: false });
  const on = registerScript(hooks, { directory: 'on' });
  await (await on.start())();
  t.true((await readdir(join(hooks.dataDirectory, 'on'))).includes('README.md'));
});

test('reports each hook with its state, what is wrong, and its conditions', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('before.upload.sh', '#!/bin/sh\n# @hook match=/in/**,/b users=a timeout=2s on-error=allow\n');
  await hooks.write('upload.completed.sh', SH, 0o600);
  t.deepEqual(await registerScript(hooks).report('hooks'), [
    {
      file: 'before.upload.sh',
      event: 'before.upload',
      status: 'active',
      reason: '',
      conditions: 'match=/in/**,/b users=a timeout=2000ms on-error=allow',
    },
    {
      file: 'upload.completed.sh',
      event: 'upload.completed',
      status: 'rejected',
      reason: 'is not executable; chmod +x it',
      conditions: '',
    },
  ]);
});
