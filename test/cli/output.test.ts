import test from 'ava';
import { lasting, renderBox, renderTable } from '#core/cli/output.js';
import { clientCommand, renderSummary } from '#core/cli/summary.js';
import { futureTime, listsByPath, pastTime } from '#core/cli/values.js';
import { bytes } from '#core/printable.js';

test('a table escapes what could move the cursor, and aligns wide characters', t => {
  const rows = [{ name: 'a\x1b[2J\nb\u202e' }, { name: '漢字' }];
  const table = renderTable(rows, [
    { head: 'NAME', value: row => row.name },
    { head: 'N', value: () => 1 },
  ]);
  const lines = table.split('\n');
  t.is(lines.length, 3);
  t.true(lines[1]!.startsWith('a\\x1b[2J\\nb\\u{202e}'));
  t.is(lines[2], `漢字${' '.repeat(lines[1]!.length - 3 - 4)}  1`);
});

test('a long cell shifts its own row only, and spaces at the edges show', t => {
  const path = `/${'x'.repeat(254)}`;
  const [head, long, short, spaced] = renderTable(
    [{ path }, { path: '/a' }, { path: '/b ' }],
    [
      { head: 'PATH', value: row => row.path },
      { head: 'N', value: () => 1 },
    ],
  ).split('\n');
  t.deepEqual([head, long, short, spaced], ['PATH   N', `${path}  1`, '/a     1', '"/b "  1']);
});

test('a box is as wide as its longest line', t => {
  const widths = renderBox('Title', ['short', 'a much longer line'])
    .split('\n')
    .map(line => line.length);
  t.deepEqual(new Set(widths).size, 1);
});

test('the summary names addresses, fingerprints and what to do next', t => {
  const listener = { protocol: 'sftp', host: '::1', port: 2022, tls: false, fingerprints: ['ED25519 SHA256:abc'] };
  const text = renderSummary({ version: '1.2.3', listeners: [listener], facts: [['Data', '/data']], next: ['entrepot user add alice'] });
  for (const part of ['Entrepot 1.2.3', 'sftp://[::1]:2022', 'ED25519 SHA256:abc', '/data', 'entrepot user add alice'])
    t.true(text.includes(part), part);
  t.is(clientCommand(listener, 'alice'), 'sftp -P 2022 alice@::1');
  t.is(clientCommand({ ...listener, host: '0.0.0.0' }, 'alice'), 'sftp -P 2022 alice@localhost');
});

test('times are dates or durations, counted back or ahead', t => {
  t.is(pastTime('2026-03-01T12:00:00Z'), Date.UTC(2026, 2, 1, 12));
  t.true(Math.abs(Date.now() - 3_600_000 - pastTime('1h')) < 10_000);
  t.is(futureTime('never'), null);
  t.true(Math.abs(Date.now() + 90 * 86_400_000 - futureTime('90d')!) < 10_000);
  t.throws(() => pastTime('soon'));
  t.throws(() => futureTime('2026-13-40'));
});

test('lists by path are collected, empty where nothing stands after the sign', t => {
  t.deepEqual(listsByPath('/b=', listsByPath('/a=x, y', undefined)), { '/a': ['x', 'y'], '/b': [] });
  t.throws(() => listsByPath('a=x', undefined));
});

test('sizes and times are written with their unit', t => {
  t.deepEqual([0, 1023, 1536, 5 * 1024 ** 3].map(bytes), ['0 B', '1023 B', '1.5 KiB', '5.0 GiB']);
  t.deepEqual([12, 12_300, 240_000, 7_200_000, 400_000_000].map(lasting), ['12 ms', '12.3 s', '4 min', '2 h', '5 d']);
});
