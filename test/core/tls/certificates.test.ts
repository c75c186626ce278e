import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import test from 'ava';
import { configSchema } from '#core/config/schema.js';
import { createLogger } from '#core/log.js';
import { Certificates } from '#core/tls/certificates.js';
import { run, until } from '../../support/children.js';
import { tool } from '../../support/tools.js';
import { nameOf, pem, rsaPem, serve } from './support.js';

test('makes a certificate of its own once, for the owner only, that clients can check', async t => {
  const { directory, certificates, visit } = await serve(t);
  const file = join(directory, 'tls', 'self-signed.pem');
  t.is((await stat(file)).mode & 0o777, 0o600);
  const text = await readFile(file, 'utf8');
  const socket = await visit({ ca: text, rejectUnauthorized: true, servername: 'localhost' });
  t.true(socket.authorized);
  t.is(socket.getPeerCertificate().fingerprint256, certificates.list()[0]!.fingerprint);
  const { tls: settings } = configSchema.parse({});
  const again = new Certificates({ settings, dataDirectory: directory, log: createLogger('silent') });
  await again.start();
  await again.stop();
  t.is(again.list()[0]!.fingerprint, certificates.list()[0]!.fingerprint);
});

test('SNI chooses between names, wildcards for one label, and the default for all others', async t => {
  const { visit, certificates } = await serve(t, {
    'a.pem': await pem(['first.example.com']),
    'b.pem': await pem(['second.example.org', 'alias.example.org']),
    'c.pem': await pem(['*.example.com']),
  });
  for (const [servername, expected] of [
    ['first.example.com', 'first.example.com'],
    ['FIRST.example.com', 'first.example.com'],
    ['second.example.org', 'second.example.org'],
    ['alias.example.org', 'second.example.org'],
    ['other.example.com', '*.example.com'],
    ['two.labels.example.com', 'first.example.com'],
    ['example.com', 'first.example.com'],
    ['unknown', 'first.example.com'],
    ['', 'first.example.com'],
  ] as const)
    t.is(nameOf(await visit({ servername })), expected, servername);
  t.true(certificates.has('x.example.com'));
  t.false(certificates.has('x.example.org'));
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a second socket resumes the session of the first by ${version}`, async t => {
    const { visit } = await serve(t);
    const first = connectOnce(await visit({ minVersion: version, maxVersion: version, servername: 'localhost' }));
    const second = await visit({ minVersion: version, maxVersion: version, session: await first, servername: 'localhost' });
    t.is(second.getProtocol(), version);
    t.true(second.isSessionReused());
  });
}

/** The session of a socket, which with TLS 1.3 comes after the handshake. */
async function connectOnce(socket: TLSSocket): Promise<Buffer> {
  const [session] = socket.getProtocol() === 'TLSv1.3' ? await once(socket, 'session') : [socket.getSession()];
  return session as Buffer;
}

test('a session may be resumed for a day, by TLS 1.3 with the fastest cipher', async t => {
  const { port, visit } = await serve(t);
  const shown = await run(tool('openssl'), ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2'], { input: 'Q\n' });
  t.regex(shown.stdout, /ticket lifetime hint: 86400/);
  t.is((await visit()).getCipher().name, 'TLS_AES_128_GCM_SHA256');
});

test('a new file is used by those who come after it, and open connections go on', async t => {
  const { visit, directory, certificates } = await serve(t, { 'a.pem': await pem(['before.example.com']) });
  const open = await visit();
  let changes = 0;
  const stop = certificates.onChange(() => void changes++);
  await writeFile(join(directory, 'a.pem'), await pem(['after.example.com']));
  await until('the new certificate is shown', async () => nameOf(await visit()) === 'after.example.com');
  open.write('still here');
  t.is(String((await once(open, 'data'))[0]), 'still here');
  t.is(nameOf(open), 'before.example.com');
  t.is(changes, 1);
  stop();
});

test('a broken file changes nothing, and the log says what is wrong with it', async t => {
  const { visit, directory, lines, certificates } = await serve(t, { 'a.pem': await pem(['good.example.com']) });
  const file = join(directory, 'a.pem');
  const [ec, other] = [await pem(['new.example.com']), await pem(['new.example.com'])];
  const certificate = ec.slice(0, ec.indexOf('-----BEGIN PRIVATE KEY'));
  const otherKey = other.slice(other.indexOf('-----BEGIN PRIVATE KEY'));
  for (const [text, expected] of [
    ['nothing', /a\.pem holds no certificate in PEM/],
    [certificate, /a\.pem holds no private key in PEM/],
    [certificate + otherKey, /key in .*a\.pem is not the one of the certificate/],
    [ec.replace(/(MII.{20})..../, '$1AAAA'), /Certificate 1 of 1 in .*a\.pem is damaged/],
    [ec.replace(/MII../, 'MIIAA'), /Certificate 1 of 1 in .*a\.pem is damaged/],
    [await pem(['new.example.com'], -0.5), /expired on \d{4}-/],
    [await pem(['new.example.com'], 10, 5), /valid only from \d{4}-/],
  ] as const) {
    const before = lines.length;
    await writeFile(file, text);
    await until(String(expected), async () => lines.slice(before).some(line => expected.test(line)));
    t.is(nameOf(await visit()), 'good.example.com');
    t.regex(certificates.list()[0]!.problem ?? '', expected);
  }
  await writeFile(file, await pem(['repaired.example.com']));
  await until('the repaired file is used', async () => nameOf(await visit()) === 'repaired.example.com');
  t.is(certificates.list()[0]!.problem, undefined);
  t.is(lines.filter(line => line.includes('cannot be used')).length, 7, 'each is told once');
});

test('a file that cannot be used ends the start, with its name; one that has expired does not', async t => {
  await t.throwsAsync(serve(t, { 'a.pem': 'nothing' }), { code: 'invalid-request', message: /a\.pem holds no certificate/ });
  await t.throwsAsync(serve(t, {}, { certificates: [{ certificate: 'absent.pem' }] }), {
    message: /absent\.pem cannot be read: there is no/,
  });
  await t.throwsAsync(serve(t, {}, { ciphers: 'ROT13' }), { code: 'invalid-request', message: /settings in tls/ });
  await t.throwsAsync(serve(t, {}, { clientCertificates: 'required' }), { message: /set tls\.clientAuthorities/ });
  const { lines, visit } = await serve(t, { 'a.pem': await pem(['old.example.com'], -0.5) });
  t.is(nameOf(await visit()), 'old.example.com');
  t.regex(lines.join('\n'), /expired on/);
});

test('ECDSA and RSA stand side by side, for clients that can only one of them', async t => {
  const { visit } = await serve(t, { 'a.pem': await pem(['both.example.com']), 'b.pem': await rsaPem('both.example.com') });
  const limits = { servername: 'both.example.com', maxVersion: 'TLSv1.2' } as const;
  const bits = async (ciphers: string) => (await visit({ ...limits, ciphers })).getPeerCertificate().bits;
  t.is(await bits('ECDHE-ECDSA-AES128-GCM-SHA256'), 256);
  t.is(await bits('ECDHE-RSA-AES128-GCM-SHA256'), 2_048);
});

test('clients that speak too old a version, or only weak ciphers, are refused', async t => {
  const { visit } = await serve(t, {}, { minVersion: 'TLSv1.3' });
  await t.throwsAsync(visit({ maxVersion: 'TLSv1.2' }));
  t.is((await visit()).getProtocol(), 'TLSv1.3');
  const { visit: weak } = await serve(t, { 'a.pem': await rsaPem('a') });
  await t.throwsAsync(weak({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }), undefined, 'no forward secrecy');
});

test('a tls.Server that follows shows new certificates', async t => {
  const { certificates, directory } = await serve(t, { 'a.pem': await pem(['before.example.com']) });
  const server = createServer(certificates.tlsOptions(), socket => socket.on('error', () => undefined));
  certificates.follow(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const shown = async () => {
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const name = nameOf(socket);
    socket.destroy();
    return name;
  };
  t.is(await shown(), 'before.example.com');
  await writeFile(join(directory, 'a.pem'), await pem(['after.example.com']));
  await until('the server shows it', async () => (await shown()) === 'after.example.com');
});
