import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import test from 'ava';
import { FtpClient } from '../../support/ftp-client.js';
import { logIn, startFtpHub } from './support.js';

test('adds no listener to the process, as ftp-srv would', async t => {
  const count = () => ['SIGTERM', 'SIGINT', 'SIGQUIT', 'uncaughtException', 'unhandledRejection'].map(name => process.listenerCount(name));
  const before = count();
  const hub = await startFtpHub(t);
  await logIn(t, hub);
  t.deepEqual(count(), before);
});

test('takes commands however they are cut into segments', async t => {
  const client = await logIn(t, await startFtpHub(t, { tls: 'optional' }), { tls: 'none' });
  client.raw('NOOP\r\nSYST\r\n');
  t.is((await client.reply()).code, 200);
  t.is((await client.reply()).code, 215);
  for (const byte of 'MKD ab\r\n') {
    client.raw(byte);
    await new Promise(resolve => setImmediate(resolve));
  }
  t.is((await client.reply()).code, 257);
  client.raw('NOOP\n');
  t.is((await client.reply()).code, 200);
  client.raw(Buffer.from([0xff, 0xfd, 1, ...Buffer.from('NOOP\r\n')]));
  t.is((await client.reply()).code, 200);
});

test('refuses what no name may hold', async t => {
  const client = await logIn(t, await startFtpHub(t));
  for (const bytes of ['MKD a\rb\r\n', 'MKD a\0b\r\n', 'NO\0OP\r\n', Buffer.from('MKD \xff\xff\xfe\xff\xff\r\n', 'latin1')]) {
    client.raw(bytes);
    t.is((await client.reply()).code, 501);
  }
  t.is((await client.command(`MKD ${'x'.repeat(256)}`)).code, 501);
  t.is((await client.command(`MKD ${'/a'.repeat(3_000)}`)).code, 501);
  t.is((await client.fetch('NLST')).data.toString(), '');
});

test('ends a client that sends a line without end, and serves the others', async t => {
  const hub = await startFtpHub(t);
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  client.raw('A'.repeat(100_000));
  t.is((await client.reply()).code, 500);
  await once(client.socket, 'close');
  t.is((await (await logIn(t, hub)).command('NOOP')).code, 200);
});

test('ends a client that speaks another protocol', async t => {
  const hub = await startFtpHub(t);
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  client.raw(`POST / HTTP/1.1\r\n${'Header: x\r\n'.repeat(20)}\r\nUSER alice\r\n`);
  await once(client.socket, 'close');
  t.pass();
});

test('connects to nobody by default, and never to others, low ports or the wrong family', async t => {
  const client = await logIn(t, await startFtpHub(t));
  t.is((await client.command('PORT 127,0,0,1,200,10')).code, 502);
  t.is((await client.command('EPRT |1|127.0.0.1|51210|')).code, 502);
  const hub = await startFtpHub(t, { active: true, tls: 'optional' });
  const active = await logIn(t, hub, { tls: 'none' });
  t.true((await active.command('FEAT')).lines.includes(' EPRT'));
  for (const [line, code] of [
    ['PORT 127,0,0,2,200,10', 504],
    ['PORT 10,0,0,1,200,10', 504],
    ['PORT 127,0,0,1,0,22', 504],
    ['PORT 127,0,0,1,3', 501],
    ['EPRT |1|127.0.0.2|51210|', 504],
    ['EPRT |2|::1|51210|', 504],
    ['EPRT |1|::1|51210|', 501],
    ['EPRT |7|127.0.0.1|51210|', 522],
  ] as const)
    t.is((await active.command(line)).code, code, line);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  t.is((await active.command(`EPRT |1|127.0.0.1|${port}|`)).code, 200);
  const arrived = once(server, 'connection');
  t.is((await active.command('NLST')).code, 150);
  (await arrived)[0].resume();
  t.is((await active.reply()).code, 226);
});

test('drops a stranger on a data port, and goes on waiting for the client', async t => {
  const client = await logIn(t, await startFtpHub(t, { tls: 'optional' }), { tls: 'none' });
  await client.send('STOR secret', 'secret');
  const port = await client.passivePort();
  const thief = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.3' });
  let stolen = '';
  thief.on('error', () => undefined).on('data', chunk => (stolen += chunk));
  await once(thief, 'close');
  const own = connect({ host: '127.0.0.1', port });
  await once(own, 'connect');
  t.is((await client.command('RETR secret')).code, 150);
  const [chunk] = await once(own, 'data');
  t.is(String(chunk), 'secret');
  t.is((await client.reply()).code, 226);
  t.is(stolen, '');
});

test('holds one data port a session, however often it is asked, and frees it', async t => {
  // Below those that systems give to connections that go out, any of which would take one away.
  const first = 20_000 + (process.pid % 1_000) * 10;
  const hub = await startFtpHub(t, { tls: 'optional', passive: { ports: `${first}-${first + 9}` } });
  const greedy = await logIn(t, hub, { tls: 'none' });
  for (let count = 0; count < 100; count++) await greedy.passivePort();
  const others = await Promise.all(Array.from({ length: 9 }, () => logIn(t, hub, { tls: 'none' })));
  await Promise.all(others.map(other => other.passivePort()));
  const last = await logIn(t, hub, { tls: 'none' });
  t.is((await last.command('EPSV')).code, 425);
  greedy.close();
  await hub.event('session.ended');
  t.is((await last.fetch('NLST')).reply.code, 226);
});

test('bounds the data ports of one user', async t => {
  const hub = await startFtpHub(t, { tls: 'optional', passive: { perUser: 2 } });
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => logIn(t, hub, { tls: 'none' })));
  await one!.passivePort();
  await two!.passivePort();
  t.is((await three!.command('EPSV')).code, 425);
});

test('offers an address that clients can reach', async t => {
  const networks = [{ clients: ['127.0.0.2'], host: '192.0.2.9' }];
  const hub = await startFtpHub(t, { tls: 'optional', passive: { host: 'localhost', networks } });
  const client = await logIn(t, hub, { tls: 'none' });
  t.regex((await client.command('PASV')).text, /^227 .*\(127,0,0,1,\d+,\d+\)$/);
  const inside = await logIn(t, hub, { tls: 'none', from: '127.0.0.2' });
  t.regex((await inside.command('PASV')).text, /\(192,0,2,9,\d+,\d+\)/);
  t.is((await client.command('EPSV 2')).code, 522);
  t.is((await client.command('EPSV 1')).code, 229);
  t.is((await client.command('EPSV ALL')).code, 200);
  t.is((await client.command('PASV')).code, 503);
});

test('stays within the root, whatever a path says', async t => {
  const hub = await startFtpHub(t, {}, { storage: 'disk' });
  const client = await logIn(t, hub);
  for (const path of [
    '../../../../etc/passwd',
    '/../etc/passwd',
    '%2e%2e/%2e%2e/etc/passwd',
    '..\\..\\etc\\passwd',
    '/data/../../../etc/passwd',
  ])
    t.is((await client.fetch(`RETR ${path}`)).reply.code, 550, path);
  t.is((await client.command('CWD ../..')).code, 250);
  t.is((await client.command('PWD')).text, '257 "/" is the current directory');
});

test('is not slowed down by patterns', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.send(`STOR ${'a'.repeat(200)}`, 'x');
  const bomb = `${'*a'.repeat(100)}b`;
  t.is((await client.fetch(`NLST ${bomb}`)).reply.code, 226);
  t.is((await client.fetch(`LIST ${'*/'.repeat(50)}`)).reply.code, 550);
  t.is((await client.fetch('NLST {a,b,c}{a,b,c}{a,b,c}')).reply.code, 550);
});

test('takes data before it has said that it would', async t => {
  const client = await logIn(t, await startFtpHub(t, { tls: 'optional' }), { tls: 'none' });
  const socket = await client.dataSocket();
  socket.end('early');
  t.is((await client.command('STOR f')).code, 150);
  t.is((await client.reply()).code, 226);
  t.is((await client.fetch('RETR f')).data.toString(), 'early');
});

test('needs a data port before a file is touched', async t => {
  const client = await logIn(t, await startFtpHub(t));
  for (const line of ['RETR f', 'STOR f', 'APPE f', 'LIST', 'STOU']) t.is((await client.command(line)).code, 425, line);
  t.is((await client.command('SIZE f')).code, 550);
});

test('ends a connection after too many tries to log in', async t => {
  const hub = await startFtpHub(t, { tls: 'optional', maxTries: 2 }, { values: { defence: { enabled: false } } });
  const client = await FtpClient.connect({ port: hub.port('ftp'), tls: 'none' });
  t.is((await client.command('PASS x')).code, 503);
  for (const user of ['alice', 'nobody']) {
    t.is((await client.command(`USER ${user}`)).code, 331);
    const { code, text } = await client.command('PASS wrong');
    t.is(code, user === 'alice' ? 530 : 421, text);
  }
  await once(client.socket, 'close');
});

test('ends connections that say nothing, and lets nobody wait for them', async t => {
  const hub = await startFtpHub(t, { loginTimeout: '4s' }, { values: { limits: { unauthenticatedPerAddress: 100 } } });
  const silent = Array.from({ length: 60 }, () => connect(hub.port('ftp'), '127.0.0.1').on('error', () => undefined));
  t.is((await (await logIn(t, hub)).command('NOOP')).code, 200);
  await Promise.all(silent.map(socket => once(socket.resume(), 'close')));
});

test('logs out by REIN, and takes another user', async t => {
  const users = { alice: { password: 'correct horse' }, bob: { password: 'other' } };
  const hub = await startFtpHub(t, {}, { users });
  const client = await logIn(t, hub);
  t.is((await client.command('USER bob')).code, 530);
  t.is((await client.command('REIN')).code, 220);
  t.is((await client.command('PWD')).code, 530);
  await client.command('USER bob');
  t.is((await client.command('PASS other')).code, 230);
  t.like((await hub.event('session.ended')).data, { session: { user: 'alice' } });
});

test('tells clients when their session is ended, and lets transfers finish when the hub stops', async t => {
  const hub = await startFtpHub(t);
  const client = await logIn(t, hub);
  const { SessionRegistry } = await import('#core/auth/session.js');
  const [session] = await hub.hub.get(SessionRegistry).list();
  await hub.hub.get(SessionRegistry).end(session!.id, 'Ended by the administrator');
  t.is((await client.reply()).text, '421 Ended by the administrator');
  const other = await logIn(t, hub);
  const data = await other.dataSocket();
  await other.command('STOR f');
  const stream = await other.protect(data);
  const stopped = hub.hub.stop(new AbortController().signal);
  stream.end('whole');
  t.is((await other.reply()).code, 226);
  t.is((await other.reply()).code, 421);
  await stopped;
});
