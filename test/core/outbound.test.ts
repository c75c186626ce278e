import { gzipSync } from 'node:zlib';
import test from 'ava';
import { Outbound, type OutboundRequest } from '#core/outbound.js';
import { startReceiver, startTcp } from '../extensions/support/receiver.js';

const GET: OutboundRequest = { method: 'GET', headers: {} };
const MiB = 1024 * 1024;

/** Hosts that are, or stand for, something that is not on the public Internet. */
const PRIVATE_HOSTS = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.255.255.254',
  '0x7f.0.0.1',
  '0x7f.1',
  '0x7f000001',
  '0X7F000001',
  '2130706433',
  '017700000001',
  '0177.0.0.1',
  '0177.0.0.01',
  '%31%32%37.0.0.1',
  '１２７.０.０.１',
  '127。0。0。1',
  '0',
  '0.0.0.0',
  '0.1.2.3',
  'localhost',
  'LocalHost',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::ffff:10.0.0.1]',
  '[::127.0.0.1]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::1]',
  '[fe80::1]',
  '[febf::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd12:3456::1]',
  '[ff02::1]',
  '[100::1]',
  '[2001:db8::1]',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '169.254.169.254',
  '0xa9fea9fe',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.19.255.255',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
];

function outbound(options: Partial<ConstructorParameters<typeof Outbound>[0]> = {}): Outbound {
  return new Outbound({ allow: ['127.0.0.0/8'], timeoutMs: 10_000, ...options });
}

for (const host of PRIVATE_HOSTS) {
  test(`refuses ${host}, and says which setting would allow it`, async t => {
    const canary = await startReceiver(t);
    const error = await t.throwsAsync(outbound({ allow: [] }).request(`http://${host}:${canary.port}/`, GET), {
      code: 'permission-denied',
    });
    t.regex(error!.message, /^The address \S+( of \S+)? is (private|reserved); add it to outbound\.allow to permit it$/);
    t.is(canary.received.length, 0);
  });
}

test('names the address and the host in the refusal', async t => {
  await t.throwsAsync(outbound({ allow: [] }).request('https://localhost/', GET), {
    message: /^The address (127\.0\.0\.1|::1) of localhost is private; /,
  });
});

test('refuses any name with an address that is private', async t => {
  const canary = await startReceiver(t);
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.9.8.7', '169.254.169.254', 'fe80::1%lo', '64:ff9b::a00:1'])
    for (const name of ['localhost.', 'intranet', 'public.example.com']) {
      const resolver = outbound({ allow: [], resolve: async () => [address] });
      await t.throwsAsync(resolver.request(`http://${name}:${canary.port}/`, GET), {
        code: 'permission-denied',
        message: new RegExp(` of ${name} is `),
      });
    }
  t.is(canary.received.length, 0);
});

test('refuses other schemes, URLs with a password and what is no URL', async t => {
  for (const url of [
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'gopher://127.0.0.1/',
    'data:,x',
    'http://a:b@127.0.0.1/',
    '127.0.0.1',
    'http://',
    'http://[::1',
    '',
  ])
    await t.throwsAsync(outbound().request(url, GET), { code: 'invalid-request' }, url);
});

test('reaches what the list allows: a range, an address, a mapped spelling of it', async t => {
  const receiver = await startReceiver(t, response => void response.writeHead(200, { 'X-Two': ['a', 'b'] }).end('hello'));
  for (const allow of ['127.0.0.0/8', '127.0.0.1', '::ffff:127.0.0.1', '::ffff:127.0.0.1/104', '0.0.0.0/0']) {
    const answer = await outbound({ allow: [allow] }).request(`http://127.0.0.1:${receiver.port}/a?b=c`, {
      method: 'POST',
      headers: { 'x-one': '1' },
      body: 'body',
    });
    t.is(answer.status, 200);
    t.is(answer.body, 'hello');
    t.is(answer.headers['x-two'], 'a, b');
  }
  const [first] = receiver.received;
  t.is(first!.method, 'POST');
  t.is(first!.url, '/a?b=c');
  t.is(first!.headers['x-one'], '1');
  t.is(first!.body, 'body');
});

test('takes a mapped address for the one that it stands for', async t => {
  const receiver = await startReceiver(t);
  const mapped = outbound({ allow: ['127.0.0.1'], resolve: async () => ['::ffff:127.0.0.1'] });
  t.is((await mapped.request(`http://mapped.example:${receiver.port}/`, GET)).status, 204);
});

test('allows an address and not its neighbours', async t => {
  await t.throwsAsync(outbound({ allow: ['127.0.0.1', 'fd00::/8'] }).request('http://127.0.0.2:9/', GET), { code: 'permission-denied' });
});

test('names the entry of the list that is no address', t => {
  for (const entry of ['localhost', '10.0.0.0/33', '10.0.0', '0x7f.1', '', '10.0.0.0/', '::/129'])
    t.throws(() => outbound({ allow: ['10.0.0.0/8', entry] }), {
      code: 'invalid-request',
      message: new RegExp(`^outbound\\.allow: '${entry}' `),
    });
});

test('connects to the addresses that were checked, and looks no name up twice', async t => {
  const permitted = await startReceiver(t);
  const answers = [['127.0.0.1'], ['127.0.0.2'], ['127.0.0.1', '127.0.0.2'], ['127.0.0.1', '::ffff:127.0.0.2'], []];
  let lookups = 0;
  const rebound = outbound({ allow: ['127.0.0.1'], resolve: async () => answers[lookups++]! });
  const url = `http://rebind.example:${permitted.port}/`;
  t.is((await rebound.request(url, GET)).status, 204);
  t.is(lookups, 1);
  t.is(permitted.received[0]!.headers.host, `rebind.example:${permitted.port}`);
  for (let request = 0; request < 3; request++) await t.throwsAsync(rebound.request(url, GET), { code: 'permission-denied' });
  await t.throwsAsync(rebound.request(url, GET), { code: 'unavailable' });
  t.is(permitted.received.length, 1);
});

test('makes a connection for each request', async t => {
  let connections = 0;
  const port = await startTcp(t, socket => {
    connections++;
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  });
  const way = outbound();
  for (let request = 0; request < 3; request++) await way.request(`http://127.0.0.1:${port}/`, GET);
  t.is(connections, 3);
});

test('hands a redirect back and does not follow it', async t => {
  const canary = await startReceiver(t);
  for (const status of [301, 302, 303, 307, 308]) {
    const receiver = await startReceiver(t, response => void response.writeHead(status, { location: canary.url }).end());
    t.is((await outbound().request(receiver.url, GET)).status, status);
  }
  t.is(canary.received.length, 0);
});

for (const [name, header] of [
  ['an endless answer', 'transfer-encoding: chunked'],
  ['an answer of 3 GB', 'content-length: 3221225472'],
] as const) {
  test(`reads the first 64 KiB of ${name} and cuts the connection`, async t => {
    let written = 0;
    let closed: Promise<unknown> | undefined;
    const chunk = 'x'.repeat(65_536);
    const framed = header.startsWith('transfer') ? `10000\r\n${chunk}\r\n` : chunk;
    const port = await startTcp(t, socket => {
      closed = new Promise(resolve => socket.once('close', resolve));
      const flood = () => {
        while (!socket.destroyed && socket.write(framed)) written += framed.length;
        written += framed.length;
      };
      socket.on('drain', flood);
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${header}\r\n\r\n`);
        flood();
      });
    });
    const answer = await outbound().request(`http://127.0.0.1:${port}/`, GET);
    t.is(answer.body, chunk);
    await closed;
    t.true(written < 32 * MiB, `the server could send ${written} bytes`);
  });
}

test('cuts the answer where it is told', async t => {
  const receiver = await startReceiver(t, response => void response.end('0123456789'));
  t.is((await outbound().request(receiver.url, { ...GET, maxAnswerBytes: 4 })).body, '0123');
});

test('does not decompress', async t => {
  const bomb = gzipSync(Buffer.alloc(20 * MiB));
  const receiver = await startReceiver(t, response => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
  const answer = await outbound().request(receiver.url, { ...GET, maxAnswerBytes: MiB });
  t.is(answer.headers['content-encoding'], 'gzip');
  t.is(answer.body, bomb.toString('utf8'));
});

const STALLS: Readonly<Record<string, string>> = {
  'says nothing': '',
  'stops in a header': 'HTTP/1.1 200 OK\r\nx-half: ',
  'stops in the body': 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
};
for (const [name, beginning] of Object.entries(STALLS)) {
  test(`gives up at the limit when the other side ${name}`, async t => {
    const port = await startTcp(t, socket => void socket.write(beginning));
    await t.throwsAsync(outbound({ timeoutMs: 300 }).request(`http://127.0.0.1:${port}/`, GET), {
      code: 'unavailable',
      message: `No whole answer from 127.0.0.1:${port} within 0.3 s`,
    });
  });
}

test('gives up at the limit when the answer drips, whole bytes or not', async t => {
  const port = await startTcp(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n');
    const drip = setInterval(() => socket.write('.'), 10);
    socket.once('close', () => clearInterval(drip));
  });
  await t.throwsAsync(outbound().request(`http://127.0.0.1:${port}/`, { ...GET, timeoutMs: 300 }), {
    code: 'unavailable',
    message: /No whole answer/,
  });
});

test('gives up at the limit while a name is still looked up', async t => {
  const stuck = outbound({ timeoutMs: 50, resolve: () => new Promise(() => {}) });
  await t.throwsAsync(stuck.request('http://slow.example/', GET), { code: 'unavailable', message: /No whole answer from slow.example/ });
});

const BROKEN: Readonly<Record<string, string>> = {
  garbage: '\u0000\u0001garbage\r\n\r\n',
  'an SSH banner': 'SSH-2.0-OpenSSH_9.2\r\n',
  'a header of 1 MiB': `HTTP/1.1 200 OK\r\nx-long: ${'x'.repeat(MiB)}\r\n\r\n`,
  'an upgrade nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
};
for (const [name, answer] of Object.entries(BROKEN)) {
  test(`fails as 'unavailable' on ${name}`, async t => {
    const port = await startTcp(t, socket => void socket.end(answer));
    await t.throwsAsync(outbound().request(`http://127.0.0.1:${port}/`, GET), {
      code: 'unavailable',
      message: /^The request to 127\.0\.0\.1:\d+ failed: /,
    });
  });
}

test("fails as 'unavailable' when the connection is reset, and when there is none", async t => {
  const port = await startTcp(t, socket => void socket.once('data', () => socket.resetAndDestroy()));
  await t.throwsAsync(outbound().request(`http://127.0.0.1:${port}/`, GET), { code: 'unavailable', message: /the connection was cut$/ });
  await t.throwsAsync(outbound().request('http://127.0.0.1:1/', GET), { code: 'unavailable', message: /the connection is refused$/ });
  const failing = outbound({ resolve: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })) });
  await t.throwsAsync(failing.request('http://nowhere.example/', GET), { code: 'unavailable', message: /the name is not known$/ });
});

test('refuses headers that would smuggle another line', async t => {
  const receiver = await startReceiver(t);
  await t.throwsAsync(outbound().request(receiver.url, { method: 'GET', headers: { 'x-a': 'b\r\nx-c: d' } }), { code: 'invalid-request' });
  await t.throwsAsync(outbound().request(receiver.url, { method: 'GET', headers: { 'x-a\r\nx-c': 'd' } }), { code: 'invalid-request' });
  t.is(receiver.received.length, 0);
});

test('ends what is under way when the caller or the hub stops, and takes nothing more after close', async t => {
  const connected: Array<() => void> = [];
  const port = await startTcp(t, () => connected.shift()?.());
  const url = `http://127.0.0.1:${port}/`;
  const way = outbound();
  const reached = () => new Promise<void>(resolve => connected.push(resolve));

  const caller = new AbortController();
  const [first] = await Promise.all([
    t.throwsAsync(way.request(url, { ...GET, signal: caller.signal }), { code: 'aborted' }),
    reached().then(() => caller.abort()),
  ]);
  t.truthy(first);
  await Promise.all([t.throwsAsync(way.request(url, GET), { code: 'aborted' }), reached().then(() => way.close())]);
  await t.throwsAsync(way.request(url, GET), { code: 'aborted' });
  await way.close();
});
