import test from 'ava';
import { logIn, startFtpHub } from './support.js';

test('works with directories and files as RFC 959 says, quotes and spaces in their names', async t => {
  const client = await logIn(t, await startFtpHub(t));
  const code = async (line: string) => (await client.command(line)).code;
  t.is((await client.command('MKD a "b" c')).text, '257 "/a ""b"" c" created');
  t.is((await client.command('MKD a "b" c')).code, 550);
  t.is(await code('CWD a "b" c'), 250);
  t.is((await client.command('PWD')).text, '257 "/a ""b"" c" is the current directory');
  t.is(await code('CDUP'), 250);
  t.is(await code('CWD nowhere'), 550);
  t.is((await client.send('STOR  leading', 'x')).code, 226);
  t.is((await client.command('SIZE  leading')).text, '213 1');
  t.is(await code('RNFR nothing'), 550);
  t.is(await code('RNTO nothing'), 503);
  t.is(await code('RNFR  leading'), 350);
  t.is(await code('NOOP'), 200);
  t.is(await code('RNTO moved'), 503);
  t.is(await code('RNFR  leading'), 350);
  t.is(await code('RNTO a "b" c/moved'), 250);
  t.is(await code('RMD a "b" c'), 550);
  t.is(await code('DELE a "b" c'), 550);
  t.is(await code('DELE a "b" c/moved'), 250);
  t.is(await code('RMD a "b" c'), 250);
  t.is(await code('CWD ..'), 250);
  t.is((await client.command('PWD')).text, '257 "/" is the current directory');
});

test('announces what it can, and only that', async t => {
  const client = await logIn(t, await startFtpHub(t));
  const { lines } = await client.command('FEAT');
  for (const feature of ['AUTH TLS', 'PBSZ', 'PROT', 'UTF8', 'SIZE', 'MDTM', 'MFMT', 'REST STREAM', 'EPSV', 'HOST'])
    t.true(lines.includes(` ${feature}`), feature);
  t.false(lines.includes(' EPRT'));
  t.is((await client.command('OPTS MLST size;nonsense;')).text, '200 MLST OPTS size;');
  t.true((await client.command('FEAT')).lines.some(line => line.startsWith(' MLST type;size*;')));
  t.is((await client.command('OPTS UTF8 ON')).code, 200);
  t.is((await client.command('OPTS UTF8 OFF')).code, 504);
  t.is((await client.command('OPTS PASV x')).code, 501);
  t.is((await client.command('HELP stor')).code, 214);
  t.is((await client.command('SYST')).text, '215 UNIX Type: L8');
  for (const [line, code] of [
    ['MODE S', 200],
    ['MODE B', 504],
    ['STRU F', 200],
    ['STRU R', 504],
    ['ALLO 10', 202],
    ['TYPE E', 504],
    ['TYPE L 8', 200],
    ['TYPE X', 501],
    ['LANG de', 504],
    ['CCC', 534],
    ['XYZW', 500],
  ] as const)
    t.is((await client.command(line)).code, code, line);
});

test('lists in four ways, the same entries in each', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.command('MKD d');
  for (const name of ['a.txt', 'b.txt', 'c.bin']) await client.send(`STOR d/${name}`, name);
  const lines = async (command: string) => (await client.fetch(command)).data.toString().split('\r\n').filter(Boolean).sort();
  t.deepEqual(await lines('NLST d'), ['d/a.txt', 'd/b.txt', 'd/c.bin']);
  t.deepEqual(await lines('NLST d/*.txt'), ['d/a.txt', 'd/b.txt']);
  t.deepEqual(await lines('NLST d/a.txt'), ['d/a.txt']);
  t.is((await lines('LIST -la d')).length, 3);
  t.regex((await lines('LIST d/a.txt'))[0]!, /^-rw.* 5 .* a\.txt$/);
  t.regex((await lines('MLSD d'))[0]!, /^type=file;size=5;modify=\d{14};.* a\.txt$/);
  t.is((await client.fetch('MLSD d/a.txt')).reply.code, 550);
  t.is((await client.fetch('LIST nowhere')).reply.code, 550);
  t.is((await client.fetch('NLST *.nothing')).data.length, 0);
  const facts = await client.command('MLST d/a.txt');
  t.regex(facts.lines[1]!, /^ type=file;size=5;.* \/d\/a\.txt$/);
  t.is((await client.command('STAT d')).lines.length, 5);
});

test('tells digests, times and free space', async t => {
  const client = await logIn(t, await startFtpHub(t));
  await client.send('STOR f', 'hello world');
  t.is((await client.command('HASH f')).text, '213 SHA-256 0-11 b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9 f');
  t.is((await client.command('OPTS HASH MD5')).text, '200 MD5');
  t.is((await client.command('HASH f')).text, '213 MD5 0-11 5eb63bbbe01eeed093cb22bb8f5acdc3 f');
  t.is((await client.command('XMD5 "f" 0 5')).text, '250 5D41402ABC4B2A76B9719D911017C592');
  t.is((await client.command('XSHA1 nothing')).code, 550);
  t.is((await client.command('MFMT 20200102030405 f')).code, 213);
  t.is((await client.command('MDTM f')).text, '213 20200102030405');
  t.is((await client.command('MDTM 20210102030405 f')).code, 213);
  t.is((await client.command('MFF modify=20220102030405;unix.mode=0600; f')).code, 213);
  t.regex((await client.command('MLST f')).text, /modify=20220102030405;unix\.mode=0600;/);
  t.is((await client.command('MFCT 20200102030405 f')).code, 504);
  t.is((await client.command('AVBL')).code, 213);
});

test('changes modes, times and links by SITE where the rights allow it', async t => {
  const hub = await startFtpHub(t, {}, { storage: 'disk' });
  const client = await logIn(t, hub);
  await client.send('STOR f', 'x');
  t.is((await client.command('SITE CHMOD 600 f')).code, 200);
  t.is((await client.command('SITE UTIME 20200102030405 f')).code, 200);
  t.is((await client.command('SITE UTIME f 20200102030405 20210102030405 20210102030405 UTC')).code, 200);
  t.is((await client.command('MDTM f')).text, '213 20210102030405');
  t.is((await client.command('SITE SYMLINK f l')).code, 200);
  t.is((await client.command('SITE SYMLINK ../../etc/passwd m')).code, 200);
  t.is((await client.command('SIZE m')).code, 550);
  t.is((await client.command('SITE CHMOD 999 f')).code, 501);
  t.is((await client.command('SITE EXEC ls')).code, 504);
});

test('refuses by the rights of the user', async t => {
  const users = { alice: { password: 'correct horse', permissions: { '/': ['list' as const] } } };
  const client = await logIn(t, await startFtpHub(t, {}, { users }));
  for (const line of ['MKD d', 'DELE f', 'RNFR f', 'SITE CHMOD 600 f', 'MFMT 20200101000000 f'])
    t.is((await client.command(line)).code, 550, line);
  t.is((await client.send('STOR f', 'x')).code, 550);
  t.is((await client.fetch('RETR f')).reply.code, 550);
  t.is((await client.fetch('LIST')).reply.code, 226);
});

test('sends texts with CRLF, and stores them without', async t => {
  const client = await logIn(t, await startFtpHub(t));
  t.is((await client.command('TYPE A')).code, 200);
  t.is((await client.send('STOR t', 'a\r\nb\r\n\r')).code, 226);
  t.is((await client.command('SIZE t')).code, 550);
  t.is((await client.command('REST 2')).code, 504);
  t.is((await client.fetch('RETR t')).data.toString(), 'a\r\nb\r\n\r');
  await client.command('TYPE I');
  t.is((await client.fetch('RETR t')).data.toString(), 'a\nb\n\r');
});
