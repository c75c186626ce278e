import { randomBytes } from 'node:crypto';
import test from 'ava';
import { HubError } from '#core/errors.js';
import { parseProxyHeader } from '#core/proxy-header.js';
import { binaryHeader, crc32c, rawHeader, textHeader } from '../support/proxy-headers.js';

const FROM = { address: '198.51.100.7', port: 51_234 };
const TO = { address: '203.0.113.9', port: 2022 };
const FROM_SIX = { address: '2001:db8::7', port: 65_535 };
const TO_SIX = { address: '2001:db8:0:1::9', port: 1 };
const FIELD = { type: 2, value: Buffer.from('files.example.com') };

const WHOLE = {
  'version 1, IPv4': [textHeader(FROM, TO), FROM, TO],
  'version 1, IPv6': [textHeader(FROM_SIX, TO_SIX), FROM_SIX, TO_SIX],
  'version 2, IPv4': [binaryHeader(FROM, TO), FROM, TO],
  'version 2, IPv6': [binaryHeader(FROM_SIX, TO_SIX), FROM_SIX, TO_SIX],
  'version 2, IPv4 written as IPv6': [binaryHeader({ address: '::ffff:c633:6407', port: 51_234 }, TO_SIX), FROM, TO_SIX],
  'version 2 with fields': [binaryHeader(FROM, TO, { fields: [FIELD, { type: 4, value: Buffer.alloc(0) }] }), FROM, TO],
  'version 2 with a checksum': [binaryHeader(FROM_SIX, TO_SIX, { fields: [FIELD], checksum: 'right' }), FROM_SIX, TO_SIX],
  'version 1, unknown': [Buffer.from('PROXY UNKNOWN\r\n'), undefined, undefined],
  'version 1, unknown with addresses': [Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined, undefined],
  'version 2, LOCAL': [rawHeader(0x20, 0, Buffer.alloc(0)), undefined, undefined],
  'version 2, LOCAL with addresses': [binaryHeader(FROM, TO, { command: 0 }), undefined, undefined],
  'version 2, LOCAL with what is no field': [rawHeader(0x20, 0, Buffer.from([1, 2])), undefined, undefined],
  'version 2, unspecified': [rawHeader(0x21, 0, Buffer.from('whatever')), undefined, undefined],
  'version 2, a local socket': [rawHeader(0x21, 0x31, Buffer.alloc(216)), undefined, undefined],
} as const;

for (const [name, [header, source, destination]] of Object.entries(WHOLE)) {
  test(`reads ${name}, with nothing and with something behind it, and waits for its last byte`, t => {
    for (let length = 0; length < header.length; length++) t.is(parseProxyHeader(header.subarray(0, length)), undefined, `${length}`);
    for (const rest of ['', 'SSH-2.0-client\r\n']) {
      const found = parseProxyHeader(Buffer.concat([header, Buffer.from(rest)]));
      t.is(found?.bytes, header.length);
      t.deepEqual(found?.source, source);
      t.deepEqual(found?.destination, destination);
    }
  });
}

const BAD: Readonly<Record<string, Buffer>> = {
  'an SSH client': Buffer.from('S'),
  'a TLS client': Buffer.from([0x16, 3, 1]),
  'an HTTP client': Buffer.from('GET / HTTP/1.1\r\n'),
  'what begins like version 1': Buffer.from('PROXIES '),
  'what begins like version 2': Buffer.from('\r\n\r\n\r\n'),
  'small letters': Buffer.from('proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n'),
  'an unknown family': Buffer.from('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n'),
  'two spaces': Buffer.from('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n'),
  'a missing port': Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n'),
  'one field more': Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n'),
  'a line feed alone': Buffer.from(`PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n${'x'.repeat(100)}`),
  'an address of the other family': Buffer.from('PROXY TCP4 ::1 ::2 1 2\r\n'),
  'an octal address': Buffer.from('PROXY TCP4 010.1.1.1 2.2.2.2 1 2\r\n'),
  'a short address': Buffer.from('PROXY TCP4 10.1 2.2.2.2 1 2\r\n'),
  'a name': Buffer.from('PROXY TCP4 localhost 2.2.2.2 1 2\r\n'),
  'an address with a zone': Buffer.from('PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n'),
  'a port too high': Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n'),
  'a port with a zero before it': Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'),
  'a port that is none': Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n'),
  'a line without an end': Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`),
  'a line one byte too long': Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`),
  'version 3': binaryHeader(FROM, TO, { version: 3 }),
  'an unknown command': binaryHeader(FROM, TO, { command: 2 }),
  UDP: binaryHeader(FROM, TO, { family: 0x12 }),
  'a family that is none': binaryHeader(FROM, TO, { family: 0x41 }),
  'IPv4 addresses cut off': rawHeader(0x21, 0x11, Buffer.alloc(11)),
  'IPv6 addresses cut off': rawHeader(0x21, 0x21, Buffer.alloc(35)),
  'a local socket cut off': rawHeader(0x21, 0x31, Buffer.alloc(215)),
  'a length above what is taken': rawHeader(0x21, 0x11, Buffer.alloc(12), 4_081),
  'the longest length there is': rawHeader(0x20, 0, Buffer.alloc(0), 65_535),
  'a field without a length': rawHeader(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([2, 0])])),
  'a field beyond the end': rawHeader(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([2, 0, 2, 0])])),
  'a wrong checksum': binaryHeader(FROM, TO, { checksum: 'wrong' }),
  'a checksum of another size': binaryHeader(FROM, TO, { fields: [{ type: 3, value: Buffer.alloc(3) }] }),
};

for (const [name, bytes] of Object.entries(BAD)) {
  test(`refuses ${name}`, t => {
    const error = t.throws(() => parseProxyHeader(bytes), { instanceOf: HubError, code: 'invalid-request' });
    t.regex(error.message, /^No header of the PROXY protocol: /);
  });
}

test('takes a line of version 1 as long as it may be, and a header of version 2 as large as it may be', t => {
  t.is(parseProxyHeader(Buffer.from(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`))?.bytes, 107);
  const fields = [{ type: 0xe0, value: Buffer.alloc(4_096 - 16 - 12 - 3) }];
  t.deepEqual(parseProxyHeader(binaryHeader(FROM, TO, { fields }))?.source, FROM);
});

test('answers whatever comes with a header, a refusal or patience', t => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  const kinds = new Set<string>();
  const seeds = Object.values(WHOLE).map(([header]) => header);
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(seeds[round % seeds.length]!);
    const noise = randomBytes(3);
    bytes[noise[0]! % bytes.length] = noise[1]!;
    try {
      const header = parseProxyHeader(bytes.subarray(0, noise[2]! % 8 === 0 ? noise[0]! : bytes.length));
      kinds.add(header ? 'header' : 'patience');
      if (header) t.true(header.bytes <= bytes.length);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      kinds.add('refusal');
    }
  }
  t.deepEqual([...kinds].sort(), ['header', 'patience', 'refusal']);
});
