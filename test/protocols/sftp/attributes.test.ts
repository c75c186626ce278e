import test from 'ava';
import type { FileInfo } from '#core/api.js';
import { attributesField, longName, readAttributes } from '#protocols/sftp/attributes.js';
import { PacketReader } from '#protocols/sftp/packets.js';

const NOW = new Date(2026, 10, 24, 13, 45).getTime();
const FILE: FileInfo = { name: 'a b', type: 'file', size: 5_000_000_000, mtime: NOW - 1_000, mode: 0o640 };

test('tells sizes above 4 GiB, mode with type, and times in seconds', t => {
  const bytes = attributesField({ ...FILE, atime: 1_000_500 });
  t.is(bytes.readUInt32BE(0), 0xd);
  t.is(bytes.readBigUInt64BE(4), 5_000_000_000n);
  t.is(bytes.readUInt32BE(12), 0o100640);
  t.is(bytes.readUInt32BE(16), 1_000);
});

test('tells owners where the storage has them', t => {
  const bytes = attributesField({ ...FILE, uid: 1_000, gid: 100 });
  t.is(bytes.readUInt32BE(0), 0xf);
  t.deepEqual([bytes.readUInt32BE(12), bytes.readUInt32BE(16)], [1_000, 100]);
});

test('keeps times that do not fit within what the protocol can say', t => {
  for (const [mtime, seconds] of [
    [-5_000, 0],
    [1e15, 0xffff_ffff],
    [Number.NaN, 0],
  ] as const)
    t.is(attributesField({ ...FILE, mtime }).readUInt32BE(20), seconds);
});

test('writes long names as ls does', t => {
  t.is(longName(FILE, NOW), '-rw-r-----   1 0        0        5000000000 Nov 24 13:44 a b');
  const old = new Date(2019, 0, 5).getTime();
  t.is(
    longName({ name: 'd', type: 'directory', size: 0, mtime: old, mode: 0o2755 }, NOW),
    'drwxr-sr-x   2 0        0               0 Jan  5  2019 d',
  );
  t.true(longName({ name: 'l', type: 'symlink', size: 3, mtime: NOW + 86_400_000 }, NOW).startsWith('lrwxrwxrwx'));
});

test('reads back what a client wants, and passes extended attributes over', t => {
  const read = (hex: string) => readAttributes(new PacketReader(Buffer.from(hex, 'hex')));
  t.deepEqual(read('00000000'), {});
  t.deepEqual(read('00000001 0000000100000000'.replaceAll(' ', '')), { size: 2 ** 32 });
  t.deepEqual(read('0000000e 000003e8 00000064 000081a4 00000001 00000002'.replaceAll(' ', '')), {
    uid: 1_000,
    gid: 100,
    mode: 0o644,
    atime: 1_000,
    mtime: 2_000,
  });
  t.deepEqual(read('80000000ffffffff'), {});
  t.throws(() => read('00000001ffffffffffffffff'), { message: /out of range/ });
  t.throws(() => read('0000000800000001'), { message: /cut off/ });
});
