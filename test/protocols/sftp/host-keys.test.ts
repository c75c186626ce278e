import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import ssh2 from 'ssh2';
import { loadHostKeys } from '#protocols/sftp/host-keys.js';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-keys-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return join(path, 'host-keys');
}

test('makes ed25519, ECDSA and RSA 3072 once, for the owner only, also when two processes start', async t => {
  const directory = await folder(t);
  const [first, second] = await Promise.all([loadHostKeys(directory), loadHostKeys(directory)]);
  t.deepEqual(first, second);
  t.deepEqual(await loadHostKeys(directory), first);
  t.deepEqual(
    first.map(key => key.fingerprint.replace(/:.*/, '')),
    ['ED25519 SHA256', 'ECDSA SHA256', 'RSA SHA256'],
  );
  const files = await readdir(directory);
  t.deepEqual(files.sort(), ['ssh_host_ecdsa_key', 'ssh_host_ed25519_key', 'ssh_host_rsa_key']);
  for (const file of files) t.is((await stat(join(directory, file))).mode & 0o777, 0o600);
  t.is((await stat(directory)).mode & 0o777, 0o700);
  const rsa = ssh2.utils.parseKey(first[2]?.text ?? '');
  t.true(!(rsa instanceof Error) && rsa.getPublicSSH().length > 3072 / 8);
});

test('refuses a key that others can read, and a file that is no key', async t => {
  const directory = await folder(t);
  await loadHostKeys(directory);
  const path = join(directory, 'ssh_host_ed25519_key');
  await chmod(path, 0o644);
  await t.throwsAsync(loadHostKeys(directory), { code: 'permission-denied', message: /0644.*chmod 600/ });
  await chmod(path, 0o600);
  t.is((await loadHostKeys(directory)).length, 3);
  await writeFile(path, 'no key');
  await t.throwsAsync(loadHostKeys(directory), { code: 'invalid-request', message: /no private key/ });
  t.is(await readFile(path, 'utf8'), 'no key');
});

test('says which directory cannot be made', async t => {
  const directory = await folder(t);
  await writeFile(directory, 'a file in its place');
  await t.throwsAsync(loadHostKeys(directory), { code: 'unavailable', message: /host-keys/ });
});
