import test from 'ava';
import fc from 'fast-check';
import { HubError } from '#core/api.js';
import { decodeName, PacketReader } from '#protocols/sftp/packets.js';

test('reads nothing beyond the end of a request, whatever the lengths say', t => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.constantFrom('uint32' as const, 'uint64' as const, 'string' as const, 'text' as const), { maxLength: 8 }),
      (bytes, fields) => {
        const reader = new PacketReader(Buffer.from(bytes));
        try {
          for (const field of fields) {
            reader[field]();
          }
        } catch (error) {
          return error instanceof HubError && error.code === 'invalid-request';
        }
        return true;
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass();
});

test('decodes a name exactly or not at all', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), bytes => {
      let name: string;
      try {
        name = decodeName(Buffer.from(bytes));
      } catch {
        return true;
      }
      return !name.includes('\0') && Buffer.from(name).equals(Buffer.from(bytes));
    }),
    { numRuns: 5_000 },
  );
  t.is(decodeName(Buffer.from('\ufeffbom')), '\ufeffbom');
  t.throws(() => decodeName(Buffer.from([0xff])));
});
