import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { offeredExchanges } from '#protocols/sftp/key-exchanges.js';
import { readString, string, u32 } from '../../support/raw-sftp.js';
import { startSftp } from './support.js';

const [KEXINIT, ECDH_INIT, ECDH_REPLY] = [20, 30, 31];

for (const guess of ['curve25519-sha256', 'curve25519-sha256@libssh.org']) {
  test(`answers a client that sends its first packet before it knows what is offered (${guess})`, async t => {
    const hub = await startSftp(t);
    const socket = connect(hub.port('sftp'), '127.0.0.1');
    t.teardown(() => socket.destroy());
    const packets = received(socket);
    const { publicKey } = generateKeyPairSync('x25519');
    const first = packet(ECDH_INIT, string(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)));
    socket.write(Buffer.concat([Buffer.from('SSH-2.0-guessing\r\n'), kexInit(guess), first]));

    const offer = await next(packets, KEXINIT);
    const [favourite] = readString(offer, 17).toString().split(',');
    // RFC 4253, section 7: the guess was right when both like the same best, and is sent again otherwise.
    if (favourite !== guess) socket.write(first);
    t.is((await next(packets, ECDH_REPLY))[0], ECDH_REPLY);
  });
}

test('offers every key exchange that is configured, and one that is the only one', t => {
  t.deepEqual(offeredExchanges(['curve25519-sha256', 'ecdh-sha2-nistp256', 'diffie-hellman-group16-sha512']), [
    'diffie-hellman-group16-sha512',
    'curve25519-sha256',
    'ecdh-sha2-nistp256',
  ]);
  t.deepEqual(offeredExchanges(['curve25519-sha256']), ['curve25519-sha256']);
});

function kexInit(exchange: string): Buffer {
  const lists = [exchange, 'ssh-ed25519', ...Array(2).fill('aes128-ctr'), ...Array(2).fill('hmac-sha2-256'), 'none', 'none', '', ''];
  return packet(KEXINIT, randomBytes(16), ...lists.map(list => string(list)), Buffer.of(1), u32(0));
}

/** A packet before there is a key: its length, that of the padding, the content, the padding (RFC 4253, section 6). */
function packet(type: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.of(type), ...parts]);
  const padding = 4 + ((8 - ((5 + content.length + 4) % 8)) % 8);
  return Buffer.concat([u32(1 + content.length + padding), Buffer.of(padding), content, Buffer.alloc(padding)]);
}

/** The content of each packet that arrives. */
async function* received(socket: Socket): AsyncGenerator<Buffer> {
  let bytes: Buffer = Buffer.alloc(0);
  let greeted = false;
  while (true) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
    const line = bytes.indexOf('\r\n');
    if (!greeted && line >= 0) {
      greeted = true;
      bytes = bytes.subarray(line + 2);
    }
    while (greeted && bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const length = bytes.readUInt32BE(0);
      yield bytes.subarray(5, 4 + length - bytes[4]!);
      bytes = bytes.subarray(4 + length);
    }
  }
}

async function next(packets: AsyncGenerator<Buffer>, type: number): Promise<Buffer> {
  const { value } = await packets.next();
  return value[0] === type ? value : next(packets, type);
}
