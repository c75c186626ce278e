import test from 'ava';
import type { FileInfo, StorageHandle } from '#core/storage/backend.js';
import { orderedHandle, rangeHandle } from '#core/storage/handles.js';

const MIB = 1024 * 1024;

function infoOf(size: number): FileInfo {
  return { name: 'f', type: 'file', size, mtime: 0 };
}

/** A file behind a range reader that notes what it was asked for. */
function ranged(size: number, answerAtMost = Number.POSITIVE_INFINITY) {
  const content = Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 7 + (index >> 9)) & 0xff));
  const asked: string[] = [];
  const handle = rangeHandle(infoOf(size), async (start, end) => {
    asked.push(`${start}-${end}`);
    return content.subarray(start, Math.min(end, start + answerAtMost));
  });
  return { content, asked, handle };
}

async function readAll(handle: StorageHandle, step: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let position = 0; ; ) {
    const target = new Uint8Array(step);
    const count = await handle.read(target, position);
    if (count === 0) return Buffer.concat(pieces);
    pieces.push(target.subarray(0, count));
    position += count;
  }
}

test('turns many small reads in order into few large requests', async t => {
  const { content, asked, handle } = ranged(3 * MIB + 5);
  t.true(content.equals(await readAll(handle, 32 * 1024)));
  t.deepEqual(asked, [`0-${MIB}`, `${MIB}-${2 * MIB}`, `${2 * MIB}-${3 * MIB}`, `${3 * MIB}-${3 * MIB + 5}`]);
});

test('reads ahead of a reader that goes in order, and not of one that jumps', async t => {
  const { asked, handle } = ranged(10 * MIB);
  await handle.read(new Uint8Array(10), 5 * MIB);
  t.deepEqual(asked, [`${5 * MIB}-${6 * MIB}`]);
  await handle.read(new Uint8Array(10), 6 * MIB);
  t.deepEqual(asked.slice(1), [`${6 * MIB}-${7 * MIB}`, `${7 * MIB}-${8 * MIB}`]);
});

test('serves reads at once, across pieces, with one request for each piece', async t => {
  const { content, asked, handle } = ranged(2 * MIB);
  const positions = [0, 100, MIB - 50, MIB, 2 * MIB - 100, 50_000];
  await Promise.all(
    positions.map(async position => {
      const target = Buffer.alloc(100);
      t.is(await handle.read(target, position), 100);
      t.true(target.equals(content.subarray(position, position + 100)));
    }),
  );
  t.is(asked.length, 2);
});

test('asks again for what a range reader left out', async t => {
  const { content, handle } = ranged(300_000, 70_001);
  t.true(content.equals(await readAll(handle, 100_000)));
});

test('reads nothing at and behind the end, and takes no write', async t => {
  const { asked, handle } = ranged(10);
  t.is(await handle.read(new Uint8Array(5), 10), 0);
  t.is(await handle.read(new Uint8Array(5), 1_000), 0);
  t.deepEqual(asked, []);
  await t.throwsAsync(handle.write(new Uint8Array(1), 0), { code: 'unsupported' });
});

test('passes a failure of the range reader on, and asks again at the next read', async t => {
  let failing = true;
  const handle = rangeHandle(infoOf(3 * MIB), async (start, end) => {
    if (failing) throw new Error('gone');
    return new Uint8Array(end - start);
  });
  await t.throwsAsync(handle.read(new Uint8Array(10), 0), { message: 'gone' });
  failing = false;
  t.is(await handle.read(new Uint8Array(10), 0), 10);
});

test('says that the file has changed when it ends too early', async t => {
  const handle = rangeHandle(infoOf(100), async () => new Uint8Array(0));
  await t.throwsAsync(handle.read(new Uint8Array(10), 0), { code: 'conflict' });
});

/** A store that takes bytes in order only. */
function sequential() {
  const taken: number[] = [];
  let [closed, aborted, failing] = [false, false, false];
  const handle: StorageHandle = {
    read: async () => 0,
    write: async (data, position) => {
      await new Promise(resolve => setImmediate(resolve));
      if (failing) throw new Error('the store failed');
      if (position !== taken.length) throw new Error(`out of order: ${position} after ${taken.length}`);
      taken.push(...data);
    },
    stat: async () => infoOf(taken.length),
    close: async () => {
      closed = true;
    },
    abort: async () => {
      aborted = true;
    },
  };
  return { handle, taken, state: () => ({ closed, aborted }), fail: () => (failing = true) };
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('puts writes in order for a store that needs it', async t => {
  const store = sequential();
  const handle = orderedHandle(store.handle);
  const early = bytes(5, 6);
  await handle.write(early, 4);
  early.fill(0);
  await Promise.all([handle.write(bytes(3, 4), 2), handle.write(bytes(1, 2), 0), handle.write(bytes(7), 6)]);
  await handle.close();
  t.deepEqual(store.taken, [1, 2, 3, 4, 5, 6, 7]);
  t.true(store.state().closed);
});

test('keeps no more waiting than its window', async t => {
  const store = sequential();
  const handle = orderedHandle(store.handle, 4);
  await handle.write(bytes(5, 6, 7, 8), 4);
  await t.throwsAsync(handle.write(bytes(9), 8), { code: 'unsupported' });
  await handle.write(bytes(1, 2, 3, 4), 0);
  await handle.write(bytes(9), 8);
  await handle.close();
  t.deepEqual(store.taken, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('refuses a byte that was written before, and a file with a gap', async t => {
  const store = sequential();
  const handle = orderedHandle(store.handle);
  await handle.write(bytes(1, 2), 0);
  await t.throwsAsync(handle.write(bytes(9), 0), { code: 'unsupported' });
  await handle.write(bytes(5), 4);
  await t.throwsAsync(handle.close(), { code: 'unsupported' });
  await handle.abort();
  t.deepEqual(store.state(), { closed: false, aborted: true });
});

test('does not close a file of which a write failed after it was accepted', async t => {
  const store = sequential();
  const handle = orderedHandle(store.handle);
  await handle.write(bytes(3), 1);
  store.fail();
  await t.throwsAsync(handle.write(bytes(1), 0), { message: 'the store failed' });
  await t.throwsAsync(handle.close(), { message: 'the store failed' });
  t.false(store.state().closed);
});
