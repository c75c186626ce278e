import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { Authority } from '../../core/tls/support.js';
import { temporaryFolder } from '../../support/children.js';
import { logIn, startFtpHub } from './support.js';

/** What the hub answers to `lines` on its implicit port, with or without a client certificate. */
async function ask(t: ExecutionContext, port: number, lines: readonly string[], certificate: object = {}): Promise<readonly string[]> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...certificate });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk));
  for (const line of [...lines, 'QUIT']) socket.write(`${line}\r\n`);
  await once(socket, 'close');
  return text
    .split('\r\n')
    .slice(1, -1)
    .map(line => line.slice(0, 3));
}

test('lets in by a client certificate without a password, and only whom it names', async t => {
  const [authority, stranger] = await Promise.all([Authority.create(), Authority.create()]);
  const folder = await temporaryFolder('authority');
  await writeFile(join(folder, 'ca.crt'), await authority.certificate);
  const tls = { clientCertificates: 'optional', clientAuthorities: join(folder, 'ca.crt') };
  const hub = await startFtpHub(t, { implicitPort: 0 }, { values: { tls } });
  const { port } = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp')[1]!;
  const alice = await authority.issue('alice');
  t.deepEqual(await ask(t, port, ['USER alice', 'PWD'], alice), ['232', '257', '221']);
  t.deepEqual(await ask(t, port, ['USER bob', 'PWD'], alice), ['530', '530', '221']);
  t.deepEqual(await ask(t, port, ['USER alice', 'PWD'], await stranger.issue('alice')), ['331', '530', '221']);
  t.deepEqual(await ask(t, port, ['USER alice', 'PASS correct horse', 'PWD']), ['331', '230', '257', '221']);
});

test('takes ACCT only when it has asked for it', async t => {
  const hub = await startFtpHub(t, { tls: 'optional', implicitPort: 0 });
  const { port } = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp')[1]!;
  t.deepEqual(await ask(t, port, ['ACCT 1', 'USER alice', 'ACCT 1', 'PASS correct horse', 'ACCT 1']), [
    '503',
    '331',
    '503',
    '230',
    '202',
    '221',
  ]);
});

test('answers the commands that few clients use', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.send('STOR f', 'content');
  for (const [line, code] of [
    ['CLNT a client', 200],
    ['LANG', 200],
    ['LANG en-GB', 200],
    ['MFCT 20240229123456 f', 504],
    ['COMB f f f', 500],
    ['OPTS HASH MD5', 200],
    ['OPTS HASH CRC32', 501],
    ['HOST other.example', 503],
    ['HELP XYZZY', 502],
    ['STAT f', 213],
  ] as const)
    t.is((await client.command(line)).code, code, line);
  const digest = (algorithm: string) => createHash(algorithm).update('content').digest('hex');
  t.true((await client.command('HASH f')).text.includes(`MD5 0-7 ${digest('md5')}`));
  for (const [command, algorithm] of [
    ['XSHA1', 'sha1'],
    ['XSHA', 'sha1'],
    ['XSHA512', 'sha512'],
  ] as const)
    t.is((await client.command(`${command} f`)).text, `250 ${digest(algorithm).toUpperCase()}`);
});
