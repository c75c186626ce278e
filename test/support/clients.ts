import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atExit, type Outcome, run, temporaryFolder, until } from './children.js';
import { requireFuse, tool } from './tools.js';

/** How long one action of a client may take: five gigabytes by a slow one on a busy machine. */
export const LIMIT_MS = 900_000;

/** Whom a client program logs in as, and how: `password`, or the file of a private key. */
export interface Account {
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly keyFile?: string;
}

/** Client programs in a home of their own, so that nobody's settings, keys or known hosts take part. */
export class Clients {
  private constructor(readonly home: string) {}

  static async create(): Promise<Clients> {
    const home = await temporaryFolder('home');
    const askpass = join(home, 'askpass');
    await writeFile(askpass, '#!/bin/sh\nprintf "%s\\n" "$TEST_PASSWORD"\n');
    await chmod(askpass, 0o700);
    return new Clients(home);
  }

  /** Makes a key pair; gives the path of the private one, the public one is beside it with `.pub`. */
  async makeKey(name: string, type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519'): Promise<string> {
    const file = join(this.home, name);
    const made = await run(tool('ssh-keygen'), ['-q', '-t', type, '-N', '', '-C', name, '-f', file]);
    if (made.code !== 0) throw new Error(`ssh-keygen: ${made.output}`);
    return file;
  }

  /** Runs OpenSSH's sftp over a batch of commands. It ends with the first that fails, unless that has a leading '-'. */
  sftp(account: Account, commands: readonly string[] | Buffer, options: readonly string[] = [], timeoutMs = 120_000): Promise<Outcome> {
    const input = Buffer.isBuffer(commands) ? commands : `${commands.join('\n')}\n`;
    const args = [...this.sshOptions(account), ...options, '-b', '-', '-P', String(account.port), `${account.user}@127.0.0.1`];
    return run(tool('sftp'), args, { input, env: this.environment(account), timeoutMs });
  }

  /** The options that OpenSSH's programs need to log in without a terminal. BatchMode is given first, because the first value counts. */
  sshOptions(account: Account): string[] {
    const login =
      account.keyFile === undefined
        ? ['-oPreferredAuthentications=password', '-oPubkeyAuthentication=no']
        : ['-oPreferredAuthentications=publickey', '-oIdentitiesOnly=yes', `-oIdentityFile=${account.keyFile}`];
    return [
      '-F',
      '/dev/null',
      '-oBatchMode=no',
      '-oStrictHostKeyChecking=no',
      '-oUserKnownHostsFile=/dev/null',
      '-oLogLevel=ERROR',
      '-oNumberOfPasswordPrompts=1',
      '-oConnectTimeout=20',
      ...login,
    ];
  }

  /** Runs lftp's commands over SFTP, logged in, in this home. */
  async lftp(account: Account, commands: string): Promise<Outcome> {
    const connect = `ssh -a -x ${this.sshOptions(account).join(' ')}`;
    const script = [
      'set cmd:fail-exit yes',
      'set net:max-retries 1',
      'set net:timeout 20',
      'set sftp:auto-confirm yes',
      `set sftp:connect-program "${connect}"`,
      `open -u ${account.user},${account.password ?? 'unused'} -p ${account.port} sftp://127.0.0.1`,
      commands,
    ];
    const file = join(this.home, 'lftp.script');
    await writeFile(file, `${script.join('\n')}\n`);
    return run(tool('lftp'), ['--norc', '-f', file], { env: this.environment(account), timeoutMs: LIMIT_MS });
  }

  /** Runs rclone with a remote called `hub:` for the account. */
  async rclone(account: Account, args: readonly string[]): Promise<Outcome> {
    const obscured = await run(tool('rclone'), ['obscure', account.password ?? '']);
    const env = {
      ...this.environment(account),
      RCLONE_CONFIG: join(this.home, 'rclone.conf'),
      RCLONE_CONFIG_HUB_TYPE: 'sftp',
      RCLONE_CONFIG_HUB_HOST: '127.0.0.1',
      RCLONE_CONFIG_HUB_PORT: String(account.port),
      RCLONE_CONFIG_HUB_USER: account.user,
      ...(account.keyFile === undefined
        ? { RCLONE_CONFIG_HUB_PASS: obscured.stdout.trim() }
        : { RCLONE_CONFIG_HUB_KEY_FILE: account.keyFile }),
      RCLONE_CONFIG_HUB_SHELL_TYPE: 'none',
      // Unless told, rclone takes é and e\u0301 for the same name.
      RCLONE_NO_UNICODE_NORMALIZATION: 'true',
    };
    return run(tool('rclone'), ['--retries', '1', '--low-level-retries', '1', ...args], { env, timeoutMs: LIMIT_MS });
  }

  /** Mounts the account's root by sshfs. Gives the folder and what unmounts it; the exit of this process unmounts it too. */
  async sshfs(account: Account): Promise<{ readonly folder: string; unmount(): Promise<void> }> {
    requireFuse();
    const program = tool('sshfs');
    const folder = join(this.home, `mount-${account.user}-${Date.now()}`);
    await mkdir(folder);
    const options = this.sshOptions(account)
      .slice(2)
      .flatMap(option => ['-o', option.slice(2)]);
    const mounted = await run(
      program,
      ['-p', String(account.port), ...options, '-o', 'ssh_command=ssh -F /dev/null', `${account.user}@127.0.0.1:/`, folder],
      {
        env: this.environment(account),
        timeoutMs: 30_000,
      },
    );
    if (mounted.code !== 0) throw new Error(`sshfs: ${mounted.output}`);
    let there = true;
    atExit(() => {
      if (there) execFileSync(tool('fusermount3'), ['-u', '-z', folder]);
    });
    const unmount = async () => {
      await until('the mount is free', async () => (await run(tool('fusermount3'), ['-u', folder])).code === 0);
      there = false;
    };
    return { folder, unmount };
  }

  /** The environment in which clients run: this home, and an answer to the question for the password. */
  environment(account: Pick<Account, 'password'>): NodeJS.ProcessEnv {
    const { PATH, LANG } = process.env;
    return {
      PATH: `${PATH}:/usr/sbin`,
      LANG: LANG ?? 'C.UTF-8',
      HOME: this.home,
      SSH_ASKPASS: join(this.home, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
      TEST_PASSWORD: account.password ?? '',
    };
  }
}

/**
 * A path as OpenSSH's sftp reads it in a batch: every byte that its own splitting and globbing would take is escaped.
 * A line feed cannot be written in a batch; names with one travel by `put -r` and `get -r`.
 */
export function escaped(path: string): string {
  return path.replaceAll(/[^\w./-]/gu, found => (found.codePointAt(0)! > 0x7f ? found : `\\${found}`));
}
