import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { until } from '../../support/children.js';
import { FtpClient } from '../../support/ftp-client.js';
import { logIn, PASSWORD, startFtpHub } from './support.js';

test('lets nobody in without TLS by default, and does not look at the password', async t => {
  const hub = await startFtpHub(t);
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  t.teardown(() => client.close());
  t.regex((await client.command('USER alice')).text, /^530 TLS is required/);
  t.is((await client.command(`PASS ${PASSWORD}`)).code, 530);
  t.is((await client.command('PWD')).code, 530);
  t.false(hub.events.some(({ type }) => type.startsWith('login')));
});

test('drops what came in plain text after AUTH TLS', async t => {
  const hub = await startFtpHub(t, { tls: 'optional' });
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  t.teardown(() => client.close());
  client.raw('AUTH TLS\r\nNOOP\r\nUSER alice\r\n');
  t.is((await client.reply()).code, 234);
  await client.startTls();
  t.is((await client.command('PASS x')).code, 503);
  t.is((await client.command('SYST')).code, 215);
});

test('shakes hands however often: twenty clients, one after the other', async t => {
  const hub = await startFtpHub(t);
  for (let count = 0; count < 20; count++) {
    const client = await FtpClient.connect({ port: hub.port('ftp'), user: 'alice', password: PASSWORD, tls: 'explicit' });
    t.is((await client.command('NOOP')).code, 200);
    client.close();
  }
});

test('keeps the order of AUTH, PBSZ and PROT', async t => {
  const hub = await startFtpHub(t, { tls: 'optional' });
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  t.teardown(() => client.close());
  t.is((await client.command('PBSZ 0')).code, 503);
  t.is((await client.command('PROT P')).code, 503);
  t.is((await client.command('AUTH KERBEROS')).code, 504);
  t.is((await client.command('AUTH TLS')).code, 234);
  await client.startTls();
  t.is((await client.command('AUTH TLS')).code, 503);
  t.is((await client.command('PROT P')).code, 503);
  t.is((await client.command('PBSZ x')).code, 501);
  t.is((await client.command('PBSZ 0')).code, 200);
  for (const [level, code] of [
    ['S', 536],
    ['E', 536],
    ['X', 504],
    ['C', 200],
    ['P', 200],
  ] as const)
    t.is((await client.command(`PROT ${level}`)).code, code);
});

test('sends data in clear over a protected control connection where that is allowed, and only there', async t => {
  const hub = await startFtpHub(t, { tls: 'optional' });
  const client = await logIn(t, hub);
  t.is((await client.command('PROT C')).code, 200);
  const socket = await client.dataSocket();
  t.is((await client.command('NLST')).code, 150);
  socket.resume();
  t.is((await client.reply()).code, 226);
  const strict = await startFtpHub(t);
  const other = await FtpClient.connect({ port: strict.port('ftp'), tls: 'none' });
  t.teardown(() => other.close());
  await other.command('AUTH TLS');
  await other.startTls();
  await other.command('USER alice');
  t.is((await other.command(`PASS ${PASSWORD}`)).code, 230);
  await other.passivePort();
  t.is((await other.command('NLST')).code, 521);
});

test('says 150 before the handshake of the data connection, as lftp needs it', async t => {
  const client = await logIn(t, await startFtpHub(t));
  const port = await client.passivePort();
  t.is((await client.command('NLST')).code, 150);
  const socket = connect(port, '127.0.0.1');
  const stream = await client.protect(socket);
  stream.resume();
  t.is((await client.reply()).code, 226);
});

test('resumes the session of the control connection on data connections, and insists where it is told to', async t => {
  const hub = await startFtpHub(t, { sessionReuse: 'require' });
  const client = await logIn(t, hub);
  await client.command('NOOP');
  t.is((await client.fetch('NLST')).reply.code, 226);
  const socket = await client.dataSocket();
  t.is((await client.command('NLST')).code, 150);
  const { connect: connectTls } = await import('node:tls');
  const fresh = connectTls({ socket, rejectUnauthorized: false });
  fresh.on('error', () => undefined);
  t.is((await client.reply()).code, 425);
  const none = await logIn(t, await startFtpHub(t, { sessionReuse: 'off' }));
  await none.command('NOOP');
  const data = await none.dataSocket();
  await none.command('NLST');
  const stream = await none.protect(data);
  t.false(stream.isSessionReused());
  stream.resume();
  t.is((await none.reply()).code, 226);
});

test('answers a data connection that never comes, or never speaks TLS', async t => {
  const hub = await startFtpHub(t, { dataTimeout: '300ms' });
  const client = await logIn(t, hub);
  await client.passivePort();
  t.is((await client.command('NLST')).code, 150);
  t.is((await client.reply()).code, 425);
  const silent = await client.dataSocket();
  t.is((await client.command('NLST')).code, 150);
  t.is((await client.reply()).code, 425);
  silent.destroy();
  const plain = await client.dataSocket();
  plain.write('this is no TLS\r\n'.repeat(10));
  t.is((await client.command('STOR f')).code, 150);
  t.is((await client.reply()).code, 425);
  t.is((await client.command('SIZE f')).code, 550);
});

test('drops clients that speak plain text on the TLS port, or stop in the middle of a handshake', async t => {
  const hub = await startFtpHub(t, { implicitPort: 0, handshakeTimeout: '300ms' });
  const [explicit, implicit] = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp');
  for (const bytes of ['USER alice\r\n', Buffer.from('160301', 'hex')]) {
    const socket = connect(implicit!.port, '127.0.0.1').on('error', () => undefined);
    socket.write(bytes);
    await once(socket.resume(), 'close');
  }
  const client = await FtpClient.connect({ port: explicit!.port, tls: 'none' });
  t.is((await client.command('AUTH TLS')).code, 234);
  client.raw(Buffer.from('1603010200', 'hex'));
  await once(client.socket, 'close');
  t.is((await (await logIn(t, hub)).command('NOOP')).code, 200);
});

test('lets go at once of clients that leave within the handshake', async t => {
  const hub = await startFtpHub(t, { implicitPort: 0 }, { values: { limits: { unauthenticatedPerAddress: 2 } } });
  const implicit = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp')[1]!;
  for (let count = 0; count < 6; count++) {
    const socket = connectTls({ host: '127.0.0.1', port: implicit.port, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    // What the client sends last does not reach the hub.
    await once(socket, 'secureConnect');
    socket.destroy();
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  t.is((await (await logIn(t, hub)).command('NOOP')).code, 200);
});

test('greets clients of one address in turn, and turns away those for whom too many wait', async t => {
  const hub = await startFtpHub(t, { implicitPort: 0 }, { values: { limits: { unauthenticatedPerAddress: 1 } } });
  const [explicit, implicit] = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp');
  const first = await FtpClient.connect({ port: explicit!.port, tls: 'none' });
  const order: string[] = [];
  const come = (name: string, port: number, tls: 'none' | 'implicit') =>
    FtpClient.connect({ port, tls, bare: true }).then(client => {
      order.push(name);
      return client;
    });
  const second = come('second', explicit!.port, 'none');
  await new Promise(resolve => setTimeout(resolve, 100));
  const third = come('third', implicit!.port, 'implicit');
  await new Promise(resolve => setTimeout(resolve, 200));
  t.deepEqual(order, []);
  first.close();
  (await second).close();
  (await third).close();
  t.deepEqual(order, ['second', 'third']);
  const last = await FtpClient.connect({ port: explicit!.port, tls: 'none' });
  const refused: Error[] = [];
  const crowd = Array.from({ length: 20 }, () =>
    FtpClient.connect({ port: explicit!.port, tls: 'none' }).then(
      client => client.close(),
      (error: Error) => refused.push(error),
    ),
  );
  await until('all but those who may wait are turned away', () => refused.length === 16);
  last.close();
  await Promise.all(crowd);
  t.is(refused.length, 16);
  t.true(refused.every(({ message }) => message.includes('421 No more connections')));
});

test('has no TLS where it is off', async t => {
  const client = await logIn(t, await startFtpHub(t, { tls: 'off', implicitPort: 0 }), { tls: 'none' });
  t.is((await client.command('AUTH TLS')).code, 502);
  t.false((await client.command('FEAT')).text.includes('AUTH'));
});
