import test from 'ava';
import { addressGroup, addressWithin, canonicalAddress, parseRange } from '#core/net.js';

test('an address has one form', t => {
  t.is(canonicalAddress('::ffff:192.0.2.1'), '192.0.2.1');
  t.is(canonicalAddress('2001:0db8:0000::0001'), '2001:db8::1');
  t.is(canonicalAddress('192.0.2.1'), '192.0.2.1');
  t.is(canonicalAddress('no address'), 'no address');
});

test('IPv6 is counted by its /64, IPv4 by itself', t => {
  t.is(addressGroup('2001:db8::1:2:3:4'), addressGroup('2001:db8::5:6:7:8'));
  t.not(addressGroup('2001:db8::1'), addressGroup('2001:db8:0:1::1'));
  t.is(addressGroup('::ffff:192.0.2.1'), '192.0.2.1');
  t.is(addressGroup('fe80::1%eth0'), addressGroup('fe80::2%eth1'));
});

test('an address lies within the ranges that hold it', t => {
  t.true(addressWithin('10.1.2.3', ['192.0.2.1', '10.0.0.0/8']));
  t.true(addressWithin('192.0.2.1', ['192.0.2.1']));
  t.true(addressWithin('::ffff:10.1.2.3', ['10.0.0.0/8']));
  t.true(addressWithin('10.1.2.3', ['::ffff:10.0.0.0/104']));
  t.true(addressWithin('2001:db8::1', ['2001:db8::/32']));
  t.true(addressWithin('10.1.2.3', ['0.0.0.0/0']));
  t.false(addressWithin('11.0.0.1', ['10.0.0.0/8']));
  t.false(addressWithin('2001:db8::1', ['0.0.0.0/0']));
  t.false(addressWithin('no address', ['0.0.0.0/0']));
  t.false(addressWithin('10.0.0.1', []));
});

test('what programs read differently is no range', t => {
  for (const text of [
    '10',
    '10/8',
    '10.1',
    '010.0.0.1',
    '0x0a.0.0.1',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '::/129',
    'fe80::1%eth0',
    'host',
    '',
  ])
    t.throws(() => parseRange(text), { code: 'invalid-request', message: new RegExp(`^'${text.replace(/[.%]/g, '.')}' is neither`) }, text);
});
