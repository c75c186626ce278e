import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { Duplex } from 'node:stream';
import test from 'ava';
import { Client, type ClientChannel } from 'ssh2';
import { FXP, NO_ATTRS, OPEN, packet, string, u32 } from '../../support/raw-sftp.js';
import { PASSWORD, startSftp } from './support.js';

test('drops a client that begins a key exchange, has answers to come, and never goes on', async t => {
  const hub = await startSftp(t, { sftp: { handshakeTimeout: '3s' } });
  const tcp = connectTcp(hub.port('sftp'), '127.0.0.1').on('error', () => {});
  await once(tcp, 'connect');
  let held: Buffer[] | undefined;
  const sock = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (held) held.push(chunk);
      else tcp.write(chunk);
      done();
    },
  });
  tcp.on('data', chunk => sock.push(chunk));
  const gone = once(tcp, 'close');
  const client = new Client().on('error', () => {});
  client.connect({ sock, username: 'alice', password: PASSWORD });
  await once(client, 'ready');
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.subsys('sftp', (error, stream) => (error ? reject(error) : resolve(stream))),
  );
  channel.write(packet(FXP.INIT, u32(3)));
  await once(channel, 'data');
  channel.write(packet(FXP.OPEN, u32(1), string('/f'), u32(OPEN.WRITE | OPEN.CREATE), NO_ATTRS));
  const handle = (await once(channel, 'data'))[0].subarray(13);
  // One segment: a CLOSE, which is answered after a turn of the database, and the start of a key exchange.
  held = [];
  channel.write(packet(FXP.CLOSE, u32(2), string(handle)));
  const protocol: { rekey(): void } = Reflect.get(client, '_protocol');
  protocol.rekey();
  const segment = Buffer.concat(held);
  tcp.write(segment);
  await gone;
  t.is((await hub.event('upload.completed')).data.path, '/f', 'the upload itself is done');
});
