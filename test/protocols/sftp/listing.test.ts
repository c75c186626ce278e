import test from 'ava';
import type { FileInfo } from '#core/api.js';
import { attributesField } from '#protocols/sftp/attributes.js';
import { Listing } from '#protocols/sftp/listing.js';
import { PACKET, PacketReader } from '#protocols/sftp/packets.js';

const REPLY_BYTES = 32 * 1024;

const entry = (name: string): FileInfo => ({
  name,
  type: 'file',
  size: 2 ** 40,
  mtime: 1_000_000,
  atime: 2_000_000,
  uid: 2 ** 32 - 1,
  gid: 7,
});

function over(batches: readonly (readonly FileInfo[])[]): Promise<Listing> {
  const files = {
    async *list() {
      yield* batches;
    },
  };
  return Listing.open(files, '/');
}

/** Every reply until the end, read as a client would: all that its lengths promise is there, and nothing else. */
async function replies(listing: Listing): Promise<{ readonly bytes: number; readonly names: readonly string[] }[]> {
  const all: { bytes: number; names: string[] }[] = [];
  for (let id = 5; ; id++) {
    const reply = await listing.next(id);
    if (!reply) return all;
    const fields = new PacketReader(reply);
    const length = fields.uint32();
    const names: string[] = [];
    if (length !== reply.length - 4 || reply[4] !== PACKET.NAME || reply.readUInt32BE(5) !== id) throw new Error('The head is wrong');
    const rest = new PacketReader(reply.subarray(9));
    for (let left = rest.uint32(); left > 0; left--) {
      const name = rest.text();
      const long = rest.text();
      if (!long.endsWith(` ${name}`) || !long.includes('4294967295') || !long.includes(String(2 ** 40)))
        throw new Error(`The long name is ${long}`);
      const attributes = [...Array(8)].map(() => rest.uint32());
      const expected = attributesField(entry(name));
      if (attributes.some((word, index) => word !== expected.readUInt32BE(4 * index))) throw new Error('The attributes are wrong');
      names.push(name);
    }
    if (rest.left > 0) throw new Error('Something follows the last entry');
    all.push({ bytes: reply.length, names });
  }
}

test('a directory is listed in replies of 32 KiB at most, with every entry once and in order', async t => {
  const names = Array.from({ length: 2_000 }, (_, index) => `${'ä€x'.repeat(index % 60)}-${index}`);
  const batches = [names.slice(0, 700), names.slice(700, 701), names.slice(701)].map(part => part.map(entry));
  const found = await replies(await over(batches));
  t.deepEqual(
    found.flatMap(reply => reply.names),
    names,
  );
  t.true(found.every(({ bytes }) => bytes <= REPLY_BYTES));
  t.true(found.length < 60, 'so few that each holds many');
});

test('a name that fills more than a reply gets one of its own', async t => {
  const names = ['a', '€'.repeat(20_000), 'b'];
  const found = await replies(await over([names.map(entry)]));
  t.deepEqual(
    found.map(reply => reply.names),
    [['a'], ['€'.repeat(20_000)], ['b']],
  );
});

test('a directory that a client closes while it is read ends there', async t => {
  const listing = await over([[entry('a')], [entry('b')]]);
  await listing.next(1);
  await listing.close();
  t.is(await listing.next(2), undefined);
});
