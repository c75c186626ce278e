import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { ServerChannel, Connection as SshConnection } from 'ssh2';
import { DirectInput, SharedReads } from '#protocols/sftp/inbound.js';
import { openFastLane } from '#protocols/sftp/transport.js';
import { connectSsh } from '../../support/raw-sftp.js';
import { connect, type SftpTestOptions, startSftp } from './support.js';

const CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr'];

/** Puts and gets a file of many packets. */
async function roundTrip(t: ExecutionContext, options: SftpTestOptions = {}): Promise<void> {
  const hub = await startSftp(t, options);
  const sftp = await connect(t, hub.login);
  const content = randomBytes(3_000_000);
  await sftp.put('/big', content);
  t.true((await sftp.get('/big')).equals(content));
}

for (const cipher of CIPHERS) {
  test.serial(`answers arrive whole by ${cipher}`, t => roundTrip(t, { sftp: { algorithms: { ciphers: [cipher] } } }));
}

test('where ssh2 is not as it was, there is no fast lane', t => {
  const socket = new Socket();
  const channel = {
    outgoing: { id: 0, packetSize: 32_768, window: 1_000, state: 'open' },
    _waitWindow: false,
    _chunk: undefined,
    _chunkcb: undefined,
  };
  const observer = { relieved() {}, stalled() {} };
  const cipher = { encrypt() {}, _onWrite() {} };
  class PacketWriter {}
  const protocol = { _cipher: cipher, _kexinit: undefined, _packetRW: { write: new PacketWriter() } };
  const open = (connection: object, other: object = channel) =>
    openFastLane(connection as SshConnection, other as ServerChannel, socket, observer) !== undefined;
  t.true(open({ _protocol: protocol }));
  t.false(open({}));
  t.false(open({ _protocol: { ...protocol, _cipher: {} } }));
  t.false(open({ _protocol: { ...protocol, _packetRW: { write: new EventEmitter() } } }));
  t.false(open({ _protocol: { _cipher: cipher, _packetRW: protocol._packetRW } }));
  t.false(open({ _protocol: protocol }, { ...channel, outgoing: { ...channel.outgoing, window: undefined } }));
  t.false(open({ _protocol: protocol }, {}));
});

test('where ssh2 is not as it was, what arrived is handed on as a copy', t => {
  const known = (protocol: object) =>
    new SharedReads().inputOf(new Socket(), { _protocol: protocol } as unknown as SshConnection) !== undefined;
  const onPayload = () => undefined;
  t.true(known({ _onPayload: onPayload, _decipher: { _onPayload: onPayload } }));
  t.false(known({}));
  t.false(known({ _onPayload: onPayload }));
  t.false(known({ _decipher: { _onPayload: onPayload } }));
});

test('what is not taken at once is copied out of the buffer that is read into', t => {
  const kept: Buffer[] = [];
  const original = (payload: Buffer) => void kept.push(payload);
  const protocol: { _onPayload: (payload: Buffer) => unknown; _decipher: { _onPayload: (payload: Buffer) => unknown; _packet?: Buffer } } =
    {
      _onPayload: original,
      _decipher: { _onPayload: original },
    };
  const input = new DirectInput(protocol as unknown as ConstructorParameters<typeof DirectInput>[0]);
  const channel = Object.assign(new EventEmitter(), { incoming: { id: 7 }, readableFlowing: true, readableLength: 0 });
  input.add(channel as unknown as ServerChannel);
  const read = Buffer.alloc(64 * 1024, 1);
  const data = (recipient: number) => {
    const payload = read.subarray(0, 100);
    payload[0] = 94;
    payload.writeUInt32BE(recipient, 1);
    protocol._decipher._onPayload(payload);
  };
  const isCopied = () => kept.at(-1)!.buffer !== read.buffer;
  input.deliver(read, () => {
    data(7);
    t.false(isCopied(), 'it flows');
    data(8);
    t.true(isCopied(), 'another channel');
    channel.readableFlowing = false;
    data(7);
    t.true(isCopied(), 'it is paused');
    protocol._decipher._onPayload(Buffer.from(read.buffer, read.byteOffset, 20));
    t.true(isCopied(), 'no data of a channel');
    protocol._decipher._packet = read.subarray(200, 300);
    t.true(input.afterRead(() => t.pass()));
  });
  t.not(protocol._decipher._packet!.buffer, read.buffer, 'a packet whose end is still to come');
  t.false(input.afterRead(() => t.fail()));
  // A key exchange.
  const exchange = (payload: Buffer) => void kept.push(payload);
  channel.readableFlowing = true;
  input.deliver(read, () => {
    protocol._decipher._onPayload = exchange;
  });
  input.deliver(read, chunk => t.not(chunk.buffer, read.buffer));
});

test.serial('with a cipher that the fast lane does not know, answers go by the channel', async t => {
  const hub = await startSftp(t);
  const client = await connectSsh(hub.login);
  const cipher: object = Reflect.get(Reflect.get(client, '_protocol'), '_cipher');
  const { name } = cipher.constructor;
  // Client and server share the class: under another name it is one that nobody has looked at.
  Object.defineProperty(cipher.constructor, 'name', { value: 'CipherOfTomorrow', configurable: true });
  t.teardown(() => Object.defineProperty(cipher.constructor, 'name', { value: name, configurable: true }));
  client.end();
  await once(client, 'close');
  await roundTrip(t);
});
