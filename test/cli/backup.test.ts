import { copyFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { entrepot, startHub, temporaryFolder } from './cli.js';

test('backs up while the hub runs and while it does not, and restores into another data directory', async t => {
  const cwd = await temporaryFolder(t);
  const hub = await startHub(t, cwd);
  t.is((await entrepot(['user', 'add', 'alice'], { cwd })).code, 0);
  const made = await entrepot(['backup', 'live.gz'], { cwd });
  t.is(made.code, 0, made.stderr);
  t.regex(made.stdout, /^Backed up \d+ records to .*\/live\.gz \(.*\)\.\nKeep secret\.key/);
  t.is((await stat(join(cwd, 'live.gz'))).mode & 0o777, 0o600);
  const kept = await entrepot(['backup', '--json'], { cwd });
  t.regex(JSON.parse(kept.stdout).file, /^data:\/\.backups\/entrepot-\d{8}T\d{9}Z\.jsonl\.gz$/);
  t.is((await readdir(join(cwd, 'entrepot-data/files/.backups'))).length, 1);
  const listed = await entrepot(['backup', '--list', '--json'], { cwd });
  t.deepEqual(
    JSON.parse(listed.stdout).map(({ file }: { file: string }) => file),
    [JSON.parse(kept.stdout).file],
  );

  const refused = await entrepot(['restore', 'live.gz', '--replace'], { cwd });
  t.is(refused.code, 1);
  t.regex(refused.stderr, /Another hub \(pid \d+\) already runs/);
  await hub.end();
  t.is((await entrepot(['backup', 'still.gz'], { cwd })).code, 0);
  t.regex((await entrepot(['restore', 'live.gz', '--check'], { cwd })).stdout, /^Whole: \d+ records of /);

  const other = ['--data-dir', 'other'];
  const keyless = await entrepot(['restore', 'live.gz', ...other], { cwd });
  t.is(keyless.code, 1);
  t.regex(keyless.stderr, /Put the secret key of the hub that made the backup into .*other\/secret\.key/);
  await mkdir(join(cwd, 'other'), { recursive: true });
  await copyFile(join(cwd, 'entrepot-data/secret.key'), join(cwd, 'other/secret.key'));
  const restored = await entrepot(['restore', 'live.gz', ...other], { cwd });
  t.is(restored.code, 0, restored.stderr);
  t.regex(restored.stdout, /^Restored \d+ records .*\nPut back: host-keys\/ssh_host/);
  const [before, after] = await Promise.all([[], other].map(more => entrepot(['user', 'list', '--json', ...more], { cwd })));
  t.regex(after!.stdout, /"alice"/);
  t.is(after!.stdout, before!.stdout);
  const key = 'host-keys/ssh_host_ed25519_key';
  t.is(await readFile(join(cwd, 'other', key), 'utf8'), await readFile(join(cwd, 'entrepot-data', key), 'utf8'));

  const again = await entrepot(['restore', 'live.gz', ...other], { cwd });
  t.is(again.code, 1);
  t.regex(again.stderr, /not empty; `--replace`/);
  const replaced = await entrepot(['restore', 'still.gz', '--replace', ...other], { cwd });
  t.regex(replaced.stdout, /The database before is .*\/other\/hub\.db\.before-restore-/);
});
