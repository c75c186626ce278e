import type { FtpLogin } from './ftp-client.js';
import type { FtpAccount } from './ftp-clients.js';
import { HubProcess, type HubProcessOptions } from './hub-process.js';

/** The password of every user here. */
export const PASSWORD = 'correct-horse';

/** A hub that lets FTP clients in by every way there is: without TLS, by AUTH TLS and on an implicit port, passive and active. */
export async function startFtpHub(
  env: Readonly<Record<string, string>> = {},
  options: Omit<HubProcessOptions, 'env'> = {},
): Promise<HubProcess> {
  return HubProcess.start({
    ...options,
    env: {
      ENTREPOT_PROTOCOLS__FTP__TLS: 'optional',
      ENTREPOT_PROTOCOLS__FTP__IMPLICIT_PORT: '0',
      ENTREPOT_PROTOCOLS__FTP__ACTIVE: 'true',
      ENTREPOT_PROTOCOLS__FTP__PASSIVE__PORTS: 'any',
      ...env,
    },
  });
}

/** An account of such a hub for a client program. */
export function ftpAccount(
  hub: HubProcess,
  user: string,
  tls: FtpAccount['tls'] = 'explicit',
  data: FtpAccount['data'] = 'extended',
): FtpAccount {
  return { port: hub.portOf('ftp', tls === 'implicit'), user, password: PASSWORD, tls, data };
}

/** The same for a client that sends what it is told. */
export function ftpLogin(hub: HubProcess, user: string, tls: NonNullable<FtpLogin['tls']> = 'none'): FtpLogin {
  return { port: hub.portOf('ftp', tls === 'implicit'), user, password: PASSWORD, tls };
}
