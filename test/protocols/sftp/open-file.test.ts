import test from 'ava';
import type { Transfer } from '#core/vfs/transfer.js';
import { BufferPool } from '#protocols/sftp/buffers.js';
import { OpenFile } from '#protocols/sftp/open-file.js';

test('what was answered is written in order before an interrupted upload is kept', async t => {
  const [written, ended]: [number[], Promise<void>[]] = [[], []];
  let finishFirst = () => {};
  const transfer = {
    writev(_pieces: readonly Uint8Array[], position: number) {
      written.push(position);
      const done = position > 0 ? Promise.resolve() : new Promise<void>(resolve => (finishFirst = resolve));
      ended.push(done);
      return done;
    },
    async interrupt() {
      await Promise.all(ended);
      written.push(-1);
    },
  };
  const file = new OpenFile(
    transfer as unknown as Transfer,
    { taken() {}, written() {} },
    { pool: new BufferPool(), input: undefined },
    true,
  );
  for (const offset of [0, 10, 20]) {
    file.begin(offset, 10);
    file.add(Buffer.alloc(10));
    file.finish(offset);
    if (offset === 0) file.flush();
  }
  const aborted = file.abort('the client is lost');
  await Promise.resolve();
  t.deepEqual(written, [0], 'the rest was written beside the first, and may be there sooner');
  finishFirst();
  await aborted;
  t.deepEqual(written, [0, 10, -1]);
});

test('only a whole WRITE from the beginning, up to 32 KiB, is written before it is answered', t => {
  const KIB = 1024;
  const first = (offset: number, announced: number, arrived: number): boolean => {
    const file = new OpenFile({} as Transfer, { taken() {}, written() {} }, { pool: new BufferPool(), input: undefined }, true);
    file.begin(offset, announced);
    file.add(Buffer.alloc(arrived));
    return file.isSmallAndWhole;
  };
  t.true(first(0, 4 * KIB, 4 * KIB));
  t.true(first(0, 32 * KIB, 32 * KIB));
  t.false(first(0, 4 * KIB, 3 * KIB), 'the rest is still to come');
  t.false(first(0, 33 * KIB, 33 * KIB));
  t.false(first(0, 255 * KIB, 32 * KIB));
  t.false(first(1, KIB, KIB));
});
