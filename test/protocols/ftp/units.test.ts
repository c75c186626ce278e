import test from 'ava';
import { HubError } from '#core/api.js';
import { FromNetwork, ToNetwork } from '#protocols/ftp/ascii.js';
import { COMMANDS } from '#protocols/ftp/commands.js';
import { parseExtendedPort, parsePort } from '#protocols/ftp/data-port.js';
import { ALL_FACTS, listLine, machineLine, parseTimeVal, timeVal } from '#protocols/ftp/facts.js';
import { LineReader } from '#protocols/ftp/line-reader.js';
import { ftpOptions } from '#protocols/ftp/options.js';
import { failureReply, layOut } from '#protocols/ftp/replies.js';

const texts = (lines: readonly Buffer[]) => lines.map(line => line.toString('latin1'));

test('cuts lines wherever the network did', t => {
  const reader = new LineReader();
  t.deepEqual(texts(reader.push(Buffer.from('NOOP\r\nUS'))), ['NOOP']);
  t.deepEqual(texts(reader.push(Buffer.from('ER a'))), []);
  t.deepEqual(texts(reader.push(Buffer.from(' b\nQUIT\r\n\r'))), ['USER a b', 'QUIT']);
  t.deepEqual(texts(reader.push(Buffer.from('\n'))), ['']);
});

test('keeps a CR that ends no line, and refuses a line without end', t => {
  const reader = new LineReader();
  t.deepEqual(texts(reader.push(Buffer.from('MKD a\rb\r\r\n'))), ['MKD a\rb\r']);
  t.throws(() => reader.push(Buffer.alloc(9_000, 65)), { code: 'invalid-request' });
});

test('passes telnet over, also where the kernel kept its last byte', t => {
  const read = (bytes: number[]) => texts(new LineReader().push(Buffer.concat([Buffer.from(bytes), Buffer.from('ABOR\r\n')])));
  t.deepEqual(read([0xff, 0xf4, 0xff, 0xf2]), ['ABOR']);
  t.deepEqual(read([0xff, 0xf4, 0xff]), ['ABOR']);
  t.deepEqual(read([0xff, 0xfd, 0x03]), ['ABOR']);
  t.deepEqual(read([0xff, 0xff]), ['\xffABOR']);
});

test('turns line ends in texts around, also between two chunks', t => {
  const out = new ToNetwork();
  t.is(['a\nb\r', '\nc\n', 'd'].map(text => out.convert(Buffer.from(text)).toString()).join(''), 'a\r\nb\r\nc\r\nd');
  const back = new FromNetwork();
  t.is(
    ['a\r\nb\r', '\nc\rd\r\r', '\n\r'].map(text => back.convert(Buffer.from(text)).toString()).join('') + back.end(),
    'a\nb\nc\rd\r\n\r',
  );
});

test('writes replies of several lines so that nothing in them ends one', t => {
  t.is(layOut([211, 'Start', ' a', '211 b', 'End']), '211-Start\r\n a\r\n 211 b\r\n211 End\r\n');
  t.is(layOut([257, '"a\r\n230 b"']), '257 "a??230 b"\r\n');
  t.is(layOut([226]), '226 Closing data connection\r\n');
});

test('has a reply for what goes wrong', t => {
  t.is(failureReply(new HubError('not-found', 'No such file'))[0], 550);
  t.is(failureReply(new HubError('quota-exceeded', 'Full'))[0], 552);
  t.is(failureReply(new HubError('aborted', 'Gone'))[0], 426);
});

test('reads and writes times in UTC', t => {
  t.is(timeVal(Date.UTC(2026, 10, 24, 17, 5, 9)), '20261124170509');
  t.is(parseTimeVal('20261124170509'), Date.UTC(2026, 10, 24, 17, 5, 9));
  t.is(parseTimeVal('20261124170509.25'), Date.UTC(2026, 10, 24, 17, 5, 9, 250));
  t.is(parseTimeVal('202611241705'), Date.UTC(2026, 10, 24, 17, 5));
  for (const wrong of ['', '2026', '20260230000000', '20261324000000', '2026112417050x'])
    t.throws(() => parseTimeVal(wrong), { code: 'invalid-request' });
});

test('lists as ls does, and for machines', t => {
  const now = Date.UTC(2026, 10, 24, 18);
  const file = { name: 'a b', type: 'file', size: 5, mtime: now - 60_000, mode: 0o640 } as const;
  t.is(listLine(file, now), '-rw-r-----   1 0        0                   5 Nov 24 17:59 a b');
  t.is(
    listLine({ ...file, type: 'directory', mtime: Date.UTC(2019, 0, 5) }, now),
    'drw-r-----   2 0        0                   5 Jan  5  2019 a b',
  );
  t.is(machineLine(file, ALL_FACTS), 'type=file;size=5;modify=20261124175900;unix.mode=0640; a b');
  t.is(machineLine({ ...file, type: 'directory' }, ['type', 'size']), 'type=dir; a b');
});

test('reads the addresses of PORT and EPRT', t => {
  t.deepEqual(parsePort('127,0,0,1,200,13'), { host: '127.0.0.1', port: 51_213 });
  t.deepEqual(parseExtendedPort('|2|::1|6446|'), { host: '::1', port: 6_446 });
  for (const wrong of ['1,2,3,4,5', '127,0,0,1,256,1', 'a,0,0,1,1,1']) t.throws(() => parsePort(wrong), { code: 'invalid-request' });
  t.throws(() => parseExtendedPort('|1|::1|6446|'), { code: 'invalid-request' });
  t.throws(() => parseExtendedPort('|3|x|6446|'), { code: 'unsupported' });
  for (const wrong of ['', '|1|1.2.3.4|99999|', '1.2.3.4']) t.throws(() => parseExtendedPort(wrong), { code: 'invalid-request' });
});

test('takes a range of ports that is worth having', t => {
  const ports = (text: string) => ftpOptions.parse({ passive: { ports: text } }).passive.ports;
  t.deepEqual(ports('50000-50010'), { first: 50_000, last: 50_010 });
  t.deepEqual(ports('any'), { first: 0, last: 0 });
  for (const wrong of ['50000', '50000-50003', '80-90', '60000-70000']) t.throws(() => ports(wrong));
});

test('answers every command that RFC 959, 2228, 2389, 2428, 3659 and 4217 ask for', t => {
  const wanted =
    'USER PASS ACCT REIN QUIT AUTH PBSZ PROT CCC FEAT OPTS SYST STAT HELP NOOP CLNT LANG PWD XPWD CWD XCWD CDUP XCUP MKD XMKD RMD XRMD LIST NLST MLSD MLST SIZE MDTM MFMT MFCT STOR STOU APPE RETR REST ALLO ABOR RNFR RNTO DELE PASV EPSV PORT EPRT TYPE MODE STRU HASH XMD5 XSHA1 XSHA256 XSHA512 AVBL SITE HOST';
  t.deepEqual(
    wanted.split(' ').filter(name => !COMMANDS.has(name)),
    [],
  );
});
