import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';

import { FXP, OPEN, RawSftp, string, u64 } from '../support/raw-sftp.js';
import { entrepot, startHub, temporaryFolder } from './cli.js';

test('is not ready at once when it is told to stop, accepts until the delay is over, and lets an upload finish', async t => {
  const cwd = await temporaryFolder(t);
  t.regex((await entrepot(['status'], { cwd })).stderr, /No hub runs on /);
  const hub = await startHub(t, cwd, { ENTREPOT_SHUTDOWN__READINESS_DELAY: '2s', ENTREPOT_PROTOCOLS__SFTP__LOGIN_TIMEOUT: '20s' });
  const run = JSON.parse(await readFile(join(cwd, 'entrepot-data/run.json'), 'utf8')) as {
    listeners: readonly { readonly protocol: string; readonly port: number }[];
  };
  const web = run.listeners.find(({ protocol }) => protocol === 'web')!.port;
  t.is((await entrepot(['user', 'add', 'alice', '--password-file', '-'], { cwd, input: 'correct-horse\n' })).code, 0);
  const status = await entrepot(['status', '--json'], { cwd });
  t.is(status.code, 0);
  t.like(JSON.parse(status.stdout), { ready: true, pid: hub.child.pid });
  const ready = async () => (await fetch(`http://127.0.0.1:${web}/readyz`)).status;
  t.is(await ready(), 200);
  const client = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'correct-horse' });
  const handle = await client.open('/slow', OPEN.WRITE | OPEN.CREATE | OPEN.TRUNCATE);
  await client.request(FXP.WRITE, string(handle), u64(0), string('first '));

  const told = performance.now();
  const ended = hub.end();
  await sleep(300);
  t.is(await ready(), 503);
  t.is((await entrepot(['status'], { cwd })).code, 1);
  const late = await RawSftp.connect({ port: hub.port, user: 'alice', password: 'correct-horse' });
  late.end();
  while (await accepts(hub.port)) {
    t.true(performance.now() - told < 10_000);
    await sleep(50);
  }
  t.true(performance.now() - told > 1_900);
  t.is(hub.child.exitCode, null);
  await client.request(FXP.WRITE, string(handle), u64(6), string('second'));
  await client.request(FXP.CLOSE, string(handle));
  client.end();
  t.is(await ended, 0);
  t.is(await readFile(join(cwd, 'entrepot-data/files/alice/slow'), 'utf8'), 'first second');
});

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
