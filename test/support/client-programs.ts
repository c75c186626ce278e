import { chmod, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from './children.js';
import { type Account, type Clients, escaped } from './clients.js';
import { type ClientMaker, type FileClient, LIMIT_MS, linesOf, succeeded } from './file-client.js';
import { Lacking, tool } from './tools.js';

/** The clients that are programs, by the names that people know them by. */
export const CLIENT_PROGRAMS: Readonly<Record<string, ClientMaker>> = {
  'OpenSSH sftp': (clients, account) => opensshSftp(clients, account, []),
  'OpenSSH scp -s': (clients, account) => opensshScp(clients, account, ['-s']),
  'OpenSSH scp -O': (clients, account) => opensshScp(clients, account, ['-O']),
  'dbclient, sftp': async (clients, account) => opensshSftp(clients, account, ['-S', await dbclient(clients)]),
  'dbclient, scp -O': async (clients, account) => opensshScp(clients, account, ['-O', '-S', await dbclient(clients)]),
  lftp: (clients, account) => {
    const command = (...words: readonly string[]) => succeeded(clients.lftp(account, words.join(' ')));
    tool('lftp');
    return {
      put: (local, remote) => command('put', quoted(local), '-o', quoted(remote)),
      get: (remote, local) => command('get', quoted(remote), '-o', quoted(local)),
      resumePut: (local, remote) => command('put -c', quoted(local), '-o', quoted(remote)),
      resumeGet: (remote, local) => command('get -c', quoted(remote), '-o', quoted(local)),
      list: async folder => linesOf(await command('cls -1', quoted(`${folder}/`))).map(lastName),
      rename: (from, to) => command('mv', quoted(from), quoted(to)),
      remove: path => command('rm', quoted(path)),
    };
  },
  rclone: (clients, account) => {
    const command = (...args: readonly string[]) => succeeded(clients.rclone(account, args));
    tool('rclone');
    return {
      put: (local, remote) => command('copyto', local, `hub:${remote}`),
      get: (remote, local) => command('copyto', `hub:${remote}`, local),
      list: async folder => linesOf(await command('lsf', `hub:${folder}`)),
      rename: (from, to) => command('moveto', `hub:${from}`, `hub:${to}`),
      remove: path => command('deletefile', `hub:${path}`),
    };
  },
  curl: async (clients, account) => {
    const program = tool('curl');
    const { stdout } = await run(program, ['--version']);
    if (!/^Protocols:.* sftp/m.test(stdout)) throw new Lacking('this curl speaks no SFTP');
    const at = (path: string) => `sftp://127.0.0.1:${account.port}${path.split('/').map(encodeURIComponent).join('/')}`;
    const login = ['-q', '-sS', '--insecure', '--user', `${account.user}:${account.password}`];
    const curl = (...args: readonly string[]) =>
      succeeded(run(program, [...login, ...args], { env: clients.environment(account), timeoutMs: LIMIT_MS }));
    return {
      put: (local, remote) => curl('-T', local, at(remote)),
      get: (remote, local) => curl('-o', local, at(remote)),
      resumePut: (local, remote) => curl('-C', '-', '-T', local, at(remote)),
      resumeGet: (remote, local) => curl('-C', '-', '-o', local, at(remote)),
      list: async folder => linesOf(await curl('--list-only', at(`${folder}/`))),
      rename: (from, to) => curl('--head', '-Q', `rename ${quoted(from)} ${quoted(to)}`, at('/')),
      remove: path => curl('--head', '-Q', `rm ${quoted(path)}`, at('/')),
    };
  },
  psftp: async (clients, account) => {
    const login = await puttyLogin(clients, account);
    const batch = join(clients.home, 'psftp.batch');
    const psftp = async (...words: readonly string[]) => {
      await writeFile(batch, `${words.join(' ')}\n`);
      const args = [...login, '-b', batch, `${account.user}@127.0.0.1`];
      return succeeded(run(tool('psftp'), args, { env: clients.environment(account), timeoutMs: LIMIT_MS }));
    };
    return {
      put: (local, remote) => psftp('put', puttyQuoted(local), puttyQuoted(remote)),
      get: (remote, local) => psftp('get', puttyQuoted(remote), puttyQuoted(local)),
      resumePut: (local, remote) => psftp('reput', puttyQuoted(local), puttyQuoted(remote)),
      resumeGet: (remote, local) => psftp('reget', puttyQuoted(remote), puttyQuoted(local)),
      list: async folder => linesOf(await psftp('ls', puttyQuoted(folder))),
      rename: (from, to) => psftp('mv', puttyQuoted(from), puttyQuoted(to)),
      remove: path => psftp('rm', puttyQuoted(path)),
    };
  },
  'pscp -sftp': (clients, account) => pscp(clients, account, '-sftp'),
  'pscp -scp': (clients, account) => pscp(clients, account, '-scp'),
};

function opensshSftp(clients: Clients, account: Account, options: readonly string[]): FileClient {
  tool('sftp');
  const sftp = (...words: readonly string[]) => succeeded(clients.sftp(account, [words.join(' ')], options, LIMIT_MS));
  return {
    put: (local, remote) => sftp('put', escaped(local), escaped(remote)),
    get: (remote, local) => sftp('get', escaped(remote), escaped(local)),
    resumePut: (local, remote) => sftp('reput', escaped(local), escaped(remote)),
    resumeGet: (remote, local) => sftp('reget', escaped(remote), escaped(local)),
    list: async folder => linesOf(await sftp('ls -1', escaped(folder))).map(lastName),
    rename: (from, to) => sftp('rename', escaped(from), escaped(to)),
    remove: path => sftp('rm', escaped(path)),
  };
}

function opensshScp(clients: Clients, account: Account, options: readonly string[]): FileClient {
  const program = tool('scp');
  const at = remotely(account, options.includes('-O'));
  const scp = (from: string, to: string) =>
    succeeded(
      run(program, [...options, ...clients.sshOptions(account), '-P', String(account.port), from, to], {
        env: clients.environment(account),
        timeoutMs: LIMIT_MS,
      }),
    );
  return { put: (local, remote) => scp(local, at(remote)), get: (remote, local) => scp(at(remote), local) };
}

async function pscp(clients: Clients, account: Account, protocol: string): Promise<FileClient> {
  const program = tool('pscp');
  const login = await puttyLogin(clients, account);
  const at = remotely(account, protocol === '-scp');
  const copy = (...args: readonly string[]) =>
    succeeded(run(program, [...login, protocol, '-q', ...args], { env: clients.environment(account), timeoutMs: LIMIT_MS }));
  return {
    put: (local, remote) => copy(local, at(remote)),
    get: (remote, local) => copy(at(remote), local),
    ...(protocol === '-sftp' ? { list: async (folder: string) => linesOf(await copy('-ls', at(folder))) } : {}),
  };
}

/** A path as scp's arguments name it. The old protocol gives it to a shell, and who asks escapes it for that. */
function remotely(account: Account, forShell: boolean): (path: string) => string {
  return path => `${account.user}@127.0.0.1:${forShell ? path.replaceAll(' ', '\\ ') : path}`;
}

/** What PuTTY's programs need to log in without a question: the keys of the host are told, each by its fingerprint. */
async function puttyLogin(clients: Clients, account: Account): Promise<string[]> {
  tool('psftp');
  const file = join(clients.home, `known-${account.port}`);
  const keys = await succeeded(run(tool('ssh-keyscan'), ['-p', String(account.port), '127.0.0.1']));
  await writeFile(file, keys);
  const shown = await succeeded(run(tool('ssh-keygen'), ['-l', '-f', file]));
  const fingerprints = linesOf(shown).flatMap(line => ['-hostkey', line.split(' ')[1] ?? '']);
  const login = account.keyFile === undefined ? ['-pw', account.password ?? ''] : ['-i', await puttyKey(clients, account.keyFile)];
  return ['-batch', '-P', String(account.port), ...login, ...fingerprints];
}

/** The key in the form that PuTTY's programs read. */
async function puttyKey(clients: Clients, keyFile: string): Promise<string> {
  const converted = join(clients.home, `${basename(keyFile)}.ppk`);
  await succeeded(run(tool('puttygen'), [keyFile, '-O', 'private', '-o', converted]));
  return converted;
}

/** A program that takes ssh's arguments as OpenSSH's sftp and scp give them, and logs in by dropbear's client, which knows few of them. */
async function dbclient(clients: Clients): Promise<string> {
  const program = join(clients.home, 'dbclient');
  const text = (await readFile(new URL('../../../test/support/dbclient.sh', import.meta.url), 'utf8')).replace(
    'DBCLIENT',
    tool('dbclient'),
  );
  await writeFile(program, text);
  await chmod(program, 0o700);
  return program;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** A word of lftp, or of a command that curl sends: quoted as both read it. */
function quoted(word: string): string {
  return `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** A word as psftp reads it. */
function puttyQuoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
