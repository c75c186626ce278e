import type { ExecutionContext } from 'ava';
import { startHub, type TestHub, type TestHubOptions } from '../../support/hub.js';
import { type Login, RawSftp } from '../../support/raw-sftp.js';

/** The password of every user of these tests. */
export const PASSWORD = 'correct horse';

/** A hub with the user 'alice', and how she logs in. */
export async function startSftp(t: ExecutionContext, options: TestHubOptions = {}): Promise<TestHub & { readonly login: Login }> {
  const hub = await startHub(t, { users: { alice: { password: PASSWORD } }, ...options });
  return { ...hub, login: { port: hub.port('sftp'), user: 'alice', password: PASSWORD } };
}

/** A raw client, ended with the test. */
export async function connect(t: ExecutionContext, login: Login, greet = true): Promise<RawSftp> {
  const client = await RawSftp.connect(login, greet);
  t.teardown(() => client.cut());
  return client;
}
