import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './children.js';
import type { Account, Clients } from './clients.js';
import { type FileClient, LIMIT_MS, linesOf, succeeded } from './file-client.js';
import { Lacking, tool } from './tools.js';

/** How an FTP client connects: `port` is that of the listener that fits. */
export interface FtpAccount extends Account {
  readonly tls: 'none' | 'explicit' | 'implicit';
  /** PASV, EPSV, or PORT and EPRT. */
  readonly data: 'passive' | 'extended' | 'active';
}

/** A client, and the ways in which it can connect. */
export interface FtpClientProgram {
  readonly tls: readonly FtpAccount['tls'][];
  readonly data: readonly FtpAccount['data'][];
  /** Resumes the TLS session of the control connection on data connections. */
  readonly resumesSessions: boolean;
  /** Cannot listen for a data connection with TLS. */
  readonly plainWhenActive?: boolean;
  make(clients: Clients, account: FtpAccount): FileClient | Promise<FileClient>;
}

const EVERY_TLS = ['none', 'explicit', 'implicit'] as const;
const EVERY_DATA = ['passive', 'extended', 'active'] as const;

/** The clients that speak FTP, by the names that people know them by. */
export const FTP_CLIENTS: Readonly<Record<string, FtpClientProgram>> = {
  // Versions 7.87 to 8.0 of curl forget TLS when the server connects (its issue 10666).
  curl: { tls: EVERY_TLS, data: EVERY_DATA, resumesSessions: true, plainWhenActive: true, make: curl },
  lftp: { tls: EVERY_TLS, data: EVERY_DATA, resumesSessions: true, make: lftp },
  ncftp: { tls: ['none'], data: ['passive', 'active'], resumesSessions: false, make: ncftp },
  rclone: { tls: EVERY_TLS, data: ['passive', 'extended'], resumesSessions: true, make: rclone },
  ftplib: { tls: EVERY_TLS, data: EVERY_DATA, resumesSessions: false, make: ftplib },
  'basic-ftp': { tls: EVERY_TLS, data: ['passive', 'extended'], resumesSessions: true, make: basicFtp },
};

/** Runs lftp's commands, logged in. */
export async function runLftp(clients: Clients, account: FtpAccount, commands: readonly string[], more: readonly string[] = []) {
  const script = [
    'set cmd:fail-exit yes',
    'set net:max-retries 1',
    'set net:timeout 20',
    'set ssl:verify-certificate no',
    `set ftp:ssl-allow ${account.tls !== 'none'}`,
    `set ftp:ssl-force ${account.tls === 'explicit'}`,
    `set ftp:prefer-epsv ${account.data === 'extended'}`,
    `set ftp:passive-mode ${account.data !== 'active'}`,
    ...more,
    `open -u ${account.user},${account.password} -p ${account.port} ${account.tls === 'implicit' ? 'ftps' : 'ftp'}://127.0.0.1`,
    ...commands,
  ];
  const file = join(clients.home, `lftp-${account.port}-${account.data}.script`);
  await writeFile(file, `${script.join('\n')}\n`);
  return run(tool('lftp'), ['--norc', '-f', file], { env: clients.environment(account), timeoutMs: LIMIT_MS });
}

/** The remote of an account as rclone reads it from the environment, called `hub:`. */
export async function rcloneEnvironment(clients: Clients, account: FtpAccount): Promise<NodeJS.ProcessEnv> {
  const obscured = await succeeded(run(tool('rclone'), ['obscure', account.password ?? '']));
  return {
    ...clients.environment(account),
    RCLONE_CONFIG: join(clients.home, 'rclone-ftp.conf'),
    RCLONE_CONFIG_HUB_TYPE: 'ftp',
    RCLONE_CONFIG_HUB_HOST: '127.0.0.1',
    RCLONE_CONFIG_HUB_PORT: String(account.port),
    RCLONE_CONFIG_HUB_USER: account.user,
    RCLONE_CONFIG_HUB_PASS: obscured.trim(),
    RCLONE_CONFIG_HUB_TLS: String(account.tls === 'implicit'),
    RCLONE_CONFIG_HUB_EXPLICIT_TLS: String(account.tls === 'explicit'),
    RCLONE_CONFIG_HUB_NO_CHECK_CERTIFICATE: 'true',
    RCLONE_CONFIG_HUB_DISABLE_EPSV: String(account.data === 'passive'),
    RCLONE_NO_UNICODE_NORMALIZATION: 'true',
  };
}

/** The words with which curl logs in, and the URL of a path. */
export function curlLogin(account: FtpAccount): { readonly login: readonly string[]; at(path: string): string } {
  const data = { passive: ['--disable-epsv'], extended: [], active: ['-P', '127.0.0.1'] }[account.data];
  const tls = account.tls === 'explicit' ? ['--ssl-reqd'] : [];
  return {
    login: ['-q', '-sS', '--insecure', '--user', `${account.user}:${account.password}`, ...tls, ...data],
    at: path =>
      `${account.tls === 'implicit' ? 'ftps' : 'ftp'}://127.0.0.1:${account.port}${path.split('/').map(encodeURIComponent).join('/')}`,
  };
}

function curl(clients: Clients, account: FtpAccount): FileClient {
  const program = tool('curl');
  const { login, at } = curlLogin(account);
  const curl = (...args: readonly string[]) =>
    succeeded(run(program, [...login, ...args], { env: clients.environment(account), timeoutMs: LIMIT_MS }));
  return {
    put: (local, remote) => curl('-T', local, at(remote)),
    get: (remote, local) => curl('-o', local, at(remote)),
    resumePut: (local, remote) => curl('-C', '-', '-T', local, at(remote)),
    resumeGet: (remote, local) => curl('-C', '-', '-o', local, at(remote)),
    list: async folder => linesOf(await curl('--list-only', at(`${folder}/`))),
    rename: (from, to) => curl('--head', '-Q', `RNFR ${from}`, '-Q', `RNTO ${to}`, at('/')),
    remove: path => curl('--head', '-Q', `DELE ${path}`, at('/')),
  };
}

function lftp(clients: Clients, account: FtpAccount): FileClient {
  tool('lftp');
  const lftp = (...words: readonly string[]) => succeeded(runLftp(clients, account, [words.join(' ')]));
  return {
    put: (local, remote) => lftp('put', quoted(local), '-o', quoted(remote)),
    get: (remote, local) => lftp('get', quoted(remote), '-o', quoted(local)),
    resumePut: (local, remote) => lftp('put -c', quoted(local), '-o', quoted(remote)),
    resumeGet: (remote, local) => lftp('get -c', quoted(remote), '-o', quoted(local)),
    list: async folder => linesOf(await lftp('cls -1', quoted(`${folder}/`))).map(path => path.slice(path.lastIndexOf('/') + 1)),
    rename: (from, to) => lftp('mv', quoted(from), quoted(to)),
    remove: path => lftp('rm', quoted(path)),
  };
}

function ncftp(clients: Clients, account: FtpAccount): FileClient {
  const login = ['-u', account.user, '-p', account.password ?? '', '-P', String(account.port)];
  const options = [...login, account.data === 'active' ? '-E' : '-F', '-t', '20', '-r', '1'];
  const act = (program: string, ...args: readonly string[]) =>
    succeeded(run(tool(program), [...options, ...args], { env: clients.environment(account), timeoutMs: LIMIT_MS }));
  tool('ncftpput');
  const shell = (...words: readonly string[]) =>
    succeeded(run(tool('ncftp'), [...login, '127.0.0.1'], { input: `${words.join(' ')}\nquit\n`, env: clients.environment(account) }));
  return {
    put: (local, remote) => act('ncftpput', '-V', '-C', '127.0.0.1', local, remote),
    get: (remote, local) => act('ncftpget', '-V', '-Z', '-C', '127.0.0.1', remote, local),
    list: async folder => linesOf(await act('ncftpls', '-m', `ftp://127.0.0.1/${encodeURI(`${folder}/`)}`)),
    rename: (from, to) => shell('rename', quoted(from), quoted(to)),
    remove: path => shell('rm', quoted(path)),
  };
}

async function rclone(clients: Clients, account: FtpAccount): Promise<FileClient> {
  const env = await rcloneEnvironment(clients, account);
  const rclone = (...args: readonly string[]) =>
    succeeded(run(tool('rclone'), ['--retries', '1', '--low-level-retries', '1', ...args], { env, timeoutMs: LIMIT_MS }));
  return {
    put: (local, remote) => rclone('copyto', local, `hub:${remote}`),
    get: (remote, local) => rclone('copyto', `hub:${remote}`, local),
    list: async folder => linesOf(await rclone('lsf', `hub:${folder}`)),
    rename: (from, to) => rclone('moveto', `hub:${from}`, `hub:${to}`),
    remove: path => rclone('deletefile', `hub:${path}`),
  };
}

function ftplib(clients: Clients, account: FtpAccount): FileClient {
  const python = tool('python3');
  const script = fileURLToPath(new URL('../../../test/support/ftplib-client.py', import.meta.url));
  const { port, user, tls, data } = account;
  const env = { ...clients.environment(account), TEST_PORT: String(port), TEST_USER: user, TEST_TLS: tls, TEST_DATA: data };
  const act = (...args: readonly string[]) => succeeded(run(python, ['-W', 'ignore', script, ...args], { env, timeoutMs: LIMIT_MS }));
  return {
    put: (local, remote) => act('put', local, remote),
    get: (remote, local) => act('get', remote, local),
    resumePut: (local, remote) => act('resume-put', local, remote),
    resumeGet: (remote, local) => act('resume-get', remote, local),
    list: async folder => linesOf(await act('list', folder)),
    rename: (from, to) => act('rename', from, to),
    remove: path => act('remove', path),
  };
}

/** What is used of the package basic-ftp. */
interface BasicFtp {
  prepareTransfer: unknown;
  access(options: object): Promise<unknown>;
  uploadFrom(local: string, remote: string): Promise<unknown>;
  appendFrom(local: string, remote: string, options: { readonly localStart: number }): Promise<unknown>;
  downloadTo(local: string, remote: string, startAt?: number): Promise<unknown>;
  size(path: string): Promise<number>;
  list(path: string): Promise<readonly { readonly name: string }[]>;
  rename(from: string, to: string): Promise<unknown>;
  remove(path: string): Promise<unknown>;
  close(): void;
}

async function basicFtp(_clients: Clients, account: FtpAccount): Promise<FileClient> {
  const name = 'basic-ftp';
  const loaded: { readonly Client: new (timeoutMs: number) => BasicFtp; readonly enterPassiveModeIPv4: unknown } = await import(name).catch(
    () => {
      throw new Lacking(`the package ${name} is not installed`);
    },
  );
  const client = new loaded.Client(20_000);
  if (account.data === 'passive') client.prepareTransfer = loaded.enterPassiveModeIPv4;
  const { port, user, password, tls } = account;
  const secure = { none: false, explicit: true, implicit: 'implicit' }[tls];
  await client.access({ host: '127.0.0.1', port, user, password, secure, secureOptions: { rejectUnauthorized: false } });
  return {
    put: (local, remote) => client.uploadFrom(local, remote),
    get: (remote, local) => client.downloadTo(local, remote),
    resumePut: async (local, remote) => client.appendFrom(local, remote, { localStart: await client.size(remote) }),
    // It opens a file that is there at the offset, and asks for the rest.
    resumeGet: async (remote, local) => client.downloadTo(local, remote, (await import('node:fs')).statSync(local).size),
    list: async folder => (await client.list(folder)).map(({ name }) => name),
    rename: (from, to) => client.rename(from, to),
    remove: path => client.remove(path),
    end: async () => client.close(),
  };
}

/** A word of lftp. */
export function quoted(word: string): string {
  return `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}
