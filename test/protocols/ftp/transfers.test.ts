import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import { logIn, startFtpHub } from './support.js';

test('says 226 when the file is in place and its event recorded, with the fields of an upload over SFTP', async t => {
  const hub = await startFtpHub(t);
  const client = await logIn(t, hub);
  const content = randomBytes(3_000_000);
  t.is((await client.send('STOR f', content)).code, 226);
  const event = await hub.event('upload.completed');
  t.like(event.data, { path: '/f', size: 3_000_000, bytes: 3_000_000, replaced: false });
  t.like(event.data.session, { user: 'alice', protocol: 'ftp', tls: true, remoteAddress: '127.0.0.1' });
  t.deepEqual((await client.fetch('RETR f')).data, content);
  t.like((await hub.event('download.completed')).data, { path: '/f', bytes: 3_000_000 });
});

for (const tls of ['none', 'explicit', 'implicit'] as const) {
  test(`moves empty, small and big files whole, TLS: ${tls}`, async t => {
    const hub = await startFtpHub(t, { tls: 'optional', implicitPort: 0 });
    const port = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp')[tls === 'implicit' ? 1 : 0]!.port;
    const client = await logIn(t, hub, { tls, port });
    for (const size of [0, 1, 2, 19, 16_384, 65_536, 1_048_577, 9_000_000]) {
      const content = randomBytes(size);
      t.is((await client.send('STOR f', content)).code, 226, `put ${size}`);
      const { reply, data } = await client.fetch('RETR f');
      t.is(reply.code, 226);
      t.true(data.equals(content), `get ${size}`);
    }
  });
}

test('keeps the head of a file when REST comes before STOR', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.send('STOR f', '0123456789');
  t.is((await client.command('REST 5')).code, 350);
  t.is((await client.send('STOR f', 'abcdefgh')).code, 226);
  t.is((await client.fetch('RETR f')).data.toString(), '01234abcdefgh');
  await client.command('REST 3');
  t.is((await client.send('STOR f', 'xy')).code, 226);
  t.is((await client.fetch('RETR f')).data.toString(), '012xy');
  await client.command('REST 2');
  t.is((await client.fetch('RETR f')).data.toString(), '2xy');
  t.is((await client.fetch('RETR f')).data.toString(), '012xy');
});

test('begins nowhere but within the file', async t => {
  const hub = await startFtpHub(t);
  const client = await logIn(t, hub);
  await client.send('STOR f', '0123456789');
  for (const [offset, code] of [
    ['11', 350],
    ['1000000000000', 350],
    ['9223372036854775808', 554],
    ['-1', 501],
    ['x', 501],
    ['', 501],
  ] as const) {
    t.is((await client.command(`REST ${offset}`)).code, code, offset);
    if (code !== 350) continue;
    t.is((await client.send('STOR f', 'x')).code, 554);
    await client.command(`REST ${offset}`);
    t.is((await client.fetch('RETR f')).reply.code, 554);
    await client.command(`REST ${offset}`);
    t.is((await client.send('STOR new', 'x')).code, 554);
  }
  t.is((await client.command('SIZE f')).text, '213 10');
  t.is((await client.command('SIZE new')).code, 550);
});

test('appends, and makes a file that is missing', async t => {
  const client = await logIn(t, await startFtpHub(t));
  t.is((await client.send('APPE log', 'one ')).code, 226);
  t.is((await client.send('APPE log', 'two')).code, 226);
  t.is((await client.fetch('RETR log')).data.toString(), 'one two');
});

test('stores under a name of its own that is free', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.send('STOR f', 'old');
  const reply = await client.send('STOU f', 'new');
  const [, name] = /^226 Transfer complete: (f\..+)$/.exec(reply.text)!;
  t.is((await client.fetch(`RETR ${name}`)).data.toString(), 'new');
  t.is((await client.fetch('RETR f')).data.toString(), 'old');
  t.is((await client.send('STOU', 'any')).code, 226);
});

test('hears ABOR in the middle of both kinds of transfer, and publishes nothing', async t => {
  const hub = await startFtpHub(t);
  const client = await logIn(t, hub);
  const data = await client.dataSocket();
  t.is((await client.command('STOR f')).code, 150);
  const stream = await client.protect(data);
  stream.write(Buffer.alloc(200_000));
  t.is((await client.command('STAT')).code, 211);
  t.is((await client.command('NOOP')).code, 200);
  client.raw(Buffer.from([0xff, 0xf4, 0xff, 0xf2]));
  t.is((await client.command('ABOR')).code, 426);
  t.is((await client.reply()).code, 226);
  t.false(hub.events.some(({ type }) => type === 'upload.completed'));
  await client.send('STOR big', Buffer.alloc(20_000_000));
  const second = await client.dataSocket();
  t.is((await client.command('RETR big')).code, 150);
  await client.protect(second);
  t.is((await client.command('ABOR')).code, 426);
  t.is((await client.reply()).code, 226);
  t.is((await client.command('ABOR')).text, '226 Nothing is under way');
  t.is((await client.fetch('RETR big')).data.length, 20_000_000);
});

test('answers a client that drops its download', async t => {
  const client = await logIn(t, await startFtpHub(t, { tls: 'optional' }), { tls: 'none' });
  await client.send('STOR big', Buffer.alloc(20_000_000));
  const data = await client.dataSocket();
  t.is((await client.command('RETR big')).code, 150);
  await once(data, 'data');
  data.resetAndDestroy();
  t.is((await client.reply()).code, 426);
  t.is((await client.command('NOOP')).code, 200);
});

/** A way to `port` that can be cut: what was sent so far arrives, then the end of the connection. */
async function cuttable(port: number): Promise<{ readonly socket: Socket; cut(): void }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  const far = connect(port, '127.0.0.1');
  for (const one of [socket, near, far]) one.on('error', () => undefined);
  near.on('data', (chunk: Buffer) => far.write(chunk));
  far.on('data', (chunk: Buffer) => near.write(chunk));
  far.on('close', () => near.destroy());
  const cut = () => {
    near.removeAllListeners('data');
    far.end();
  };
  return { socket, cut };
}

/** resetAndDestroy() says in an orderly way first that nothing more will come. */
function resetNow(socket: Socket): void {
  (socket as unknown as { readonly _handle: { reset(): void } })._handle.reset();
}

for (const [what, last] of [
  ['between two records', 16_384],
  ['after a record as long as an alert', 2],
] as const) {
  test(`does not take an upload that was cut ${what} of TLS for a whole one`, async t => {
    const hub = await startFtpHub(t);
    const client = await logIn(t, hub);
    const way = await cuttable(await client.passivePort());
    await client.command('STOR cut');
    const stream = await client.protect(way.socket);
    await new Promise(resolve => stream.write(Buffer.alloc(50_000), resolve));
    await new Promise(resolve => stream.write(Buffer.alloc(last), resolve));
    // What was sent has passed the way when an answer to it has.
    await client.command('NOOP');
    way.cut();
    t.is((await client.reply()).code, 426);
    t.is((await client.fetch('NLST')).data.toString(), '');
    t.false(hub.events.some(({ type }) => type === 'upload.completed'));
  });
}

test('does not publish what a client sent that ends both connections at once', async t => {
  const hub = await startFtpHub(t, { tls: 'optional' });
  for (let round = 0; round < 20; round++) {
    const client = await logIn(t, hub, { tls: 'none' });
    const data = await client.dataSocket();
    t.is((await client.command('STOR f')).code, 150);
    data.write('half');
    // Either first.
    if (round % 2) client.close();
    data.destroy();
    client.close();
    await hub.event('session.ended');
  }
  t.is((await (await logIn(t, hub)).command('SIZE f')).code, 550);
  t.false(hub.events.some(({ type }) => type === 'upload.completed'));
});

test('does not publish what a client sent that is gone, or reset its data connection', async t => {
  const hub = await startFtpHub(t, { tls: 'optional' });
  const plain = await logIn(t, hub, { tls: 'none' });
  const reset = await plain.dataSocket();
  await plain.command('STOR reset');
  await new Promise(resolve => reset.write(Buffer.alloc(100_000), resolve));
  resetNow(reset);
  t.is((await plain.reply()).code, 426);
  const gone = await logIn(t, hub);
  const data = await gone.dataSocket();
  await gone.command('STOR gone');
  await gone.protect(data);
  gone.close();
  await hub.event('session.ended');
  t.is((await plain.fetch('NLST')).data.toString(), '');
  t.false(hub.events.some(({ type }) => type === 'upload.completed'));
});

for (const how of ['REST and STOR', 'APPE'] as const) {
  test(`goes on with an upload that was interrupted, by ${how}`, async t => {
    const hub = await startFtpHub(t, { tls: 'optional' }, { storage: 'disk' });
    const content = randomBytes(3_000_000);
    const first = await logIn(t, hub, { tls: 'none' });
    const data = await first.dataSocket();
    await first.command('STOR f');
    await new Promise(resolve => data.write(content.subarray(0, 2_000_000), resolve));
    // STAT is answered after what came before it was read.
    await first.command('STAT');
    first.close();
    await hub.event('upload.failed');
    data.destroy();
    const second = await logIn(t, hub, { tls: 'none' });
    const size = Number((await second.command('SIZE f')).text.slice(4));
    t.true(size > 0 && size <= 2_000_000);
    if (how === 'APPE') t.is((await second.send('APPE f', content.subarray(size))).code, 226);
    else {
      await second.command(`REST ${size}`);
      t.is((await second.send('STOR f', content.subarray(size))).code, 226);
    }
    t.true((await second.fetch('RETR f')).data.equals(content));
  });
}

test('carries 16 transfers of 8 sessions from one address at the same time', async t => {
  const hub = await startFtpHub(t);
  const sessions = await Promise.all(Array.from({ length: 8 }, () => logIn(t, hub)));
  const content = randomBytes(2_000_000);
  const whole = await Promise.all(
    sessions.map(async (client, index) => {
      const put = await client.send(`STOR f${index}`, content);
      const { data } = await client.fetch(`RETR f${index}`);
      return put.code === 226 && data.equals(content);
    }),
  );
  t.deepEqual(whole, Array(8).fill(true));
});
