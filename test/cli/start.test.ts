import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import { type Ended, entrepot, startHub, temporaryFolder } from './cli.js';

/** One clear sentence and exit 1, never a stack trace. */
function refused(t: ExecutionContext, ended: Ended, ...expected: RegExp[]): void {
  t.is(ended.code, 1, ended.stderr);
  t.notRegex(ended.stderr, /^\s+at /m);
  t.is(ended.stdout, '');
  for (const pattern of expected) t.regex(ended.stderr, pattern);
}

test.serial('starts in an empty folder, says where it listens, and ends with 0 at SIGTERM', async t => {
  const cwd = await temporaryFolder(t);
  const hub = await startHub(t, cwd);
  const data = join(cwd, 'entrepot-data');
  t.is((await stat(data)).mode & 0o777, 0o700);
  t.is((await stat(join(data, 'control.sock'))).mode & 0o777, 0o600);
  const run = JSON.parse(await readFile(join(data, 'run.json'), 'utf8')) as { pid: number | undefined; listeners: { port: number }[] };
  t.is(run.pid, hub.child.pid);
  t.deepEqual(run.listeners, [
    { protocol: 'sftp', host: '127.0.0.1', port: hub.port, tls: false },
    { protocol: 'ftp', host: '127.0.0.1', port: run.listeners[1]!.port, tls: false },
    { protocol: 'web', host: '127.0.0.1', port: run.listeners[2]!.port, tls: false },
  ]);
  t.is(await hub.end(), 0);
  const lines = hub
    .output()
    .stderr.trim()
    .split('\n')
    .map(line => JSON.parse(line) as { msg: string; listeners?: { port: number; fingerprints: string[] }[] });
  const listening = lines.find(line => line.msg === 'listening');
  t.is(listening?.listeners?.[0]?.port, hub.port);
  t.true(listening?.listeners?.[0]?.fingerprints.some(text => text.includes('SHA256:')));
  t.is(hub.output().stdout, '');
  const left = await readdir(data);
  t.false(left.includes('run.json') || left.includes('control.sock'));
});

test.serial('refuses a second hub with the pid of the first, and follows one that was killed', async t => {
  const cwd = await temporaryFolder(t);
  const first = await startHub(t, cwd);
  refused(t, await entrepot(['start'], { cwd }), new RegExp(`Another hub \\(pid ${first.child.pid}\\) already runs`));
  await first.end('SIGKILL');
  const left = await readdir(join(cwd, 'entrepot-data'));
  t.true(left.includes('run.json') && left.includes('control.sock'));
  t.is((await entrepot(['user', 'list'], { cwd })).code, 0, 'commands work without the hub');
  const second = await startHub(t, cwd);
  t.is(await second.end('SIGINT'), 0);
});

test.serial('says that a port is taken', async t => {
  const cwd = await temporaryFolder(t);
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  refused(t, await entrepot(['start'], { cwd, env: { ENTREPOT_PROTOCOLS__SFTP__PORT: String(port) } }), new RegExp(String(port)));
  t.false((await readdir(join(cwd, 'entrepot-data'))).includes('run.json'));
});

test.serial('says that the data directory cannot be written', async t => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'file'), '');
  refused(t, await entrepot(['start', '--data-dir', 'file'], { cwd }), /file.*cannot be written|not a directory/i);
  if (process.getuid?.() === 0) return;
  await mkdir(join(cwd, 'closed'));
  await chmod(join(cwd, 'closed'), 0o500);
  refused(t, await entrepot(['start', '--data-dir', 'closed/data'], { cwd }), /cannot be written/);
});

test.serial('says that the database is from a newer version', async t => {
  const cwd = await temporaryFolder(t);
  t.is((await entrepot(['user', 'add', 'alice'], { cwd })).code, 0);
  const database = new Database(join(cwd, 'entrepot-data/hub.db'));
  database.prepare("INSERT INTO migrations (name, applied_at) VALUES ('9999_from_the_future', 0)").run();
  database.close();
  refused(t, await entrepot(['start'], { cwd }), /newer/);
});

test.serial('names file, option and what was expected for each wrong configuration', async t => {
  const cwd = await temporaryFolder(t);
  for (const [yaml, ...expected] of [
    ['protocols:\n  sftp: { prot: 1 }', /protocols\.sftp\.prot: no such option, did you mean 'port'/],
    ['protocols:\n  sftp: { port: abc }', /protocols\.sftp\.port: expected a number between 0 and 65535, got "abc"/],
    ['protocol: {}', /protocol: no such option, did you mean 'protocols'/],
    ['protocols: { stfp: {} }', /protocols\.stfp: no such protocol, did you mean 'sftp'/],
    ['limits: [', /wrong\.yaml:1:\d+: not valid YAML/],
  ] as const) {
    await writeFile(join(cwd, 'wrong.yaml'), yaml);
    for (const command of [['config', 'check'], ['start']])
      refused(t, await entrepot([...command, '--config', 'wrong.yaml'], { cwd }), /wrong\.yaml/, ...expected);
  }
  await writeFile(join(cwd, 'wrong.yaml'), 'limits: { sessions: 0, iddle: 1m }\nprotocols: { sftp: { port: abc }, stfp: {} }\n');
  for (const command of [['config', 'check'], ['start']])
    refused(
      t,
      await entrepot([...command, '--config', 'wrong.yaml'], { cwd, env: { ENTREPOT_FOO: '1', ENTREPOT_PROTOCOLS__SFTP__PORT: '' } }),
      /limits\.sessions: expected/,
      /limits\.iddle: no such option, did you mean 'idle'/,
      /sftp\.port: expected/,
      /protocols\.stfp: no such protocol/,
      /ENTREPOT_FOO: no such option/,
    );
  refused(t, await entrepot(['config', 'check', '--config', 'missing.yaml'], { cwd }), /missing\.yaml: no such file/);
  refused(
    t,
    await entrepot(['config', 'check'], { cwd, env: { ENTREPOT_PROTOCOLS__SFTP__PROT: '1' } }),
    /did you mean 'ENTREPOT_PROTOCOLS__SFTP__PORT'/,
  );
  await writeFile(join(cwd, 'wrong.yaml'), 'extensions: { no-such-package-here: {} }');
  refused(t, await entrepot(['start', '--config', 'wrong.yaml'], { cwd }), /no-such-package-here/);
});

test.serial('serves one folder by portable, and forgets everything', async t => {
  const cwd = await temporaryFolder(t);
  await mkdir(join(cwd, 'shared'));
  refused(t, await entrepot(['portable', 'missing'], { cwd }), /missing/);
  const { spawn } = await import('node:child_process');
  const { MAIN } = await import('./cli.js');
  const child = spawn(process.execPath, [MAIN, 'portable', 'shared', '--read-only', '--json', '--port', '0'], {
    cwd,
    env: { PATH: process.env.PATH, TMPDIR: cwd, ENTREPOT_PROTOCOLS__SFTP__HOST: '127.0.0.1' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const line = await new Promise<Buffer>(resolve => child.stdout.once('data', resolve));
  const told = JSON.parse(String(line)) as { username: string; password: string; listeners: { port: number }[] };
  t.is(told.username, 'portable');
  t.true(told.password.length >= 16 && told.listeners[0]!.port > 0);
  const ended = new Promise(resolve => child.once('close', resolve));
  child.kill('SIGTERM');
  t.is(await ended, 0);
  t.deepEqual(await readdir(cwd), ['shared']);
  t.deepEqual(await readdir(join(cwd, 'shared')), []);
});
