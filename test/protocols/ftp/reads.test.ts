import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import type { Certificates, Transfer } from '#core/api.js';
import { makeSelfSigned } from '#core/tls/self-signed.js';
import { Channel, type Protection } from '#protocols/ftp/channel.js';
import { BufferPool, Receiver } from '#protocols/ftp/pumps.js';
import { SharedReads } from '#protocols/ftp/shared-reads.js';

type Version = 'TLSv1.2' | 'TLSv1.3';

/** A data connection: the socket of the client, and the channel at the hub's end of it. */
async function dataConnection(
  t: ExecutionContext,
  version: Version | undefined,
  reads = new SharedReads(),
  before?: (accepted: Socket, client: Socket) => Promise<unknown>,
) {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }).on('error', () => undefined);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.teardown(() => socket.destroy());
  await before?.(accepted, socket);
  const port = { connect: async () => accepted, close: () => undefined };
  const channel = new Channel(port, version && (await protection()), 5_000, reads);
  t.teardown(() => channel.drop());
  const [stream, client] = await Promise.all([channel.open(true), version ? protect(socket, version) : socket]);
  return { channel, stream, client };
}

async function protection(): Promise<Protection> {
  const pem = await makeSelfSigned({ names: ['localhost'], notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000) });
  const options = { secureContext: createSecureContext({ cert: pem, key: pem }), requestCert: false, rejectUnauthorized: false };
  const certificates = { tlsOptions: () => options } as unknown as Certificates;
  return { certificates, named: undefined, sessionReuse: 'prefer' };
}

async function protect(socket: Socket, version: Version): Promise<Socket> {
  const secure = connectTls({ socket, rejectUnauthorized: false, minVersion: version, maxVersion: version });
  await once(
    secure.on('error', () => undefined),
    'secureConnect',
  );
  return secure.resume();
}

/** An upload into memory, as of a storage that waits for nothing, or of one that takes its time over each write. */
class Kept {
  readonly pieces = new Map<number, Buffer>();
  begin: () => void = () => undefined;
  readonly begun = new Promise<void>(resolve => {
    this.begin = resolve;
  });

  constructor(readonly writesNow: boolean) {}

  writeNow(pieces: readonly Buffer[], position: number): void {
    this.pieces.set(position, Buffer.concat(pieces));
  }

  async writev(pieces: readonly Buffer[], position: number): Promise<void> {
    if (!this.writesNow) await this.begun;
    this.writeNow(pieces, position);
  }

  /** In the order of their places, without a gap. */
  content(t: ExecutionContext): Buffer {
    let end = 0;
    for (const [position, { length }] of this.pieces) {
      t.is(position, end);
      end += length;
    }
    return Buffer.concat([...this.pieces.values()]);
  }
}

/** Sends `content` in pieces of every size, some of them two bytes long, and ends. */
async function sendInPieces(client: Socket, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; ) {
    const length = [2, randomInt(1, 40), randomInt(1, 20_000), randomInt(1, 400_000)][randomInt(4)]!;
    client.write(content.subarray(at, at + length));
    at += length;
    if (randomInt(8) === 0) await new Promise(resolve => setTimeout(resolve, 1));
  }
  client.end();
}

for (const version of [undefined, 'TLSv1.2', 'TLSv1.3'] as const) {
  for (const writesNow of [true, false]) {
    test(`takes what comes in pieces of every size as it was sent: ${version ?? 'plain'}, ${writesNow ? 'at once' : 'by and by'}`, async t => {
      const { channel, stream, client } = await dataConnection(t, version);
      const kept = new Kept(writesNow);
      kept.begin();
      const content = randomBytes(12_345_678);
      const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
      const [end] = await Promise.all([receiver.receive(stream), sendInPieces(client, content)]);
      await new Promise(setImmediate);
      t.is(end, content.length);
      t.true(kept.content(t).equals(content));
    });
  }

  test(`does not read a client while the storage cannot keep up: ${version ?? 'plain'}`, async t => {
    const { channel, stream, client } = await dataConnection(t, version);
    const kept = new Kept(false);
    const content = randomBytes(40_000_000);
    const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
    const received = receiver.receive(stream);
    client.end(content);
    await new Promise(resolve => setTimeout(resolve, 500));
    // What the hub holds, and what the kernel does at both ends.
    t.true(client.writableLength > 20_000_000, `${client.writableLength} bytes are left`);
    kept.begin();
    t.is(await received, content.length);
    await new Promise(setImmediate);
    t.true(kept.content(t).equals(content));
  });

  test(`reads as Node does where its private parts are not as expected: ${version ?? 'plain'}`, async t => {
    const reads = new SharedReads();
    reads.replace = accepted => accepted;
    const { channel, stream, client } = await dataConnection(t, version, reads);
    if (version) Object.assign((stream as unknown as { _handle: object })._handle, { useUserBuffer: undefined });
    const kept = new Kept(true);
    const content = randomBytes(3_000_000);
    const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
    const [end] = await Promise.all([receiver.receive(stream), sendInPieces(client, content)]);
    t.is(end, content.length);
    t.true(kept.content(t).equals(content));
  });
}

test('reads a connection by the socket that was accepted, without making another one', async t => {
  for (const isShown of [true, false]) {
    let accepted: Socket | undefined;
    const { channel, stream, client } = await dataConnection(t, undefined, undefined, async socket => {
      accepted = socket;
      if (!isShown) Object.assign((socket as unknown as { _handle: object })._handle, { useUserBuffer: undefined });
    });
    t.is(stream, accepted!);
    const kept = new Kept(true);
    const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
    await Promise.all([receiver.receive(stream), sendInPieces(client, Buffer.from('0123456789'))]);
    t.is(kept.content(t).toString(), '0123456789');
  }
});

test('takes what was read of a connection before, and its end', async t => {
  for (const waitMs of [0, 100]) {
    // As of one that came with a header of the PROXY protocol.
    const { channel, stream } = await dataConnection(t, undefined, undefined, async (accepted, client) => {
      client.end('0123456789');
      await once(accepted, 'readable');
      accepted.unshift(accepted.read() as Buffer);
      await new Promise(resolve => setTimeout(resolve, waitMs));
    });
    const kept = new Kept(true);
    const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
    t.is(await receiver.receive(stream), 10);
    t.is(kept.content(t).toString(), '0123456789');
  }
});

test('keeps two uploads apart that are read into the same buffer', async t => {
  const reads = new SharedReads();
  const both = await Promise.all((['TLSv1.3', undefined] as const).map(version => dataConnection(t, version, reads)));
  await Promise.all(
    both.map(async ({ channel, stream, client }) => {
      const kept = new Kept(false);
      kept.begin();
      const content = randomBytes(8_000_000);
      const receiver = new Receiver(new BufferPool(), channel, kept as unknown as Transfer, 0, false);
      await Promise.all([receiver.receive(stream), sendInPieces(client, content)]);
      await new Promise(setImmediate);
      t.true(kept.content(t).equals(content));
    }),
  );
});
