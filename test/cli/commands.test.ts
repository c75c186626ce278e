import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import Sqlite from 'better-sqlite3';
import { DEFAULT_RIGHTS } from '#core/db/user.js';
import { entrepot, startHub, temporaryFolder } from './cli.js';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkDnDZwMBNtfqxoCtFTxcB9YCuMrh5uyC9fVzRgvP8 laptop\n';

function commandsIn(t: ExecutionContext, cwd: string, env: Readonly<Record<string, string>> = {}) {
  const run = (words: readonly string[], input?: string) => entrepot(words, { cwd, env, ...(input !== undefined && { input }) });
  return {
    run,
    json: async <T>(words: readonly string[], input?: string): Promise<T> => {
      const ended = await run([...words, '--json'], input);
      t.is(ended.code, 0, ended.stderr);
      return JSON.parse(ended.stdout) as T;
    },
    fails: async (words: readonly string[], expected: RegExp, input?: string) => {
      const ended = await run(words, input);
      t.is(ended.code, 1, ended.stdout);
      t.regex(ended.stderr, expected);
      t.is(ended.stderr.trim().split('\n').length, 1, ended.stderr);
    },
  };
}

for (const live of [true, false]) {
  test.serial(`adds, changes and shows a user ${live ? 'through a running hub' : 'without a hub'}`, async t => {
    const cwd = await temporaryFolder(t);
    if (live) await startHub(t, cwd);
    const { json, run, fails } = commandsIn(t, cwd);
    const added = await json<{ username: string; password?: string }>([
      'user',
      'add',
      'alice',
      '--permission',
      '/in=list,upload',
      '--deny',
      '/in=*.exe',
    ]);
    t.true((added.password?.length ?? 0) >= 16);
    await writeFile(join(cwd, 'key.pub'), KEY);
    await json(['user', 'add', 'bob', '--key', 'key.pub']);
    const { items } = await json<{ items: { username: string; hasPassword: boolean }[] }>(['user', 'list']);
    t.deepEqual(
      items.map(({ username, hasPassword }) => [username, hasPassword]),
      [
        ['alice', true],
        ['bob', false],
      ],
    );
    const shown = await json<object>(['user', 'show', 'alice']);
    t.like(shown, {
      permissions: { '/': [...DEFAULT_RIGHTS], '/in': ['list', 'upload'] },
      patterns: [{ path: '/in', allow: [], deny: ['*.exe'], hidden: false }],
    });
    t.is((await json<{ status: string }>(['user', 'disable', 'alice'])).status, 'disabled');
    const text = await run(['user', 'show', 'alice']);
    t.regex(text.stdout, /^Status: +disabled$/m);
    await json(['user', 'set', 'alice', '--method', 'publickey+password', '--method', 'publickey']);
    t.regex((await run(['user', 'show', 'alice'])).stdout, /^Logs in by: +publickey\+password or publickey$/m);
    await fails(['user', 'set', 'alice', '--method', 'password+secret'], /methods.*publickey, password/);
    await json(['user', 'set', 'alice', '--method', 'any']);
    t.regex((await run(['user', 'show', 'alice'])).stdout, /^Logs in by: +any one key or password$/m);
    await json(['user', 'mount', 'add', 'alice', '/shared', 'data:/shared']);
    t.is((await json<unknown[]>(['user', 'mount', 'list', 'alice'])).length, 2);
    t.like(
      await json<object>(['user', 'set', 'alice', '--password-file', '-', '--status', 'active', '--expires', '2030-01-01'], 'new one\n'),
      { status: 'active' },
    );
    await fails(['user', 'set', 'alice', '--password-file', '-'], /empty/, '\n');
    await fails(['user', 'add', 'alice'], /already/);
    await fails(['user', 'show', 'alcie'], /did you mean 'alice'/);
    await fails(['user', 'add', 'carol', '--key', 'missing.pub'], /missing\.pub cannot be read/);
    await json(['user', 'remove', 'alice']);
    await fails(['user', 'show', 'alice'], /no user 'alice'/);
  });
}

test.serial('has storages, webhooks, events, deliveries, sessions and hooks to show', async t => {
  const cwd = await temporaryFolder(t);
  await startHub(t, cwd);
  const { json, run, fails } = commandsIn(t, cwd);
  await json(['storage', 'add', 'archive', '--kind', 'local', '--option', `root=${join(cwd, 'archive')}`]);
  t.deepEqual(
    (await json<{ name: string }[]>(['storage', 'list'])).map(({ name }) => name),
    ['archive', 'data'],
  );
  t.true((await json<{ ok: boolean }>(['storage', 'test', 'archive'])).ok);
  await fails(['storage', 'add', 'x', '--kind', 'local', '--option', 'rot=/x'], /did you mean 'root'/);
  await fails(['storage', 'add', 'x', '--kind', 'memory', '--option-file', 'capacity=/is/not/there'], /cannot be read/);
  const webhook = await run(['webhook', 'add', 'http://127.0.0.1:9/', '--event', 'upload.completed', 'login.failed', '--json']);
  t.regex(webhook.stderr, /outbound\.allow/);
  const { id, secret } = JSON.parse(webhook.stdout) as { id: string; secret: string };
  t.regex(secret, /^whsec_/);
  t.deepEqual((await json<{ events: string[] }[]>(['webhook', 'list']))[0]?.events, ['upload.completed', 'login.failed']);
  const behind = await json<{ url: string; events: string[] }>(['webhook', 'add', '--event', 'upload.completed', 'https://example.com/']);
  t.like(behind, { url: 'https://example.com/', events: ['upload.completed'] });
  await json(['webhook', 'remove', 'https://example.com/']);
  const tested = await run(['webhook', 'test', id]);
  t.is(tested.code, 1);
  t.regex(tested.stdout, /Not delivered: .*outbound\.allow/);
  const { items } = await json<{ items: { id: string; type: string }[] }>(['events', 'list', '--type', 'webhook.*', '--since', '1h']);
  t.deepEqual(
    items.map(({ type }) => type),
    ['webhook.test'],
  );
  t.regex((await run(['events', 'show', items[0]!.id])).stdout, /webhook\.test/);
  t.regex(
    (await run(['events', 'list', '--type', 'admin.acted'])).stdout,
    /admin\.acted +\(command line\) +webhooks\.remove · https:\/\/example\.com\/ /,
  );
  const deliveries = await json<{ items: { id: string }[] }>(['deliveries', 'list']);
  t.regex((await run(['deliveries', 'show', deliveries.items[0]!.id])).stdout, /outbound\.allow/);
  await fails(['deliveries', 'dismiss', 'none'], /none/);
  t.deepEqual(await json(['sessions', 'list']), []);
  await fails(['sessions', 'end', 'nobody'], /no session/);
  t.like(await json(['traffic']), { binMs: 300_000, bins: [], complete: true });
  t.deepEqual(await json(['hooks', 'list']), []);
  await json(['webhook', 'remove', id]);
  t.regex((await run(['webhook', 'list'])).stdout, /There are no webhooks/);
});

test.serial('does not make a data directory only to read from it', async t => {
  const cwd = await temporaryFolder(t);
  const { fails } = commandsIn(t, cwd);
  await fails(['user', 'list'], /no data directory/);
  await fails(['events', 'list', '--data-dir', 'tpyo'], /tpyo/);
  t.deepEqual(await readdir(cwd), []);
});

test.serial('prints the configuration, and where each value comes from, without secrets', async t => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'config.yaml'), `limits: { idle: 3m }\nsecrets: { key: ${Buffer.alloc(32, 7).toString('base64')} }\n`);
  const { json, run } = commandsIn(t, cwd, { ENTREPOT_CONFIG: 'config.yaml' });
  const tree = await json<{ limits: { idle: string }; secrets: { key: string }; protocols: { sftp: { port: number } } }>([
    'config',
    'print',
  ]);
  t.is(tree.limits.idle, '3m');
  t.is(tree.secrets.key, '(hidden)');
  t.is(tree.protocols.sftp.port, 0);
  const { stdout } = await run(['config', 'print', '--sources']);
  t.regex(stdout, /^limits\.idle +3m +config\.yaml$/m);
  t.regex(stdout, /^protocols\.sftp\.port +0 +ENTREPOT_PROTOCOLS__SFTP__PORT$/m);
  t.regex(stdout, /^limits\.sessions +5000 +default$/m);
  t.deepEqual(await readdir(cwd), ['config.yaml']);
});

test.serial('doctor finds nothing wrong with a new hub, and names what is', async t => {
  const cwd = await temporaryFolder(t);
  const hub = await startHub(t, cwd);
  const { run } = commandsIn(t, cwd);
  const good = await entrepot(['doctor', '--json'], { cwd, env: { ENTREPOT_PROTOCOLS__SFTP__PORT: String(hub.port) } });
  t.is(good.code, 0, good.stdout);
  const rows = JSON.parse(good.stdout) as { check: string; result: string; detail: string }[];
  t.regex(
    rows.find(({ check }) => check === `port ${hub.port}`)?.detail ?? '',
    /running hub \(pid \d+\) listens on it for sftp at 127\.0\.0\.1/,
  );
  for (const name of ['node', 'configuration', 'data directory', 'disk space', 'disk sync', 'clock', 'hub', 'storage data', 'hooks']) {
    t.true(
      rows.some(({ check }) => check === name),
      name,
    );
  }
  const other = await entrepot(['doctor'], { cwd, env: { ENTREPOT_PROTOCOLS__SFTP__PORT: '2022' } });
  t.is(other.code, 0, other.stdout);
  t.regex(other.stdout, new RegExp(`^port ${hub.port} +ok +the running hub`, 'm'));
  t.regex(other.stdout, new RegExp(`^port 2022 +warn +.*the running hub uses ${hub.port}`, 'm'));
  const [key] = (await readdir(join(cwd, 'entrepot-data/host-keys'))).filter(name => name.endsWith('_key'));
  await chmod(join(cwd, 'entrepot-data/host-keys', key!), 0o644);
  await chmod(join(cwd, 'entrepot-data'), 0o755);
  const bad = await run(['doctor']);
  t.is(bad.code, 1);
  t.regex(bad.stdout, new RegExp(`^key ${key} +fail +others may read`, 'm'));
  t.regex(bad.stdout, /^data directory +warn/m);
});

test.serial('errors are JSON where JSON is asked for, and carry a stack only for --debug', async t => {
  const cwd = await temporaryFolder(t);
  const { run } = commandsIn(t, cwd);
  const { code, stderr } = await run(['user', 'list', '--json']);
  t.is(code, 1);
  t.is((JSON.parse(stderr) as { error: { code: string } }).error.code, 'not-found');
  t.regex((await run(['user', 'list', '--debug'])).stderr, /^\s+at /m);
});

test('lists and lifts bans', async t => {
  const cwd = await temporaryFolder(t);
  const { json, run, fails } = commandsIn(t, cwd);
  await json(['user', 'add', 'alice']);
  t.regex((await run(['ban', 'list'])).stdout, /Nobody is turned away/);
  await fails(['ban', 'lift', '192.0.2.7'], /192\.0\.2\.7.*not turned away/);
  const now = Date.now();
  const database = new Sqlite(join(cwd, 'entrepot-data/hub.db'));
  database
    .prepare("INSERT INTO bans (kind, subject, times, reason, since, until) VALUES ('address', '192.0.2.7', 2, '15 failed logins', ?, ?)")
    .run(now, now + 3_600_000);
  database.close();
  t.regex((await run(['ban', 'list'])).stdout, /address 192\.0\.2\.7 +15 failed logins +2 .*60 min/);
  t.regex((await run(['ban', 'lift', '::ffff:192.0.2.7'])).stdout, /address 192\.0\.2\.7 may try again/);
  t.deepEqual(await json(['ban', 'list']), []);
});

test('lists, adds and rotates host keys', async t => {
  const cwd = await temporaryFolder(t);
  const { json, run, fails } = commandsIn(t, cwd);
  await json(['user', 'add', 'alice']);
  t.regex((await run(['hostkey', 'list'])).stdout, /no host keys yet/);
  const added = await json<{ fingerprint: string }>(['hostkey', 'add', 'ed25519']);
  await fails(['hostkey', 'add', 'ed25519'], /next ed25519 key already/);
  t.true((await run(['hostkey', 'rotate', 'ed25519'])).stdout.includes(`Offered to new clients: ed25519 ${added.fingerprint}`));
  t.regex((await run(['hostkey', 'list'])).stdout, /ed25519 +offered +SHA256:/);
  await fails(['hostkey', 'rotate', 'dsa'], /ed25519, ecdsa, rsa/);
  await fails(['hostkey', 'remove', added.fingerprint], /offered to clients/);
  await fails(['hostkey', 'remove', 'SHA256:none'], /No host key has the fingerprint/);
  const next = await json<{ fingerprint: string }>(['hostkey', 'add', 'ed25519']);
  t.true((await run(['hostkey', 'remove', next.fingerprint])).stdout.includes('Removed the next ed25519 key'));
  t.false((await run(['hostkey', 'list'])).stdout.includes(next.fingerprint));
});
