import 'reflect-metadata';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import test from 'ava';
import ssh2, { type AuthenticationType, Client, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2';
import { HubError } from '#core/api.js';
import { SessionRegistry } from '#core/auth/session.js';
import { stringField } from '#protocols/sftp/packets.js';
import { FXP, OPEN, RawSftp, string, u64 } from '../../support/raw-sftp.js';
import { readKexInit } from '../../support/raw-ssh.js';
import { connect, PASSWORD, startSftp } from './support.js';

const alice = ssh2.utils.generateKeyPairSync('ed25519');
const mallory = ssh2.utils.generateKeyPairSync('ed25519');
const aliceRsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });

/** A public key as the records keep it. */
function recorded(text: string) {
  const [algorithm = '', data = ''] = text.split(' ');
  return { algorithm, data, comment: 'test', fingerprint: data.slice(0, 20) };
}

/** Tries to log in; true when it worked. */
async function logsIn(port: number, config: ConnectConfig): Promise<boolean> {
  const client = new Client();
  const outcome = new Promise<boolean>(resolve => {
    client
      .once('ready', () => resolve(true))
      .on('error', () => resolve(false))
      .once('close', () => resolve(false));
  });
  client.connect({ host: '127.0.0.1', port, username: 'alice', ...config });
  const worked = await outcome;
  client.destroy();
  return worked;
}

test('lets the right password in, and no other', async t => {
  const hub = await startSftp(t);
  const port = hub.port('sftp');
  t.true(await logsIn(port, { password: PASSWORD }));
  t.false(await logsIn(port, { password: `${PASSWORD} ` }));
  t.false(await logsIn(port, { username: 'bob', password: PASSWORD }));
  t.is((await hub.event('login.failed', event => event.data.user === 'bob')).data.protocol, 'sftp');
});

test('refuses an empty password and an empty user name before anything is looked up', async t => {
  const hub = await startSftp(t);
  t.false(await logsIn(hub.port('sftp'), { password: '' }));
  t.false(await logsIn(hub.port('sftp'), { username: '', password: PASSWORD }));
  t.deepEqual(
    hub.events.filter(event => event.type === 'login.failed'),
    [],
  );
});

test('lets a key in whose signature is right, RSA with SHA-2 included, and no unknown key', async t => {
  const hub = await startSftp(t, { users: { alice: { keys: [recorded(alice.public), recorded(aliceRsa.public)] } } });
  const port = hub.port('sftp');
  t.true(await logsIn(port, { privateKey: alice.private }));
  t.true(await logsIn(port, { privateKey: aliceRsa.private }));
  t.false(await logsIn(port, { privateKey: mallory.private }));
});

test('records who came with keys that are nobody’s and left, once, and with the keys; not whom another key lets in', async t => {
  const hub = await startSftp(t, { users: { alice: { keys: [recorded(alice.public)] } } });
  const port = hub.port('sftp');
  t.false(await logsIn(port, { privateKey: mallory.private }));
  const { data } = await hub.event('login.failed');
  const fingerprint = `SHA256:${createHash('sha256').update(publicPart(mallory.public)).digest('base64').replace('=', '')}`;
  t.deepEqual(data, {
    user: 'alice',
    protocol: 'sftp',
    remoteAddress: '127.0.0.1',
    reason: `The key is not known: ${fingerprint}`,
    keys: [mallory.public.split(' ').slice(0, 2).join(' ')],
  });
  const agent = new (class extends ssh2.BaseAgent {
    override getIdentities(done: (error: undefined, keys: Buffer[]) => void): void {
      done(undefined, [publicPart(mallory.public), publicPart(alice.public)]);
    }
    override sign(_key: unknown, data: Buffer, ...rest: unknown[]): void {
      const key = ssh2.utils.parseKey(alice.private);
      if (key instanceof Error) throw key;
      (rest.at(-1) as (error: undefined, signature: Buffer) => void)(undefined, key.sign(data));
    }
  })();
  t.true(await logsIn(port, { agent }));
  t.false(await logsIn(port, { privateKey: mallory.private, password: 'wrong', authHandler: ['publickey', 'password'] }));
  await hub.event('login.failed', event => event.data.reason === 'The user has no password');
  t.false(await logsIn(port, { username: 'nobody', privateKey: mallory.private }));
  await hub.event('login.failed', event => event.data.user === 'nobody');
  t.deepEqual(
    hub.events.flatMap(event => (event.type === 'login.failed' ? [event.data.reason] : [])),
    [`The key is not known: ${fingerprint}`, 'The user has no password', `The key is not known: ${fingerprint}`],
  );
});

test('lets nobody in by a key that is only shown, or shown first and signed with another one', async t => {
  const hub = await startSftp(t, { users: { alice: { keys: [recorded(alice.public)] } } });
  // A private key that claims to be alice's: its public half is hers, its signatures are not.
  const agent = new (class extends ssh2.BaseAgent {
    override getIdentities(done: (error: undefined, keys: Buffer[]) => void): void {
      done(undefined, [publicPart(alice.public)]);
    }
    override sign(_key: unknown, data: Buffer, ...rest: unknown[]): void {
      const done = rest.at(-1) as (error: undefined, signature: Buffer) => void;
      const key = ssh2.utils.parseKey(mallory.private);
      if (key instanceof Error) throw key;
      done(undefined, key.sign(data));
    }
  })();
  t.false(await logsIn(hub.port('sftp'), { agent }));
  t.false(hub.events.some(event => event.type === 'login.succeeded'));
});

test('lets a security key in that was touched', async t => {
  const algorithm = 'sk-ssh-ed25519@openssh.com';
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const data = Buffer.concat([stringField(algorithm), stringField(point), stringField('ssh:')]);
  const hub = await startSftp(t, { users: { alice: { keys: [recorded(`${algorithm} ${data.toString('base64')}`)] } } });
  // ssh2's client knows no such keys: one of its parsed keys is made up for what it asks of it.
  const logsInWith = (flags: number) => {
    const tail = Buffer.of(flags, 0, 0, 0, 1);
    const agent = new (class extends ssh2.BaseAgent {
      override getIdentities(done: (error: undefined, keys: Buffer[]) => void): void {
        const key = ssh2.utils.parseKey(alice.private);
        if (key instanceof Error) throw key;
        done(undefined, [Object.assign(Object.create(key), { type: algorithm, getPublicSSH: () => data })]);
      }
      override sign(_key: unknown, bytes: Buffer, ...rest: unknown[]): void {
        const done = rest.at(-1) as (error: undefined, signature: Buffer) => void;
        const hash = (text: string | Buffer) => createHash('sha256').update(text).digest();
        const signature = sign(null, Buffer.concat([hash('ssh:'), tail, hash(bytes)]), privateKey);
        done(undefined, Buffer.concat([signature, tail]));
      }
    })();
    return logsIn(hub.port('sftp'), { agent });
  };
  t.false(await logsInWith(0), 'nobody touched it');
  t.true(await logsInWith(1));
});

test('drops a client after six failed tries', async t => {
  const hub = await startSftp(t);
  const client = new Client();
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()));
  let tries = 0;
  client.on('error', () => {});
  client.connect({
    host: '127.0.0.1',
    port: hub.port('sftp'),
    username: 'alice',
    authHandler: (_left: AuthenticationType[] | null, _partial: boolean | null, next) => {
      tries += 1;
      next({ type: 'password', username: 'alice', password: `wrong ${tries}` });
    },
  });
  await closed;
  t.is(tries, 6);
});

test('drops a client that changes the user name between two tries', async t => {
  const hub = await startSftp(t, { users: { alice: { password: PASSWORD }, bob: { password: 'bobs' } } });
  const client = new Client();
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()));
  let tries = 0;
  client.on('error', () => {});
  client.connect({
    host: '127.0.0.1',
    port: hub.port('sftp'),
    username: 'alice',
    authHandler: (_left: AuthenticationType[] | null, _partial: boolean | null, next) => {
      tries += 1;
      if (tries === 1) next({ type: 'password', username: 'alice', password: 'wrong' });
      else next({ type: 'password', username: 'bob', password: 'bobs' });
    },
  });
  await closed;
  t.false(hub.events.some(event => event.type === 'login.succeeded'));
});

test('drops those that do not finish the handshake or the login in time', async t => {
  const hub = await startSftp(t, { sftp: { handshakeTimeout: '300ms', loginTimeout: '600ms' } });
  const silent = connectTcp(hub.port('sftp'), '127.0.0.1').on('error', () => {});
  await once(silent.resume(), 'close');
  const greeted = connectTcp(hub.port('sftp'), '127.0.0.1').on('error', () => {});
  greeted.write('SSH-2.0-test\r\n');
  await once(greeted.resume(), 'close');
  const waiting = new Client();
  waiting.on('error', () => {});
  waiting.connect({ host: '127.0.0.1', port: hub.port('sftp'), username: 'alice', authHandler: () => {} });
  await new Promise<void>(resolve => waiting.once('close', () => resolve()));
  t.pass();
});

test('lets connections above the limit of an address wait in silence for their turn, and closes those that are too many', async t => {
  const hub = await startSftp(t, { values: { limits: { unauthenticatedPerAddress: 2 } } });
  const open = () => connectTcp(hub.port('sftp'), '127.0.0.1').on('error', () => {});
  const first = [open(), open()];
  for (const socket of first) t.regex(String((await once(socket, 'data'))[0]), /^SSH-2\.0-/);
  const heard: string[] = [];
  // A client may name its version first.
  const waiting = Array.from({ length: 8 }, (_, i) => open().on('data', () => void heard.push(`${i}`)));
  for (const socket of waiting) socket.write('SSH-2.0-waits\r\n');
  const late = open().on('data', () => void heard.push('late'));
  await once(late, 'close');
  t.deepEqual(heard, [], 'nothing was said to any of them');
  first[0]!.destroy();
  await once(waiting[0]!, 'data');
  t.deepEqual(heard, ['0']);
  // Those that left lose their turn, and the last one gets it.
  for (const socket of waiting.slice(1)) socket.destroy();
  const entered = logsIn(hub.port('sftp'), { password: PASSWORD });
  waiting[0]!.destroy();
  t.true(await entered);
  for (const socket of first) socket.destroy();
});

test('cuts those who wait for their turn when it stops', async t => {
  const hub = await startSftp(t, { values: { limits: { unauthenticatedPerAddress: 1 } } });
  const open = () => connectTcp(hub.port('sftp'), '127.0.0.1').on('error', () => {});
  const first = open();
  await once(first, 'data');
  const second = open();
  await once(second, 'connect');
  const cut = once(second.resume(), 'close');
  await hub.hub.stop(AbortSignal.timeout(1_000));
  await cut;
  t.pass();
});

test('drops the client whose session is ended, with its uploads', async t => {
  const hub = await startSftp(t);
  const client = await connect(t, hub.login);
  const handle = await client.open('/half', OPEN.WRITE | OPEN.CREATE);
  await client.request(FXP.WRITE, string(handle), u64(0), string('half'));
  await hub.hub.get(SessionRegistry).endAll('Ended by an operator');
  await client.dropped();
  t.is((await hub.event('session.ended')).data.reason, 'Ended by an operator');
  t.is((await hub.event('upload.failed')).data.path, '/half');
});

test('waits for an open upload when it stops, and opens nothing new', async t => {
  const hub = await startSftp(t);
  const client = await connect(t, hub.login);
  const idle = await connect(t, hub.login);
  const handle = await client.open('/last', OPEN.WRITE | OPEN.CREATE);
  const stopped = hub.hub.stop(AbortSignal.timeout(60_000));
  await idle.dropped();
  await t.throwsAsync(client.open('/later', OPEN.WRITE | OPEN.CREATE), { message: /shutting down/ });
  await client.request(FXP.WRITE, string(handle), u64(0), string('to the end'));
  t.is((await client.close(handle)).code, 0);
  await client.dropped();
  await stopped;
  t.is((await hub.event('upload.completed')).data.path, '/last');
});

test('names the port and the setting when the port is taken', async t => {
  const first = await startSftp(t);
  const error = await t.throwsAsync(startSftp(t, { sftp: { port: first.port('sftp') } }), { instanceOf: HubError });
  t.is(error?.code, 'unavailable');
  t.regex(error?.message ?? '', new RegExp(`${first.port('sftp')}.*protocols\\.sftp\\.port`));
});

test('refuses names of algorithms that are weak or not known', async t => {
  for (const algorithms of [{ macs: ['hmac-md5'] }, { ciphers: ['aes128-cbc'] }, { kex: ['diffie-hellman-group1-sha1'] }, { macs: [] }])
    await t.throwsAsync(startSftp(t, { sftp: { algorithms } }), { message: /protocols\.sftp\.algorithms/ });
});

function publicPart(text: string): Buffer {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key.getPublicSSH();
}

test('keeps two sessions of one user apart', async t => {
  const hub = await startSftp(t);
  const clients = await Promise.all([RawSftp.connect(hub.login), RawSftp.connect(hub.login)]);
  await Promise.all(clients.map((client, index) => client.put(`/${index}`, Buffer.from(String(index)))));
  clients[0].cut();
  await hub.event('session.ended');
  t.is((await clients[1].get('/0')).toString(), '0');
  clients[1].cut();
});

test('offers strict key exchange and no signature with SHA-1, and signs with RSA by SHA-2', async t => {
  const hub = await startSftp(t);
  const [kex, hostKeys] = await readKexInit(hub.port('sftp'));
  t.true(kex?.includes('kex-strict-s-v00@openssh.com'));
  t.deepEqual(hostKeys, ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']);
  const connects = (name: ServerHostKeyAlgorithm) =>
    logsIn(hub.port('sftp'), { password: PASSWORD, algorithms: { serverHostKey: [name] } });
  for (const name of ['rsa-sha2-512', 'rsa-sha2-256', 'ecdsa-sha2-nistp256', 'ssh-ed25519'] as const) t.true(await connects(name), name);
  t.false(await connects('ssh-rsa'));
});
