import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { end, start, temporaryFolder, until } from './children.js';
import { type Account, Clients } from './clients.js';
import { freePort } from './free-port.js';
import { requireRoot, tool } from './tools.js';

const PRIVILEGE_SEPARATION = '/run/sshd';

/** OpenSSH's own server with internal-sftp, for comparison: on 127.0.0.1 and a free port, for this user and one key. */
export class Sshd {
  private constructor(
    readonly account: Account,
    private readonly child: ChildProcess,
    private readonly madeFolder: boolean,
  ) {}

  /** Starts it. Throws Lacking without sshd or root. */
  static async start(clients: Clients): Promise<Sshd> {
    requireRoot('sshd');
    const folder = await temporaryFolder('sshd');
    const hostKey = await clients.makeKey(`sshd-host-${Date.now()}`);
    const key = await clients.makeKey(`sshd-user-${Date.now()}`);
    await copyFile(`${key}.pub`, join(folder, 'authorized_keys'));
    const port = await freePort();
    const lines = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `PidFile ${join(folder, 'sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'Subsystem sftp internal-sftp',
    ];
    const config = join(folder, 'sshd_config');
    await writeFile(config, `${lines.join('\n')}\n`);
    const madeFolder = !existsSync(PRIVILEGE_SEPARATION);
    if (madeFolder) await mkdir(PRIVILEGE_SEPARATION, { mode: 0o755 });
    const child = start(tool('sshd'), ['-D', '-f', config], { stdio: 'ignore' });
    await until('sshd listens', () => accepts(port));
    return new Sshd({ port, user: userInfo().username, keyFile: key }, child, madeFolder);
  }

  async stop(): Promise<void> {
    await end(this.child);
    if (this.madeFolder) await rmdir(PRIVILEGE_SEPARATION);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
