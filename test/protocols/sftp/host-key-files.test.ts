import 'reflect-metadata';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Client } from 'ssh2';
import { HostKeyFiles } from '#protocols/sftp/host-key-files.js';
import { loadHostKeys } from '#protocols/sftp/host-keys.js';
import { startHub } from '../../support/hub.js';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-keys-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return join(path, 'host-keys');
}

const states = async (keys: HostKeyFiles) => (await keys.list()).map(({ kind, state }) => `${kind} ${state}`);

test('adds a next key, offers it when it is rotated, and keeps the old one', async t => {
  const directory = await folder(t);
  const keys = new HostKeyFiles(directory);
  t.deepEqual(await keys.list(), []);
  await loadHostKeys(directory);
  t.deepEqual(await states(keys), ['ed25519 offered', 'ecdsa offered', 'rsa offered']);
  const [before] = await keys.list();
  const next = await keys.add('ed25519');
  t.is(next.state, 'next');
  t.regex(next.publicKey, /^ssh-ed25519 AAAA/);
  await t.throwsAsync(keys.add('ed25519'), { code: 'already-exists' });
  t.is((await loadHostKeys(directory))[0]!.fingerprint, `ED25519 ${before!.fingerprint}`, 'nothing is offered yet');
  t.is((await keys.rotate('ed25519')).fingerprint, next.fingerprint);
  t.is((await loadHostKeys(directory))[0]!.fingerprint, `ED25519 ${next.fingerprint}`);
  const old = (await keys.list()).find(({ state }) => state === 'old');
  t.is(old?.fingerprint, before!.fingerprint);
  await keys.rotate('ed25519');
  t.deepEqual(await states(keys), ['ed25519 offered', 'ed25519 old', 'ed25519 old', 'ecdsa offered', 'rsa offered']);
  t.is((await stat(join(directory, 'ssh_host_ed25519_key'))).mode & 0o777, 0o600);
  for (const kind of ['dsa', '../x', ''])
    await t.throwsAsync(keys.rotate(kind), { code: 'invalid-request', message: /ed25519, ecdsa, rsa/ });
});

/** The host key that a client sees, as base64. */
function seen(port: number): Promise<string> {
  return new Promise(resolve => {
    const client = new Client();
    client.on('error', () => {});
    client.connect({
      host: '127.0.0.1',
      port,
      username: 'alice',
      algorithms: { serverHostKey: ['ssh-ed25519'] },
      hostVerifier: (key: Buffer) => {
        resolve(key.toString('base64'));
        return false;
      },
    });
  });
}

test('a running server shows the new key to clients that come after the rotation', async t => {
  const directory = await folder(t);
  const hub = await startHub(t, { values: { protocols: { sftp: { host: '127.0.0.1', port: 0, hostKeys: directory } } } });
  const before = await seen(hub.port('sftp'));
  const rotated = await hub.hub.hostKeys!.rotate('ed25519');
  t.not(rotated.publicKey, `ssh-ed25519 ${before}`);
  let now = before;
  while (now === before) {
    await new Promise(resolve => setTimeout(resolve, 100));
    now = await seen(hub.port('sftp'));
  }
  t.is(rotated.publicKey, `ssh-ed25519 ${now}`);
});
