import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { temporaryFolder } from '../../support/children.js';
import { FtpClient } from '../../support/ftp-client.js';
import { logIn, startFtpHub } from './support.js';

const DAY_MS = 86_400_000;

async function certificate(folder: string, name: string, file = `${name}.pem`): Promise<string> {
  const text = await makeSelfSigned({
    names: [name],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 90 * DAY_MS),
  });
  await writeFile(join(folder, `${file}.new`), text);
  await rename(join(folder, `${file}.new`), join(folder, file));
  return join(folder, file);
}

async function startWith(t: ExecutionContext, names: readonly string[]) {
  const folder = await temporaryFolder('certificates');
  const certificates = await Promise.all(names.map(async name => ({ certificate: await certificate(folder, name) })));
  return { folder, hub: await startFtpHub(t, {}, { values: { tls: { certificates } } }) };
}

const nameOf = (socket: unknown) => ((socket as TLSSocket).getPeerCertificate() as PeerCertificate).subject.CN;

test('shows the certificate that HOST names, or the first one', async t => {
  const { hub } = await startWith(t, ['one.example', 'two.example']);
  for (const [host, shown] of [
    [undefined, 'one.example'],
    ['two.example', 'two.example'],
    ['TWO.example', 'two.example'],
    ['three.example', 'one.example'],
  ] as const) {
    const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
    if (host) t.is((await client.command(`HOST ${host}`)).code, 220);
    t.is((await client.command('AUTH TLS')).code, 234);
    await client.startTls();
    t.is(nameOf(client.socket), shown);
    client.close();
  }
  const client = await logIn(t, hub);
  t.is((await client.command('HOST two.example')).code, 503);
});

test('ends a download with the certificate it began with, and shows a new one to the next client', async t => {
  const { hub, folder } = await startWith(t, ['one.example']);
  const client = await logIn(t, hub);
  const content = Buffer.alloc(20_000_000, 7);
  await client.send('STOR big', content);
  const data = await client.dataSocket();
  await client.command('RETR big');
  const stream = await client.protect(data);
  await certificate(folder, 'new.example', 'one.example.pem');
  let shown: string | string[] | undefined = 'one.example';
  while (shown === 'one.example') {
    const other = await FtpClient.connect({ port: hub.port('ftp'), tls: 'explicit' });
    shown = nameOf(other.socket);
    other.close();
  }
  t.is(shown, 'new.example');
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  t.is((await client.reply()).code, 226);
  while (bytes < content.length) await new Promise(resolve => setImmediate(resolve));
  t.is(bytes, content.length);
});

test('does not negotiate anew, and others notice nothing of a client that wants to', async t => {
  const hub = await startFtpHub(t, { implicitPort: 0 });
  const implicit = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp')[1]!;
  const began = Date.now();
  const socket = connectTls({ port: implicit.port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  await new Promise<void>(resolve => {
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.once('data', () => socket.renegotiate({}, () => undefined));
    socket.resume();
  });
  t.true(Date.now() - began < 30_000, 'only the end of the time for the login has ended it');
  t.is((await (await logIn(t, hub)).command('NOOP')).code, 200);
});

test('works in directories as deep as paths allow, and says where they end', async t => {
  const client = await logIn(t, await startFtpHub(t));
  let depth = 0;
  for (let code = 257; code === 257 && depth < 4_200; depth++) {
    code = (await client.command('MKD d')).code;
    if (code === 257) await client.command('CWD d');
    else t.true([501, 550].includes(code));
  }
  t.true(depth > 500 && depth < 4_200, String(depth));
  t.is((await client.command('NOOP')).code, 200);
  t.is((await client.command('CWD /')).code, 250);
});
