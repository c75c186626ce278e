import { mkdir, readFile } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { openSftpStorage, sftpOptions } from '#backends/sftp/index.js';
import type { SftpStorage } from '#backends/sftp/storage.js';
import { createLogger } from '#core/log.js';
import { temporaryFolder } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { Sshd } from '../support/sshd.js';

/** Lets `count` run at a time: each turn() is kept until the test ends. */
export function turns(count: number): (t: ExecutionContext) => Promise<void> {
  const waiting: (() => void)[] = [];
  let free = count;
  const release = () => {
    free++;
    waiting.shift()?.();
  };
  return async t => {
    while (free === 0) await new Promise<void>(resolve => waiting.push(resolve));
    free--;
    t.teardown(release);
  };
}

/** A storage on a server of 127.0.0.1, with options as an administrator writes them. */
export function openStorage(options: Readonly<Record<string, unknown>>): Promise<SftpStorage> {
  return openSftpStorage(sftpOptions.parse({ host: '127.0.0.1', hostKey: 'any', ...options }), createLogger('silent'));
}

/** OpenSSH's server, and what a storage needs to log in to it: each folder is a root of its own. */
export async function startOpenSsh() {
  const sshd = await Sshd.start(await Clients.create());
  const { port, user, keyFile } = sshd.account;
  const login = { port, username: user, privateKey: await readFile(keyFile!, 'utf8') };
  const folder = await temporaryFolder('sftp-storage');
  let made = 0;
  return {
    sshd,
    login,
    folder,
    async root(): Promise<string> {
      const root = `${folder}/root-${++made}`;
      await mkdir(root);
      return root;
    },
  };
}
