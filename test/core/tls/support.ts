import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket, TLSSocket as TlsSocket } from 'node:tls';
import type { ExecutionContext } from 'ava';
import { configSchema } from '#core/config/schema.js';
import { createLogger, type Logger } from '#core/log.js';
import { Certificates } from '#core/tls/certificates.js';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { run, temporaryFolder } from '../../support/children.js';
import { tool } from '../../support/tools.js';

const DAY_MS = 86_400_000;
const NEW_KEY = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate and its key in one text, valid from `from` to `days` from now. */
export function pem(names: readonly string[], days = 365, from = -1): Promise<string> {
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

export interface Setting {
  readonly certificates: Certificates;
  readonly directory: string;
  readonly lines: readonly string[];
  /** Connects to a listener that speaks TLS with these certificates, and gives the socket once it is secure. */
  visit(options?: ConnectionOptions): Promise<TLSSocket>;
  readonly port: number;
  /** Sockets at the server's end. */
  readonly accepted: TLSSocket[];
}

/** Certificates out of `files` by name, in use by a listener. */
export async function serve(
  t: ExecutionContext,
  files: Readonly<Record<string, string>> = {},
  tls: Record<string, unknown> = {},
  prepare: (directory: string) => Promise<void> = async () => undefined,
): Promise<Setting> {
  const directory = await temporaryFolder('tls');
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { mode: 0o600 });
  await prepare(directory);
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
  return { certificates, directory, lines, visit, accepted, port };
}

/** The common name that a server showed. */
export const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;

/** Runs openssl in a folder: what it makes and checks is nobody's invention here. */
export async function openssl(directory: string, ...args: readonly string[]): Promise<string> {
  const outcome = await run(tool('openssl'), args, { cwd: directory });
  if (outcome.code !== 0) throw new Error(`openssl ${args[0]}: ${outcome.output}`);
  return outcome.stdout;
}

/** A certificate by openssl for one name, with an RSA key, in one text. */
export async function rsaPem(name: string): Promise<string> {
  const directory = await temporaryFolder('rsa');
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  await openssl(directory, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, '-keyout', 'key', '-out', 'cert');
  return `${await readFile(join(directory, 'cert'), 'utf8')}${await readFile(join(directory, 'key'), 'utf8')}`;
}

/** An authority for client certificates, kept by openssl in a folder. */
export class Authority {
  private constructor(private readonly directory: string) {}

  static async create(): Promise<Authority> {
    const directory = await temporaryFolder('authority');
    const settings = ['[ca]', 'default_ca=one', '[one]', 'database=index', 'crlnumber=number', 'default_md=sha256', 'default_crl_days=30'];
    await writeFile(join(directory, 'settings'), [...settings, 'policy=any', '[any]', 'commonName=supplied', ''].join('\n'));
    await writeFile(join(directory, 'index'), '');
    await writeFile(join(directory, 'number'), '01\n');
    await openssl(directory, ...NEW_KEY, '-x509', '-subj', '/CN=Authority', '-keyout', 'ca.key', '-out', 'ca.crt');
    return new Authority(directory);
  }

  /** PEM. */
  get certificate(): Promise<string> {
    return readFile(join(this.directory, 'ca.crt'), 'utf8');
  }

  /** A client's certificate and key. */
  async issue(name: string): Promise<{ readonly cert: string; readonly key: string }> {
    await openssl(this.directory, ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
    await openssl(this.directory, 'x509', '-req', '-in', `${name}.csr`, ...by, '-days', '30', '-out', `${name}.crt`);
    const read = (kind: string) => readFile(join(this.directory, `${name}.${kind}`), 'utf8');
    return { cert: await read('crt'), key: await read('key') };
  }

  /** Revokes the certificates of these clients, and gives the list in PEM. */
  async revoke(...names: readonly string[]): Promise<string> {
    const settings = ['-config', 'settings', '-cert', 'ca.crt', '-keyfile', 'ca.key'];
    for (const name of names) await openssl(this.directory, 'ca', '-revoke', `${name}.crt`, ...settings);
    await openssl(this.directory, 'ca', '-gencrl', '-out', 'ca.crl', ...settings);
    return readFile(join(this.directory, 'ca.crl'), 'utf8');
  }
}
