import test from 'ava';
import type { ClientChannel } from 'ssh2';
import { MemoryStorage } from '#backends/memory/index.js';
import { VfsServices } from '#core/vfs/scope.js';
import { BufferPool } from '#protocols/sftp/buffers.js';
import type { OpenFile } from '#protocols/sftp/open-file.js';
import { ReadQueue } from '#protocols/sftp/reads.js';
import { Share } from '#protocols/sftp/share.js';
import type { Wire } from '#protocols/sftp/wire.js';
import { altered, hubOn } from '../../core/vfs/support.js';
import { connectSsh, FXP, NO_ATTRS, OPEN, packet, readString, STATUS, string, u32 } from '../../support/raw-sftp.js';
import { connect, PASSWORD, startSftp } from './support.js';

test('gives a session and a user as many handles as the limits say, and says so', async t => {
  const hub = await startSftp(t, {
    users: { alice: { password: PASSWORD }, bob: { password: PASSWORD } },
    values: { limits: { openFilesPerSession: 4, openFilesPerUser: 6 } },
  });
  const [one, two] = [await connect(t, hub.login), await connect(t, hub.login)];
  const bob = await connect(t, { ...hub.login, user: 'bob' });
  await one.put('/f', Buffer.from('x'));
  await bob.put('/f', Buffer.from('x'));
  const file = (client = one) => client.request(FXP.OPEN, string('/f'), u32(OPEN.READ), NO_ATTRS);
  const directory = (client = one) => client.request(FXP.OPENDIR, string('/'));
  const told = await one.request(FXP.EXTENDED, string('limits@openssh.com'));
  t.is(Number(told.body.readBigUInt64BE(24)), 4);

  const first = [await file(), await directory(), await file(), await directory()];
  t.deepEqual(new Set(first.map(answer => answer.type)), new Set<number>([FXP.HANDLE]));
  for (const refused of [await file(), await directory()]) {
    t.is(refused.code, STATUS.FAILURE);
    t.regex(refused.message, /at most 4 in a session/);
  }
  t.deepEqual([(await file(two)).type, (await directory(two)).type], [FXP.HANDLE, FXP.HANDLE]);
  for (const refused of [await file(two), await directory(two)]) {
    t.is(refused.code, STATUS.FAILURE);
    t.regex(refused.message, /at most 6 of a user/);
  }
  t.is((await file(bob)).type, FXP.HANDLE, 'another user has his own');
  for (const { body } of first) t.is((await one.close(readString(body, 0))).code, STATUS.OK);
  t.deepEqual([(await file(two)).type, (await directory(two)).type], [FXP.HANDLE, FXP.HANDLE]);
  const { places } = hub.hub.get(VfsServices);
  for (const client of [one, two, bob]) client.cut();
  while (places.users > 0) await new Promise(setImmediate);
  t.is(places.users, 0);
});

test('has no more requests of ten channels at the storage than of one', async t => {
  const memory = new MemoryStorage();
  const waiting: (() => void)[] = [];
  let gated = false;
  const stat = async (path: string) => {
    if (gated) await new Promise<void>(resolve => waiting.push(resolve));
    return memory.stat(path);
  };
  const hub = await hubOn(t, altered(memory, { stat, lstat: undefined, realPath: undefined }), { alice: { password: PASSWORD } });
  const ssh = await connectSsh({ port: hub.port('sftp'), user: 'alice', password: PASSWORD });
  t.teardown(() => ssh.destroy());
  const answers: number[] = [];
  const channels = await Promise.all(
    Array.from(
      { length: 10 },
      (_, index) =>
        new Promise<ClientChannel>((resolve, reject) =>
          ssh.subsys('sftp', (error, channel) => {
            if (error) return reject(error);
            answers[index] = 0;
            channel.once('data', () => {
              channel.on('data', (chunk: Buffer) => {
                answers[index]! += chunk.length;
              });
              resolve(channel);
            });
            channel.write(packet(FXP.INIT, u32(3)));
          }),
        ),
    ),
  );
  gated = true;
  for (const channel of channels) for (let id = 0; id < 100; id++) channel.write(packet(FXP.STAT, u32(id), string('/')));
  const settled = async () => {
    for (let before = -1; before !== waiting.length; ) {
      before = waiting.length;
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
  };
  while (waiting.length < 60) await new Promise(setImmediate);
  await settled();
  t.is(waiting.length, 60, 'six of each');
  // They end, and all are answered.
  gated = false;
  for (const go of waiting.splice(0)) go();
  const whole = () => answers.every(bytes => bytes === answers[0] && bytes >= 100 * 33);
  while (!whole()) await new Promise(setImmediate);
  t.true(whole());
});

test('holds few buffers for answers that a client does not take, however small they are', async t => {
  let taken = 0;
  class CountingPool extends BufferPool {
    override take(): Buffer {
      taken++;
      return super.take();
    }
  }
  const releases: (() => void)[] = [];
  const wire = { unsentBytes: 0, write: (_bytes: Buffer, done: () => void) => void releases.push(done) };
  const file = { startOperation: () => {}, endOperation: () => {}, transfer: { read: async () => 1 } };
  let answered = 0;
  const queue = new ReadQueue(wire as unknown as Wire, new CountingPool(), new Share(), () => void answered++);
  for (let id = 0; id < 5_000; id++) queue.add(id, file as unknown as OpenFile, 0, 1);
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
  t.true(taken >= 32 && taken <= 36, `${taken} buffers`);
  while (answered < 5_000) {
    for (const release of releases.splice(0)) release();
    queue.pump();
    await new Promise(setImmediate);
  }
  t.is(answered, 5_000);
});

test('divides what a connection may have in flight among its channels', t => {
  const share = new Share();
  const whole = { ...share };
  for (let channel = 0; channel < 10; channel++) share.join();
  t.true(share.requests * 10 <= whole.requests && share.requests >= 6);
  t.true(share.unwrittenBytes * 10 <= whole.unwrittenBytes && share.unsentBytes * 10 <= whole.unsentBytes);
  for (let channel = 0; channel < 10; channel++) share.leave();
  t.deepEqual({ ...share }, whole);
});
