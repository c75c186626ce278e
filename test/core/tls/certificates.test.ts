import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket, TLSSocket as TlsSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { configSchema } from '#core/config/schema.js';
import { createLogger, type Logger } from '#core/log.js';
import { Certificates } from '#core/tls/certificates.js';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { temporaryFolder, until } from '../../support/children.js';

const DAY_MS = 86_400_000;

/** A certificate and its key in one text. */
function pem(names: readonly string[], days = 365, from = -1): Promise<string> {
  const at = (day: number) => new Date(Date.now() + day * DAY_MS);
  return makeSelfSigned({ names, notBefore: at(from), notAfter: at(days) });
}

/** A log whose lines can be looked at. */
function recordingLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const log = createLogger('silent') as Logger & { child: () => Logger };
  const record = (details: object, message: string) => void lines.push(`${message} ${JSON.stringify(details)}`);
  const recording = Object.assign(Object.create(log), { error: record, info: record, warn: record }) as typeof log;
  recording.child = () => recording;
  return { log: recording, lines };
}

interface Setting {
  readonly certificates: Certificates;
  readonly directory: string;
  readonly lines: readonly string[];
  /** Connects to a listener that speaks TLS with these certificates, and gives the socket once it is secure. */
  visit(options?: ConnectionOptions): Promise<TLSSocket>;
  /** Sockets at the server's end. */
  readonly accepted: TLSSocket[];
}

/** Certificates out of `files` by name, in use by a listener. */
async function serve(
  t: ExecutionContext,
  files: Readonly<Record<string, string>> = {},
  tls: Record<string, unknown> = {},
): Promise<Setting> {
  const directory = await temporaryFolder('tls');
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { mode: 0o600 });
  const listed = Object.keys(files)
    .filter(name => name.endsWith('.pem'))
    .map(certificate => ({ certificate }));
  const { tls: settings } = configSchema.parse({ tls: { certificates: listed, ...tls } });
  const { log, lines } = recordingLog();
  const certificates = new Certificates({ settings, dataDirectory: directory, log });
  await certificates.start();
  t.teardown(() => certificates.stop());
  const accepted: TLSSocket[] = [];
  const server = createServer((socket: Socket) => {
    const secure = new TlsSocket(socket, { ...certificates.tlsOptions(), isServer: true });
    secure.on('error', () => socket.destroy());
    secure.on('data', chunk => secure.write(chunk));
    accepted.push(secure);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const visit = async (options: ConnectionOptions = {}) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    t.teardown(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  return { certificates, directory, lines, visit, accepted };
}

const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;

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
