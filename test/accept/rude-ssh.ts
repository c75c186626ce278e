import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2, { type AuthenticationType, type AuthHandlerMiddleware, type ClientChannel } from 'ssh2';
import { Bystander } from '../support/bystander.js';
import { run } from '../support/children.js';
import { connectSsh, FXP, packet, string, u32 } from '../support/raw-sftp.js';
import { connectSilent, connectStranger, plainPacket, readKexInit, SSH, sendMessage } from '../support/raw-ssh.js';
import { tool } from '../support/tools.js';
import { type Scene, settledMiB } from './rude-sftp.js';
import type { Report } from './script.js';

const sessionChannel = Buffer.concat([string('session'), u32(0), u32(2 ** 21), u32(32_768)]);

/** Messages that no client sends before its login; none may be answered as if it had logged in. */
const TOO_EARLY: readonly (readonly [name: string, type: number, ...parts: Buffer[]])[] = [
  ['a channel', SSH.CHANNEL_OPEN, sessionChannel],
  ['a command on a channel that is not there', SSH.CHANNEL_REQUEST, u32(0), string('exec'), Buffer.of(1), string('id')],
  ['the subsystem on a channel that is not there', SSH.CHANNEL_REQUEST, u32(0), string('subsystem'), Buffer.of(1), string('sftp')],
  ['data on a channel that is not there', SSH.CHANNEL_DATA, u32(0), string(packet(FXP.INIT, u32(3)))],
  ['a window of a channel that is not there', SSH.CHANNEL_WINDOW_ADJUST, u32(0), u32(1)],
  ['a confirmed channel', SSH.CHANNEL_OPEN_CONFIRMATION, u32(0), u32(0), u32(1), u32(1)],
  ['a global request', SSH.GLOBAL_REQUEST, string('tcpip-forward'), Buffer.of(1), string('127.0.0.1'), u32(0)],
  ['the success of its own login', SSH.USERAUTH_SUCCESS],
  ['answers to no question', SSH.INFO_RESPONSE, u32(1), string('secret')],
  ['answers without end', SSH.INFO_RESPONSE, u32(0xffff_ffff)],
  ['a login cut off', SSH.USERAUTH_REQUEST, u32(0xffff_ffff)],
  ['a login for another service', SSH.USERAUTH_REQUEST, string('alice'), string('ssh-none'), string('none')],
  ['a login by nothing', SSH.USERAUTH_REQUEST, string('alice'), string('ssh-connection'), string('none')],
  [
    'a key that only claims',
    SSH.USERAUTH_REQUEST,
    string('alice'),
    string('ssh-connection'),
    string('publickey'),
    Buffer.of(1),
    string('ssh-ed25519'),
    string(''),
    string(''),
  ],
  ['the connection service', SSH.SERVICE_REQUEST, string('ssh-connection')],
  ['new keys without a key exchange', SSH.NEWKEYS],
  ['a key exchange cut off', SSH.KEXINIT, Buffer.alloc(10)],
  ['a ping', SSH.PING, string('x')],
];
const SUCCESS = /CHANNEL_OPEN_CONFIRMATION|USERAUTH_SUCCESS|CHANNEL_DATA|CHANNEL_REQUEST|REQUEST_SUCCESS/;
const WEAK = /sha1|md5|-96|cbc|arcfour|3des|none|group1-|group14-sha1|exchange/;

/** T14 to T17: messages before the login, session requests, algorithms, logins. */
export async function checkRudeSsh(report: Report, scene: Scene): Promise<void> {
  await report.check('T13 a flood before the end of the key exchange', () => earlyFlood(scene));
  await report.check('T14 messages of a logged-in client before the login', () => tooEarly(scene));
  await report.check('T15 session requests that are cut off, a flood of them, and 10,000 channels', () => sessionRequests(scene));
  await report.check('T16 strict key exchange, nothing weak, and an RSA key of 3,072 bits', () => algorithms(scene));
  await report.check('T17 logins by random orders of credentials are those of the last right one', () => loginOrders(scene));
}

async function earlyFlood({ hub, alice }: Scene): Promise<string> {
  const before = await settledMiB(hub, 2);
  const bystander = await Bystander.start(alice);
  const floods = [SSH.IGNORE, SSH.PING, SSH.GLOBAL_REQUEST, SSH.INFO_RESPONSE].map(async type => {
    const socket = connectSilent(hub.port);
    let gone = false;
    socket.once('close', () => {
      gone = true;
    });
    socket.resume().write('SSH-2.0-test\r\n');
    const bytes = Buffer.concat(Array.from({ length: 1_000 }, () => plainPacket(type, string('x'.repeat(200)))));
    for (let times = 0; times < 100 && !gone; times++) {
      if (!socket.write(bytes)) await Promise.race([new Promise(resolve => socket.once('drain', resolve)), sleep(1_000)]);
    }
    socket.destroy();
    return gone;
  });
  const dropped = (await Promise.all(floods)).filter(Boolean).length;
  const figures = await bystander.stop();
  const grown = (await settledMiB(hub, 2)) - before;
  assert.ok(grown < 16, `the memory grew by ${grown.toFixed(1)} MiB`);
  return `${dropped} of ${floods.length} were dropped in it; ${grown.toFixed(1)} MiB more; ${figures}`;
}

async function tooEarly({ hub, alice }: Scene): Promise<string> {
  const bystander = await Bystander.start(alice);
  let dropped = 0;
  for (const [name, type, ...parts] of TOO_EARLY) {
    const { client, heard, closed } = await connectStranger(hub.port);
    let gone = false;
    void closed.then(() => {
      gone = true;
    });
    sendMessage(client, type, ...parts);
    await Promise.race([closed, sleep(150)]);
    if (gone) dropped++;
    else {
      // Whatever it was: nothing is open now.
      sendMessage(client, SSH.CHANNEL_OPEN, sessionChannel);
      await Promise.race([closed, sleep(50)]);
    }
    const answered = heard.filter(text => SUCCESS.test(text));
    assert.deepEqual(answered, [], name);
    client.destroy();
  }
  assert.ok(hub.alive, hub.log.slice(-2_000));
  return `${TOO_EARLY.length} messages, ${dropped} dropped for them; ${await bystander.stop()}`;
}

async function sessionRequests({ hub, mallory, alice, scale }: Scene): Promise<string> {
  const refusals = scale === 'full' ? 10_000 : 2_000;
  const round = async (count: number) => {
    for (let done = 0; done < count; ) {
      const ssh = await connectSsh(mallory);
      const open = () =>
        new Promise<ClientChannel>((resolve, reject) => ssh.subsys('sftp', (error, channel) => (error ? reject(error) : resolve(channel))));
      const channel = await open();
      for (const type of ['subsystem', 'exec', 'env', 'pty-req', 'signal', 'window-change', 'shell', 'x11-req', 'unknown@example.com']) {
        for (const rest of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(3), u32(0xffff_ffff), u32(5)]) {
          const own = await connectSsh(mallory);
          sendMessage(own, SSH.CHANNEL_OPEN, sessionChannel);
          sendMessage(own, SSH.CHANNEL_REQUEST, u32(0), string(type), Buffer.of(1), rest);
          await sleep(2);
          own.destroy();
          if (done > 0) break;
        }
      }
      const number = (Reflect.get(channel, 'outgoing') as { readonly id: number }).id;
      for (let times = 0; times < 10_000; times++)
        sendMessage(ssh, SSH.CHANNEL_REQUEST, u32(number), string('env'), Buffer.of(0), string('A'), string('b'));
      const refused = () =>
        Promise.all([
          new Promise<void>((resolve, reject) =>
            ssh.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, error => (error ? resolve() : reject(new Error('forwarded')))),
          ),
          new Promise<void>((resolve, reject) => ssh.subsys('netconf', error => (error ? resolve() : reject(new Error('netconf'))))),
        ]);
      for (let times = 0; times < 450 && done < count; times++, done += 2) await refused();
      // Channels that were refused are free again.
      channel.close();
      await open();
      ssh.destroy();
    }
  };
  const bystander = await Bystander.start(alice);
  await round(600);
  const before = await settledMiB(hub, 3);
  await round(refusals);
  const figures = await bystander.stop();
  const grown = (await settledMiB(hub)) - before;
  assert.ok(hub.alive, hub.log.slice(-2_000));
  assert.ok(grown < 10, `the memory grew by ${grown.toFixed(1)} MiB`);
  return `${refusals} channels refused; ${grown.toFixed(1)} MiB more; ${figures}`;
}

async function algorithms({ hub, clients }: Scene): Promise<string> {
  const lists = await readKexInit(hub.port);
  const [kex = [], keys = [], ciphers = [], , macs = [], , compression = []] = lists;
  assert.ok(kex.includes('kex-strict-s-v00@openssh.com'), kex.join());
  for (const names of [kex, keys, ciphers, macs]) for (const name of names) assert.doesNotMatch(name, WEAK);
  assert.deepEqual(compression, ['none']);
  assert.ok(!keys.includes('ssh-rsa') && !keys.includes('ssh-dss'), keys.join());
  const scanned = await run(tool('ssh-keyscan'), ['-t', 'rsa', '-p', String(hub.port), '127.0.0.1']);
  const shown = await run(tool('ssh-keygen'), ['-l', '-f', '-'], { input: scanned.stdout, env: clients.environment({}) });
  const bits = Number(/^\d+/m.exec(shown.stdout)?.[0]);
  assert.ok(bits >= 3_072, shown.output);
  return `${kex.length} key exchanges, ${ciphers.length} ciphers, ${macs.length} MACs, RSA of ${bits} bits`;
}

/** What a client shows in one try, and whether that alone may log it in. */
interface Try {
  readonly right: boolean;
  readonly auth: Readonly<Record<string, unknown>>;
}

async function loginOrders({ hub, mallory, alice, scale }: Scene): Promise<string> {
  const rounds = scale === 'full' ? 200 : 60;
  const username = mallory.user;
  const own = mallory.privateKey!.toString();
  const foreign = ssh2.utils.generateKeyPairSync('ed25519').private;
  const mismatched = mismatchedAgent(own, foreign);
  const tries: readonly Try[] = [
    { right: true, auth: { type: 'password', username, password: mallory.password } },
    { right: true, auth: { type: 'publickey', username, key: own } },
    { right: false, auth: { type: 'none', username } },
    { right: false, auth: { type: 'password', username, password: 'wrong' } },
    { right: false, auth: { type: 'password', username, password: '' } },
    { right: false, auth: { type: 'password', username, password: alice.password } },
    { right: false, auth: { type: 'publickey', username, key: foreign } },
    { right: false, auth: { type: 'agent', username, agent: mismatched } },
  ];
  let [entries, refusals] = [0, 0];
  const owner = await connectSsh(mallory);
  await new Promise<void>((resolve, reject) =>
    owner.sftp((error, sftp) =>
      error ? reject(error) : sftp.writeFile('/home-of-mallory', '', failure => (failure ? reject(failure) : resolve())),
    ),
  );
  owner.destroy();
  for (let round = 0; round < rounds; round++) {
    const order = Array.from({ length: 1 + randomInt(3) }, () => tries[randomInt(tries.length)]!);
    const expected = order.some(({ right }) => right);
    const client = new ssh2.Client().on('error', () => {});
    let next = 0;
    const ended = new Promise<boolean>(resolve => client.once('ready', () => resolve(true)).once('close', () => resolve(false)));
    client.connect({
      host: '127.0.0.1',
      port: hub.port,
      username,
      authHandler: ((_left: AuthenticationType[] | null, _partial: boolean | null, give: (auth: unknown) => void) =>
        give(order[next++]?.auth ?? false)) as AuthHandlerMiddleware,
    });
    const entered = await ended;
    const shown = order
      .map(({ auth }) => `${String(auth.type)}${auth.password === undefined ? '' : ` ${String(auth.password)}`}`)
      .join(', ');
    assert.equal(entered, expected, shown);
    if (entered) {
      entries++;
      await new Promise<void>((resolve, reject) =>
        client.sftp((error, sftp) =>
          error ? reject(error) : sftp.stat('/home-of-mallory', failure => (failure ? reject(failure) : resolve())),
        ),
      );
    } else refusals++;
    client.destroy();
  }
  return `${entries} let in, ${refusals} kept out`;
}

/** An agent that offers the public half of one key and signs by another one. */
function mismatchedAgent(offered: string, signs: string): ssh2.BaseAgent {
  const [shown, used] = [offered, signs].map(text => {
    const key = ssh2.utils.parseKey(text);
    if (key instanceof Error) throw key;
    return key;
  });
  return new (class extends ssh2.BaseAgent {
    override getIdentities(done: (error: undefined, keys: Buffer[]) => void): void {
      done(undefined, [shown!.getPublicSSH()]);
    }
    override sign(_key: unknown, data: Buffer, ...rest: unknown[]): void {
      const done = rest.at(-1) as (error: undefined, signature: Buffer) => void;
      done(undefined, used!.sign(data));
    }
  })();
}
