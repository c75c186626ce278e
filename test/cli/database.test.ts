import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { DATABASES, onEachDatabase } from '../support/databases.js';
import { entrepot, startHub, temporaryFolder } from './cli.js';

const [SQLITE, MARIADB, POSTGRES] = DATABASES;

onEachDatabase('migrate tells what it would do, does it once, and tells what was done', async (t, kind) => {
  const cwd = await temporaryFolder(t);
  const env = { ENTREPOT_DATABASE__URL: await kind.fresh() };
  await mkdir(join(cwd, 'entrepot-data'));
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await entrepot(['migrate', ...words], { cwd, env });
    t.is(code, 0, stderr);
    return stdout;
  };
  t.regex(await run('--dry-run'), /^Would take: 0001_accounts, 0002_storage/);
  t.regex(await run('--status'), /0001_accounts +no/);
  t.regex(await run(), /^Took: 0001_accounts/);
  t.is(await run(), 'The schema is up to date.\n');
  t.notRegex(await run('--status'), / no$/m);
});

ava('copies a hub from SQLite over MariaDB and PostgreSQL back to SQLite, and refuses what holds records', async t => {
  t.timeout(170_000);
  const cwd = await temporaryFolder(t);
  const run = async (words: readonly string[], env = {}) => entrepot(words, { cwd, env });
  for (const name of ['alice', 'Zoë']) t.is((await run(['user', 'add', name])).code, 0);
  t.is((await run(['webhook', 'add', 'https://example.com/hook', '--event', 'upload.*'])).code, 0);
  const [mariadb, postgres] = [await MARIADB!.fresh(), await POSTGRES!.fresh()];
  await writeFile(join(cwd, 'password'), 'hub\n');
  const bare = mariadb.replace('hub:hub@', 'hub@');
  const steps = [
    ['--from', 'sqlite:hub.db', '--to', bare, '--to-password-file', 'password'],
    ['--from', mariadb, '--to', postgres],
    ['--from', postgres, '--to', 'sqlite:back.db'],
  ];
  for (const step of steps) {
    const { code, stdout, stderr } = await run(['database', 'copy', ...step]);
    t.is(code, 0, stderr);
    t.regex(stdout, /users +2\n/);
  }
  const again = await run(['database', 'copy', '--from', 'sqlite:hub.db', '--to', postgres]);
  t.is(again.code, 1);
  t.regex(again.stderr, /postgres:\/\/hub@127\.0\.0\.1:\d+\/hub_\d+ holds records already/);

  const told = async (url: string) => (await run(['user', 'list', '--json'], { ENTREPOT_DATABASE__URL: url })).stdout;
  const first = await told('sqlite:hub.db');
  t.regex(first, /Zoë/);
  for (const url of [mariadb, postgres, 'sqlite:back.db']) t.is(await told(url), first);

  // The sealed secrets open with the key of the installation, and with no other.
  const hooks = await run(['webhook', 'list', '--json'], { ENTREPOT_DATABASE__URL: postgres });
  t.regex(hooks.stdout, /example\.com/);
  await mkdir(join(cwd, 'other'));
  const foreign = await entrepot(['user', 'list', '--data-dir', 'other'], { cwd, env: { ENTREPOT_DATABASE__URL: postgres } });
  t.is(foreign.code, 1);
  t.regex(foreign.stderr, /sealed with another secret key/);
  await copyFile(join(cwd, 'entrepot-data/secret.key'), join(cwd, 'other/secret.key'));
  t.is((await entrepot(['user', 'list', '--data-dir', 'other'], { cwd, env: { ENTREPOT_DATABASE__URL: postgres } })).code, 0);
});

ava('copies nothing while a hub runs, and out of nothing', async t => {
  const cwd = await temporaryFolder(t);
  const nothing = await entrepot(['database', 'copy', '--from', 'sqlite:none.db', '--to', 'sqlite:new.db'], { cwd });
  t.is(nothing.code, 2);
  const odd = await entrepot(['database', 'copy', '--from', 'mysql://u:hidden@h', '--to', 'sqlite:new.db'], { cwd });
  t.is(odd.code, 2);
  t.notRegex(odd.stderr, /hidden/);
  const hub = await startHub(t, cwd);
  const busy = await entrepot(['database', 'copy', '--from', 'sqlite:hub.db', '--to', 'sqlite:new.db'], { cwd });
  t.is(busy.code, 1);
  t.regex(busy.stderr, /already runs/);
  await hub.end();
});

onEachDatabase('doctor tells of the database, and no command or file gives its password away', async (t, kind) => {
  const cwd = await temporaryFolder(t);
  await mkdir(join(cwd, 'entrepot-data'), { mode: 0o700 });
  const url = (await kind.fresh()).replace('hub:hub@', 'hub@');
  await writeFile(join(cwd, 'password'), 'hub');
  const env = { ENTREPOT_DATABASE__URL: url, ...(kind === SQLITE ? {} : { ENTREPOT_DATABASE__PASSWORD_FILE: join(cwd, 'password') }) };
  const { stdout, stderr } = await entrepot(['doctor', '--json'], { cwd, env });
  const found = (JSON.parse(stdout) as { check: string; result: string; detail: string }[]).filter(({ check }) => check === 'database');
  t.true(found.length > 0, stdout + stderr);
  t.regex(found[0]!.detail, new RegExp(`^${kind.name} `));
  t.false(
    found.some(({ result }) => result === 'fail'),
    stdout,
  );
  if (kind === SQLITE) return;
  t.regex(
    found.find(({ detail }) => detail.includes('connections (`database.pool`'))?.detail ?? stdout,
    /^1 process may open 14 connections \(`database\.pool` and 4 for lists each\), and the server takes \d+$/,
  );
  const wide = await entrepot(['doctor', '--json'], { cwd, env: { ...env, ENTREPOT_DATABASE__POOL: '400' } });
  t.regex(
    wide.stdout,
    /"result": ?"warn",\s*"detail": ?"1 process may open 534 connections .*raise its max_connections, or lower `database\.pool`/,
  );
  const secret = { ENTREPOT_DATABASE__URL: url.replace('hub@', 'hub:wrong-canary@') };
  for (const words of [['config', 'print'], ['config', 'print', '--json'], ['user', 'list', '--debug'], ['doctor'], ['migrate']]) {
    const shown = await entrepot(words, { cwd, env: secret });
    t.false(`${shown.stdout}${shown.stderr}`.includes('canary'), words.join(' '));
  }
  t.false((await readFile(join(cwd, 'entrepot-data/secret.key'), 'utf8')).includes('canary'));
});
