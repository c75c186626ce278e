import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Defence } from '#core/auth/defence.js';
import { run, temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { FtpClient } from '../support/ftp-client.js';
import { startHub, type TestHub } from '../support/hub.js';
import { binaryHeader, textHeader } from '../support/proxy-headers.js';
import { startProxyRelay } from '../support/proxy-relay.js';
import { programFor } from '../support/tools.js';

const PASSWORD = 'correct horse';
const CLIENT = { address: '198.51.100.7', port: 51_234 };
/** Where the relays listen, as a load balancer would before the hub. */
const BALANCER = '127.0.0.3';
const V1 = textHeader(CLIENT, { address: BALANCER, port: 21 });
const V2 = binaryHeader(CLIENT, { address: BALANCER, port: 21 }, { checksum: 'right' });
const CONTENT = randomBytes(3_000_000);

async function start(t: ExecutionContext, protocols: object, more: object = {}): Promise<TestHub> {
  return startHub(t, {
    users: { alice: { password: PASSWORD } },
    values: { proxyProtocol: { trusted: ['127.0.0.2'], timeout: '2s' }, protocols, ...more },
  });
}

/** Ten ports in a row that are relayed to the same ones of the hub. Gives the first. */
async function relayedRange(t: ExecutionContext, tries = 5): Promise<number> {
  const first = 20_000 + Math.floor(Math.random() * 10_000);
  try {
    for (let port = first; port < first + 10; port++) await startProxyRelay(t, { target: port, header: V2, host: BALANCER, port });
    return first;
  } catch (error) {
    // Somebody else listens there.
    if (tries === 1) throw error;
    return relayedRange(t, tries - 1);
  }
}

for (const together of [false, true]) {
  test(`an upload by OpenSSH through a proxy comes from the client, its first words ${together ? 'with' : 'after'} the header`, async t => {
    if (!programFor(t, 'sftp')) return;
    const hub = await start(t, {});
    const port = await startProxyRelay(t, { target: hub.port('sftp'), header: V2, together });
    const clients = await Clients.create();
    await writeFile(join(clients.home, 'big'), CONTENT);
    const commands = [`put ${join(clients.home, 'big')} big`, `get big ${join(clients.home, 'back')}`];
    const { code, output } = await clients.sftp({ port, user: 'alice', password: PASSWORD }, commands);
    t.is(code, 0, output);
    t.true((await readFile(join(clients.home, 'back'))).equals(CONTENT));
    for (const type of ['login.succeeded', 'upload.completed', 'download.completed'] as const)
      t.is((await hub.event(type)).data.session.remoteAddress, CLIENT.address, type);
  });
}

test('those who come past the proxy need no header, and are who they are', async t => {
  if (!programFor(t, 'sftp')) return;
  const hub = await start(t, {});
  const clients = await Clients.create();
  const { code, output } = await clients.sftp({ port: hub.port('sftp'), user: 'alice', password: PASSWORD }, ['ls']);
  t.is(code, 0, output);
  t.is((await hub.event('login.succeeded')).data.session.remoteAddress, '127.0.0.1');
});

test('a proxy whose protocol is not named is a client like others', async t => {
  if (!programFor(t, 'sftp')) return;
  const hub = await startHub(t, {
    users: { alice: { password: PASSWORD } },
    values: { proxyProtocol: { trusted: ['127.0.0.1'], protocols: ['web'] } },
  });
  const clients = await Clients.create();
  t.is((await clients.sftp({ port: hub.port('sftp'), user: 'alice', password: PASSWORD }, ['ls'])).code, 0);
  await t.throwsAsync(startHub(t, { values: { proxyProtocol: { protocols: ['sfpt'] } } }), { code: 'invalid-request', message: /'sfpt'/ });
});

for (const tls of ['none', 'explicit', 'implicit'] as const) {
  test(`curl puts and gets over FTP through a proxy, data connections too, TLS: ${tls}`, async t => {
    const curl = programFor(t, 'curl');
    if (!curl) return;
    const ports = await relayedRange(t);
    const hub = await start(t, {
      ftp: { enabled: true, host: '127.0.0.1', port: 0, implicitPort: 0, tls: 'optional', passive: { ports: `${ports}-${ports + 9}` } },
    });
    const [explicit, implicit] = hub.hub.listeners.filter(({ protocol }) => protocol === 'ftp');
    const target = (tls === 'implicit' ? implicit : explicit)!.port;
    const port = await startProxyRelay(t, { target, header: tls === 'none' ? V1 : V2, host: BALANCER, together: tls === 'implicit' });
    const folder = await temporaryFolder('proxied');
    await writeFile(join(folder, 'big'), CONTENT);
    await writeFile(join(folder, 'empty'), '');
    const url = `${tls === 'implicit' ? 'ftps' : 'ftp'}://${BALANCER}:${port}/`;
    const common = ['-q', '-sS', '-k', '-u', `alice:${PASSWORD}`, ...(tls === 'explicit' ? ['--ssl-reqd'] : [])];
    for (const data of [['--ftp-pasv', '--disable-epsv', '--no-ftp-skip-pasv-ip'], []]) {
      for (const name of ['big', 'empty']) {
        const put = await run(curl, [...common, ...data, '-T', join(folder, name), `${url}${name}`]);
        t.is(put.code, 0, put.output);
        const got = await run(curl, [...common, ...data, '-o', join(folder, `got-${name}`), `${url}${name}`]);
        t.is(got.code, 0, got.output);
        t.true((await readFile(join(folder, `got-${name}`))).equals(await readFile(join(folder, name))), name);
      }
    }
    t.is((await hub.event('upload.completed')).data.session.remoteAddress, CLIENT.address);
  });
}

test('a data connection that comes past the proxy, or through it from another client, is dropped', async t => {
  const hub = await start(t, { ftp: { enabled: true, host: '127.0.0.1', port: 0, tls: 'off', passive: { ports: 'any' } } });
  const port = await startProxyRelay(t, { target: hub.port('ftp'), header: V2 });
  const client = await FtpClient.connect({ port, user: 'alice', password: PASSWORD });
  t.teardown(() => client.close());
  const strangers = binaryHeader({ address: '198.51.100.8', port: 1 }, { address: BALANCER, port: 21 });
  for (const header of [undefined, strangers]) {
    const data = await client.passivePort();
    const through = header ? await startProxyRelay(t, { target: data, header }) : data;
    const stranger = connect(through, '127.0.0.1');
    t.is(
      await new Promise(resolve =>
        stranger
          .on('error', () => undefined)
          .resume()
          .on('close', () => resolve('closed')),
      ),
      'closed',
    );
    const own = await startProxyRelay(t, { target: data, header: V2 });
    const right = connect(own, '127.0.0.1');
    const listing = new Promise(resolve => right.resume().on('close', () => resolve('closed')));
    t.is((await client.command('NLST')).code, 150);
    t.is((await client.reply()).code, 226);
    t.is(await listing, 'closed');
  }
});

for (const secure of [false, true]) {
  test(`the web sees the client behind a proxy (${secure ? 'HTTPS' : 'HTTP'}), and its X-Forwarded-For counts no more than before`, async t => {
    const hub = await start(t, { web: { enabled: true, port: 0, ...(secure && { tls: 'always' }) } });
    const port = await startProxyRelay(t, { target: hub.port('web'), header: V2, together: secure });
    const body = JSON.stringify({ scope: 'user', username: 'alice', password: PASSWORD });
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', 'x-forwarded-for': '10.9.9.9' };
    const path = '/api/v1/session';
    const status = await (secure
      ? new Promise(resolve => {
          const request = httpsRequest({ host: '127.0.0.1', port, path, method: 'POST', headers, rejectUnauthorized: false }, answer => {
            answer.resume();
            resolve(answer.statusCode);
          });
          request.end(body);
        })
      : fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body }).then(answer => answer.status));
    t.is(status, 200);
    t.is((await hub.event('login.succeeded')).data.session.remoteAddress, CLIENT.address);
  });
}

test('who guesses passwords behind a proxy is turned away alone', async t => {
  const ftp = { enabled: true, host: '127.0.0.1', port: 0, tls: 'off' };
  const hub = await start(t, { ftp }, { defence: { failures: 3, delay: '1ms' } });
  const guesser = await startProxyRelay(t, { target: hub.port('ftp'), header: V2 });
  const client = await FtpClient.connect({ port: guesser });
  t.teardown(() => client.close());
  for (let guess = 0; guess < 3; guess++) {
    await client.command('USER alice');
    await client.command(`PASS wrong ${guess}`);
  }
  t.is((await hub.event('login.failed')).data.remoteAddress, CLIENT.address);
  t.throws(() => hub.hub.get(Defence).admit(CLIENT.address) ?? fail(), { message: 'turned away' });
  await t.throwsAsync(FtpClient.connect({ port: guesser }));
  const other = await startProxyRelay(t, {
    target: hub.port('ftp'),
    header: textHeader({ address: '198.51.100.8', port: 1 }, { address: BALANCER, port: 21 }),
  });
  const friend = await FtpClient.connect({ port: other, user: 'alice', password: PASSWORD });
  t.teardown(() => friend.close());
  t.is((await friend.command('NOOP')).code, 200);
});

function fail(): never {
  throw new Error('turned away');
}
