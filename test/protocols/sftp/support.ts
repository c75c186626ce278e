import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { loadHostKeys } from '#protocols/sftp/host-keys.js';
import { startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';
import { type Login, RawSftp } from '../../support/raw-sftp.js';

/** The password of every user of these tests. */
export const PASSWORD = 'correct-horse';

/** Host keys are made once for all hubs of a test file: an RSA key takes a second. */
const hostKeys = mkdtempSync(join(tmpdir(), 'entrepot-host-keys-'));
const made = loadHostKeys(hostKeys);
process.once('exit', () => rmSync(hostKeys, { recursive: true, force: true }));

/** How a test's SFTP server differs from its defaults. */
export interface SftpTestOptions extends TestHubOptions {
  readonly sftp?: Readonly<Record<string, unknown>>;
}

/** A hub with the user 'alice', and how she logs in. */
export async function startSftp(
  t: ExecutionContext,
  { sftp, values, ...options }: SftpTestOptions = {},
): Promise<TestHub & { readonly login: Login }> {
  await made;
  const hub = await startHub(t, {
    users: { alice: { password: PASSWORD } },
    values: { ...values, protocols: { sftp: { host: '127.0.0.1', port: 0, hostKeys, ...sftp } } },
    ...options,
  });
  return { ...hub, login: { port: hub.port('sftp'), user: 'alice', password: PASSWORD } };
}

/** A raw client, ended with the test. */
export async function connect(t: ExecutionContext, login: Login, greet = true): Promise<RawSftp> {
  const client = await RawSftp.connect(login, greet);
  t.teardown(() => client.cut());
  return client;
}
