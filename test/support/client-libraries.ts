import { createWriteStream, type ReadStream, type WriteStream } from 'node:fs';
import { copyFile, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './children.js';
import type { Account, Clients } from './clients.js';
import { type ClientMaker, type FileClient, LIMIT_MS, linesOf, succeeded } from './file-client.js';
import { Lacking, tool } from './tools.js';

const PIECE_BYTES = 2 ** 20;

/** The clients that are libraries, and the file system sshfs, by the names that people know them by. */
export const CLIENT_LIBRARIES: Readonly<Record<string, ClientMaker>> = {
  sshfs: async (clients, account) => {
    const { folder, unmount } = await clients.sshfs(account);
    const at = (path: string) => join(folder, path);
    return {
      put: (local, remote) => copyFile(local, at(remote)),
      get: (remote, local) => copyFile(at(remote), local),
      resumePut: (local, remote) => appendRest(local, at(remote)),
      resumeGet: (remote, local) => appendRest(at(remote), local),
      list: path => readdir(at(path)),
      rename: (from, to) => rename(at(from), at(to)),
      remove: path => rm(at(path)),
      closesLater: true,
      end: unmount,
    };
  },
  paramiko: (clients, account) => python(clients, account, 'paramiko'),
  asyncssh: (clients, account) => python(clients, account, 'asyncssh'),
  // It sends what it had begun also after it has asked for new keys.
  'asyncssh, new keys each MiB': (clients, account) => python(clients, account, 'asyncssh', { TEST_REKEY_BYTES: String(2 ** 20) }),
  'ssh2-sftp-client': async (_clients, account) => {
    const client = await sftpClient();
    await client.connect({ host: '127.0.0.1', port: account.port, username: account.user, password: account.password ?? '' });
    return {
      put: (local, remote) => client.fastPut(local, remote),
      get: (remote, local) => client.fastGet(remote, local),
      resumePut: async (local, remote) => {
        const { size } = await client.stat(remote);
        const source = await open(local);
        await client.append(source.createReadStream({ start: size }), remote);
      },
      resumeGet: async (remote, local) => {
        const { size } = await stat(local);
        await client.get(remote, createWriteStream(local, { flags: 'a' }), { readStreamOptions: { start: size } });
      },
      list: async folder => (await client.list(folder)).map(({ name }) => name),
      rename: (from, to) => client.posixRename(from, to),
      remove: path => client.delete(path),
      end: () => client.end(),
    };
  },
};

/** What is used of the package ssh2-sftp-client. */
interface SftpClient {
  connect(options: { host: string; port: number; username: string; password: string }): Promise<unknown>;
  fastPut(local: string, remote: string): Promise<unknown>;
  fastGet(remote: string, local: string): Promise<unknown>;
  append(source: ReadStream, remote: string): Promise<unknown>;
  get(remote: string, target: WriteStream, options: { readStreamOptions: { start: number } }): Promise<unknown>;
  stat(remote: string): Promise<{ readonly size: number }>;
  list(folder: string): Promise<readonly { readonly name: string }[]>;
  posixRename(from: string, to: string): Promise<unknown>;
  delete(path: string): Promise<unknown>;
  end(): Promise<unknown>;
}

async function sftpClient(): Promise<SftpClient> {
  const name = 'ssh2-sftp-client';
  const loaded: { readonly default: new () => SftpClient } = await import(name).catch(() => {
    throw new Lacking(`the package ${name} is not installed`);
  });
  return new loaded.default();
}

/** A Python library, by the script of its name beside the sources of this module. */
async function python(clients: Clients, account: Account, library: string, more: NodeJS.ProcessEnv = {}): Promise<FileClient> {
  const program = await pythonWith(library);
  const script = fileURLToPath(new URL(`../../../test/support/${library}-client.py`, import.meta.url));
  const login = account.keyFile === undefined ? {} : { TEST_KEY: account.keyFile };
  const env = { ...clients.environment(account), TEST_PORT: String(account.port), TEST_USER: account.user, ...login, ...more };
  const act = (...args: readonly string[]) => succeeded(run(program, ['-W', 'ignore', script, ...args], { env, timeoutMs: LIMIT_MS }));
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

/** A Python that has the library: the one in PATH, or the system's, for which distributions package libraries. */
async function pythonWith(library: string): Promise<string> {
  for (const program of [tool('python3'), '/usr/bin/python3']) {
    const { code } = await run(program, ['-W', 'ignore', '-c', `import ${library}`]);
    if (code === 0) return program;
  }
  throw new Lacking(`no Python here has ${library}`);
}

/** Appends what `to` lacks of `from`. */
async function appendRest(from: string, to: string): Promise<void> {
  const source = await open(from);
  const target = await open(to, 'r+');
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let at = (await target.stat()).size; ; ) {
      const { bytesRead } = await source.read(piece, 0, piece.length, at);
      if (bytesRead === 0) break;
      await target.write(piece, 0, bytesRead, at);
      at += bytesRead;
    }
  } finally {
    await source.close();
    await target.close();
  }
}
