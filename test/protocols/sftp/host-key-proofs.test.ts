import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import ssh2, { type Client, type ParsedKey, type Connection as SshConnection } from 'ssh2';
import { announceHostKeys } from '#protocols/sftp/host-key-proofs.js';
import { loadHostKeys } from '#protocols/sftp/host-keys.js';
import { PacketReader, stringField } from '#protocols/sftp/packets.js';
import { isSignedBy } from '#protocols/sftp/signatures.js';
import { run, temporaryFolder, until } from '../../support/children.js';
import { Clients } from '../../support/clients.js';
import { startHub } from '../../support/hub.js';
import { connectSsh } from '../../support/raw-sftp.js';
import { tool } from '../../support/tools.js';
import { PASSWORD } from './support.js';

const PROOF = 'hostkeys-prove-00@openssh.com';

/** A hub with host keys of its own, which the test may rotate. */
async function startKeyed(t: ExecutionContext) {
  const hostKeys = await temporaryFolder('host-keys');
  const hub = await startHub(t, {
    users: { alice: { password: PASSWORD } },
    values: { protocols: { sftp: { host: '127.0.0.1', port: 0, hostKeys } } },
  });
  return { hostKeys, ring: hub.hub.hostKeys!, login: { port: hub.port('sftp'), user: 'alice', password: PASSWORD } };
}

test('OpenSSH remembers the next key, knows the server by it after the rotation, and forgets the old one', async t => {
  const { ring, login } = await startKeyed(t);
  const clients = await Clients.create();
  const knownHosts = join(clients.home, 'known_hosts');
  const visit = async () => {
    const options = [`-oUserKnownHostsFile=${knownHosts}`, '-oGlobalKnownHostsFile=none', '-oStrictHostKeyChecking=yes'];
    const input = { env: clients.environment(login), input: 'pwd\n!sleep 0.2\npwd\n', timeoutMs: 30_000 };
    const args = [...options, '-oUpdateHostKeys=yes', ...clients.sshOptions(login), '-b', '-', '-P', String(login.port), 'alice@127.0.0.1'];
    const outcome = await run(tool('sftp'), args, input);
    t.is(outcome.code, 0, outcome.output);
    return (await readFile(knownHosts, 'utf8')).split('\n').map(line => line.split(' ').slice(1, 3).join(' '));
  };
  const keyOf = async (kind: string, state: string) => (await ring.list()).find(key => key.kind === kind && key.state === state)!.publicKey;

  const pinned = await keyOf('ed25519', 'offered');
  await writeFile(knownHosts, `[127.0.0.1]:${login.port} ${pinned}\n`);
  const first = await visit();
  for (const kind of ['ed25519', 'ecdsa', 'rsa']) t.true(first.includes(await keyOf(kind, 'offered')), kind);

  const next = await ring.add('ed25519');
  await until('the next key is known', async () => (await visit()).includes(next.publicKey));
  t.true((await visit()).includes(pinned), 'the key that is offered stays');

  await ring.rotate('ed25519');
  await until('the old key is forgotten', async () => !(await visit()).includes(pinned));
  t.true((await visit()).includes(next.publicKey));
});

/** Sends a request for proofs of `blobs` and gives the answer's fields; undefined for a failure. */
async function ask(client: Client, blobs: readonly Buffer[], name = PROOF): Promise<Buffer | undefined> {
  const protocol = Reflect.get(client, '_protocol');
  return new Promise(resolve => {
    protocol._handlers.REQUEST_SUCCESS = (_from: unknown, data: Buffer | null) => resolve(Buffer.from(data ?? []));
    protocol._handlers.REQUEST_FAILURE = () => resolve(undefined);
    const fields = Buffer.concat([Buffer.from([80]), stringField(name), Buffer.from([1]), ...blobs.map(stringField)]);
    const packet = protocol._packetRW.write.alloc(fields.length);
    packet.set(fields, protocol._packetRW.write.allocStart);
    protocol._cipher.encrypt(protocol._packetRW.write.finalize(packet));
  });
}

test('proofs are signatures by each key that was asked for, bound to the connection', async t => {
  const { login, hostKeys } = await startKeyed(t);
  const blobs = (await loadHostKeys(hostKeys)).map(({ publicKey }) => Buffer.from(publicKey.split(' ')[1]!, 'base64'));
  const client = await connectSsh(login);
  t.teardown(() => client.end());
  const answer = await ask(client, blobs);
  const reader = new PacketReader(answer!);
  const sessionId = Reflect.get(client, '_protocol')._kex.sessionID;
  for (const blob of blobs) {
    const signed = (name: string) => Buffer.concat([stringField(name), stringField(sessionId), stringField(blob)]);
    const signature = reader.string();
    t.true(isSignedBy(blob, signature, signed(PROOF)));
    t.false(isSignedBy(blob, signature, signed('hostkeys-00@openssh.com')));
  }
  t.is(reader.left, 0);
});

test('nothing is signed for keys of others, for broken requests, or again and again', async t => {
  const { login, hostKeys } = await startKeyed(t);
  const [own] = (await loadHostKeys(hostKeys)).map(({ publicKey }) => Buffer.from(publicKey.split(' ')[1]!, 'base64'));
  const client = await connectSsh(login);
  t.teardown(() => client.end());
  const pair = ssh2.utils.generateKeyPairSync('ed25519');
  const stranger = (ssh2.utils.parseKey(pair.public) as ParsedKey).getPublicSSH();
  t.is(await ask(client, [own!, stranger]), undefined);
  t.is(await ask(client, []), undefined);
  t.is(
    await ask(
      client,
      Array.from({ length: 100 }, () => own!),
    ),
    undefined,
  );
  t.truthy(await ask(client, [own!]));
  t.is(await ask(client, [own!]), undefined, 'the fifth time');
  t.is(await ask(client, [own!], 'keepalive@openssh.com'), undefined);
  client.end();
  await once(client, 'close');
});

test('where ssh2 is not as it was, nothing is announced', t => {
  t.false(announceHostKeys({} as SshConnection, []));
  t.false(announceHostKeys({ _protocol: { _handlers: {} } } as unknown as SshConnection, []));
});
