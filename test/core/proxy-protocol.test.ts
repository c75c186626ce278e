import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createLogger } from '#core/log.js';
import { ProxyProtocol } from '#core/proxy-protocol.js';
import { binaryHeader, rawHeader, textHeader } from '../support/proxy-headers.js';

const FROM = { address: '198.51.100.7', port: 51_234 };
const TO = { address: '203.0.113.9', port: 2022 };
const log = createLogger('silent');

function proxyFor(trusted: readonly string[], timeoutMs = 10_000): ProxyProtocol {
  return new ProxyProtocol({ trusted, timeoutMs, log });
}

/** A server that answers whom it sees, and then everything that it is sent. */
async function echo(t: ExecutionContext, proxy: ProxyProtocol, pauseOnConnect = false): Promise<number> {
  const server = createServer({ pauseOnConnect }, socket =>
    proxy.receive(socket, () => {
      socket.write(`${socket.remoteAddress}:${socket.remotePort} `);
      socket.on('data', chunk => socket.write(chunk));
      if (pauseOnConnect) socket.resume();
    }),
  );
  return listen(t, server);
}

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function connected(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** What comes until it ends with `end`. */
async function heard(socket: Socket, end: string): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.endsWith(end)) return text;
  }
  return `${text}, and the end`;
}

for (const pauseOnConnect of [false, true]) {
  for (const [version, header] of [
    ['1', textHeader(FROM, TO)],
    ['2', binaryHeader(FROM, TO, { fields: [{ type: 2, value: Buffer.from('name') }], checksum: 'right' })],
  ] as const) {
    test(`reads version ${version} split at every byte, and loses nothing behind it (sockets ${pauseOnConnect ? '' : 'not '}paused)`, async t => {
      const port = await echo(t, proxyFor(['127.0.0.1']), pauseOnConnect);
      const message = Buffer.concat([header, Buffer.from('first')]);
      await Promise.all(
        Array.from({ length: message.length }, async (_, cut) => {
          const socket = await connected(t, port);
          if (cut > 0) {
            socket.write(message.subarray(0, cut));
            await pause(30);
          }
          socket.write(message.subarray(cut));
          t.is(await heard(socket, 'first'), '198.51.100.7:51234 first', `cut at ${cut}`);
          socket.write('more');
          t.is(await heard(socket, 'more'), 'more');
          socket.destroy();
        }),
      );
    });
  }
}

test('reads no header from a peer that is not trusted', async t => {
  const port = await echo(t, proxyFor(['127.0.0.2', '10.0.0.0/8']));
  const socket = await connected(t, port);
  socket.write('PROXY TCP4 198.51.100.7 203.0.113.9 1 2\r\n');
  t.regex(await heard(socket, '\r\n'), /^127\.0\.0\.1:\d+ PROXY TCP4 198/);
});

test('takes a proxy that speaks for itself for what it is', async t => {
  const port = await echo(t, proxyFor(['127.0.0.0/8']));
  for (const header of [rawHeader(0x20, 0, Buffer.alloc(0)), Buffer.from('PROXY UNKNOWN\r\n')]) {
    const socket = await connected(t, port);
    socket.write(Buffer.concat([header, Buffer.from('!')]));
    t.is(await heard(socket, '!'), `127.0.0.1:${socket.localPort} !`);
  }
});

test('ends connections of a trusted peer with a bad header, a slow one and none, and goes on', async t => {
  const port = await echo(t, proxyFor(['127.0.0.1'], 300));
  const bad = [
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4 1.1.1.1 nobody 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
    binaryHeader(FROM, TO, { checksum: 'wrong' }),
  ];
  for (const bytes of [...bad, 'PROXY TCP4 198.', '']) {
    const socket = await connected(t, port);
    const begun = performance.now();
    socket.write(bytes);
    t.is(await heard(socket, 'never'), ', and the end');
    const slow = bytes === '' || bytes === 'PROXY TCP4 198.';
    t.is(performance.now() - begun > 250, slow, String(bytes));
  }
  const dripping = await connected(t, port);
  const drip = setInterval(() => dripping.write('\r'), 50);
  t.teardown(() => clearInterval(drip));
  t.is(await heard(dripping, 'never'), ', and the end');
  const gone = await connected(t, port);
  gone.end();
  await once(gone.resume(), 'close');
  const good = await connected(t, port);
  good.write(Buffer.concat([textHeader(FROM, TO), Buffer.from('!')]));
  t.is(await heard(good, '!'), '198.51.100.7:51234 !');
});

test('holds no more than it may of connections whose header is still to come, and drops them when it stops', async t => {
  const proxy = proxyFor(['127.0.0.1']);
  const port = await echo(t, proxy);
  const sockets = await Promise.all(Array.from({ length: 1_024 }, () => connected(t, port)));
  const beyond = await connected(t, port);
  t.is(await heard(beyond, 'never'), ', and the end');
  proxy.stop();
  t.is(await heard(sockets[0]!, 'never'), ', and the end');
  t.is(await heard(await connected(t, port), 'never'), ', and the end');
});

test('is read before HTTP, for every request of a connection', async t => {
  const server = createHttpServer((request, response) => response.end(`${request.socket.remoteAddress}`));
  proxyFor(['127.0.0.1']).serve(server);
  const port = await listen(t, server);
  const socket = await connected(t, port);
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  socket.write(Buffer.concat([textHeader(FROM, TO), Buffer.from(request)]));
  t.regex(await heard(socket, '198.51.100.7'), /^HTTP\/1\.1 200/);
  socket.write(request);
  t.regex(await heard(socket, '198.51.100.7'), /^HTTP\/1\.1 200/);
});
