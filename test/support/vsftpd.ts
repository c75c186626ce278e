import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { end, start, temporaryFolder, until } from './children.js';
import { freePort } from './free-port.js';
import { tool } from './tools.js';

const DAY_MS = 86_400_000;

/** vsftpd as a process of its own, to compare with: anonymous clients may do everything below `/up`. */
export class Vsftpd {
  private constructor(
    readonly port: number,
    /** Where `/up` is on the disk. */
    readonly folder: string,
    readonly stop: () => Promise<unknown>,
  ) {}

  /** Starts it with its files below `parent`. Throws Lacking where it is not installed. */
  static async start(parent: string): Promise<Vsftpd> {
    const program = tool('vsftpd');
    const [root, settings] = [await temporaryFolder('vsftpd', parent), await temporaryFolder('vsftpd-settings')];
    for (const folder of [join(root, 'up'), join(settings, 'empty')]) await mkdir(folder);
    const pem = join(settings, 'cert.pem');
    await writeFile(pem, await makeSelfSigned({ names: ['localhost'], notBefore: new Date(), notAfter: new Date(Date.now() + DAY_MS) }));
    const port = await freePort();
    const options = {
      listen: 'YES',
      listen_ipv6: 'NO',
      listen_address: '127.0.0.1',
      listen_port: port,
      background: 'NO',
      run_as_launching_user: 'YES',
      anonymous_enable: 'YES',
      no_anon_password: 'YES',
      anon_root: root,
      write_enable: 'YES',
      anon_upload_enable: 'YES',
      anon_mkdir_write_enable: 'YES',
      anon_other_write_enable: 'YES',
      anon_world_readable_only: 'NO',
      anon_umask: '022',
      allow_writeable_chroot: 'YES',
      allow_anon_ssl: 'YES',
      ssl_enable: 'YES',
      ssl_tlsv1: 'YES',
      force_anon_logins_ssl: 'NO',
      force_anon_data_ssl: 'NO',
      require_ssl_reuse: 'NO',
      ssl_ciphers: 'HIGH',
      rsa_cert_file: pem,
      rsa_private_key_file: pem,
      secure_chroot_dir: join(settings, 'empty'),
      seccomp_sandbox: 'NO',
      isolate: 'NO',
      isolate_network: 'NO',
    };
    const file = join(settings, 'vsftpd.conf');
    const text = Object.entries(options).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(file, text.join(''), { mode: 0o600 });
    // It tells what is wrong with its settings on what it reads from.
    const child = start(program, [file], { stdio: ['pipe', 'ignore', 'ignore'] });
    await until('vsftpd listens', () => child.exitCode !== null || answers(port), 10_000);
    if (child.exitCode !== null) throw new Error(`vsftpd ended with ${child.exitCode}`);
    return new Vsftpd(port, join(root, 'up'), () => end(child));
  }
}

/** Whether an FTP server greets at `port` of this machine. */
export function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}
