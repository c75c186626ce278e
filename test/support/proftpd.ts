import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { end, run, start, temporaryFolder, until } from './children.js';
import { freePort } from './free-port.js';
import { Lacking, tool } from './tools.js';
import { answers } from './vsftpd.js';

const DAY_MS = 86_400_000;

/**
 * ProFTPD as a process of its own, to compare with: anonymous clients may do everything below `/up`. Debian's package excludes that of
 * vsftpd; unpacked anywhere (`dpkg -x`, with proftpd-mod-crypto and the libraries that they want) it is found by PATH.
 */
export class Proftpd {
  private constructor(
    readonly port: number,
    /** Where `/up` is on the disk. */
    readonly folder: string,
    readonly stop: () => Promise<unknown>,
  ) {}

  /** Starts it with its files below `parent`. Throws Lacking where it is not installed, or its libraries are missing. */
  static async start(parent: string): Promise<Proftpd> {
    const program = tool('proftpd');
    const usr = join(dirname(program), '..');
    const env = { ...process.env, LD_LIBRARY_PATH: join(usr, 'lib/x86_64-linux-gnu') };
    if ((await run(program, ['-v'], { env })).code !== 0) throw new Lacking('proftpd does not run: libraries that it wants are missing');
    const [root, settings] = [await temporaryFolder('proftpd', parent), await temporaryFolder('proftpd-settings')];
    await mkdir(join(root, 'up'));
    const pem = join(settings, 'cert.pem');
    const certificate = await makeSelfSigned({ names: ['localhost'], notBefore: new Date(), notAfter: new Date(Date.now() + DAY_MS) });
    await writeFile(pem, certificate, { mode: 0o600 });
    const port = await freePort();
    const file = join(settings, 'proftpd.conf');
    await writeFile(file, configuration({ port, root, settings, pem, modules: join(usr, 'lib/proftpd') }), { mode: 0o600 });
    const child = start(program, ['--nodaemon', '--quiet', '--config', file], { env, stdio: 'ignore' });
    await until('proftpd listens', () => child.exitCode !== null || answers(port), 10_000);
    if (child.exitCode !== null) throw new Error(`proftpd ended with ${child.exitCode}`);
    return new Proftpd(port, join(root, 'up'), () => end(child));
  }
}

interface Places {
  readonly port: number;
  readonly root: string;
  readonly settings: string;
  readonly pem: string;
  readonly modules: string;
}

function configuration({ port, root, settings, pem, modules }: Places): string {
  const { username } = userInfo();
  return `ModulePath ${modules}
LoadModule mod_tls.c
ServerName compared
ServerType standalone
DefaultServer on
DefaultAddress 127.0.0.1
SocketBindTight on
Port ${port}
UseIPv6 off
UseReverseDNS off
User ${username}
RootLogin on
AuthPAM off
PidFile ${join(settings, 'pid')}
ScoreboardFile ${join(settings, 'scoreboard')}
DelayTable none
DelayEngine off
ControlsEngine off
SystemLog none
TransferLog none
WtmpLog off
MaxInstances none
TimeoutLinger 1
TLSEngine on
TLSProtocol TLSv1.2 TLSv1.3
TLSRequired off
TLSECCertificateFile ${pem}
TLSECCertificateKeyFile ${pem}
TLSOptions NoSessionReuseRequired
TLSRenegotiate none
<Anonymous ${root}>
  User ${username}
  UserAlias anonymous ${username}
  UseFtpUsers off
  RequireValidShell off
  AnonRequirePassword off
  AllowOverwrite on
  AllowStoreRestart on
  Umask 022
</Anonymous>
`;
}
