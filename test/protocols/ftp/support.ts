import type { ExecutionContext } from 'ava';
import { FtpClient, type FtpLogin } from '../../support/ftp-client.js';
import { startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';

/** The password of every user of these tests. */
export const PASSWORD = 'correct horse';

/** A hub with an FTP server on free ports and a user alice; `ftp` as in the configuration. */
export async function startFtpHub(
  t: ExecutionContext,
  ftp: Readonly<Record<string, unknown>> = {},
  options: TestHubOptions = {},
): Promise<TestHub> {
  const section = { host: '127.0.0.1', port: 0, ...ftp, passive: { ports: 'any', ...(ftp.passive as object | undefined) } };
  return startHub(t, {
    users: { alice: { password: PASSWORD } },
    ...options,
    values: { ...options.values, protocols: { ftp: section } },
  });
}

/** Logs alice in, over explicit TLS unless told; the connection is closed at the end of the test. */
export async function logIn(t: ExecutionContext, hub: TestHub, login: Partial<FtpLogin> = {}): Promise<FtpClient> {
  const client = await FtpClient.connect({ port: hub.port('ftp'), user: 'alice', password: PASSWORD, tls: 'explicit', ...login });
  t.teardown(() => client.close());
  return client;
}
