import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { examinePair } from '#core/tls/examine.js';
import { matching } from '#core/tls/names.js';
import { readPair } from '#core/tls/pair.js';
import { isName, makeSelfSigned, writeSelfSigned } from '#core/tls/self-signed.js';
import { temporaryFolder } from '../../support/children.js';
import { openssl, pem } from './support.js';

const DAY_MS = 86_400_000;

async function fileOf(text: string): Promise<string> {
  const file = join(await temporaryFolder('pair'), 'pair.pem');
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

test('openssl reads what the hub made as it was meant', async t => {
  const names = ['files.example.com', '*.example.org', '192.0.2.1', '2001:db8::7', '::ffff:192.0.2.9'];
  const notAfter = new Date('2061-02-03T04:05:06Z');
  const file = await fileOf(await makeSelfSigned({ names, notBefore: new Date('2026-01-02T03:04:05Z'), notAfter }));
  const text = await openssl('/', 'x509', '-in', file, '-noout', '-text');
  t.regex(text, /Version: 3/);
  t.regex(text, /Not Before: Jan {2}2 03:04:05 2026 GMT/);
  t.regex(text, /Not After : Feb {2}3 04:05:06 2061 GMT/);
  t.regex(text, /Subject: CN = files\.example\.com/);
  t.regex(
    text,
    /DNS:files\.example\.com, DNS:\*\.example\.org, IP Address:192\.0\.2\.1, IP Address:2001:DB8:0:0:0:0:0:7, IP Address:0:0:0:0:0:FFFF:C000:209/,
  );
  t.regex(text, /Public-Key: \(256 bit\)/);
  t.regex(text, /X509v3 Key Usage: critical\s+Digital Signature$/m);
  t.regex(text, /TLS Web Server Authentication/);
  t.regex(await openssl('/', 'verify', '-CAfile', file, '-purpose', 'sslserver', '-verify_hostname', 'a.example.org', file), /OK/);
  const pair = await readPair({ certificate: file, key: file });
  t.deepEqual(pair.names, ['files.example.com', '*.example.org']);
  t.is(pair.notAfter.getTime(), notAfter.getTime());
  t.is(pair.keyType, 'ec');
});

test('a certificate is for names and addresses only', async t => {
  for (const name of ['a', 'a.b-c.example', '*.example.com', '10.0.0.1', '::1', 'xn--bcher-kva.example']) t.true(isName(name), name);
  for (const name of ['', '.', 'a..b', '*.*.example', 'a*.example', 'bücher.example', '-a', 'a b', 'a\n', `${'a'.repeat(64)}.example`])
    t.false(isName(name), name);
  await t.throwsAsync(makeSelfSigned({ names: ['a', 'b/c'], notBefore: new Date(), notAfter: new Date() }), {
    code: 'invalid-request',
    message: /'b\/c'/,
  });
  await t.throwsAsync(makeSelfSigned({ names: [], notBefore: new Date(), notAfter: new Date() }), { code: 'invalid-request' });
});

test('names are found exactly, or by a wildcard for their first label', t => {
  const all = [{ names: ['a.example', '*.b.example'] }, { names: ['*.example'] }, { names: ['c.b.example'] }];
  const found = (name: string) => matching(all, name).map(entry => all.indexOf(entry));
  t.deepEqual(found('a.example'), [0]);
  t.deepEqual(found('A.EXAMPLE.'), [0]);
  t.deepEqual(found('x.example'), [1]);
  t.deepEqual(found('c.b.example'), [2]);
  t.deepEqual(found('d.b.example'), [0]);
  t.deepEqual(found('e.d.b.example'), []);
  t.deepEqual(found('example'), []);
  t.deepEqual(found('*.example'), [1]);
});

test('administrators are told what is wrong with files, and when they end', async t => {
  const result = async (text: string, mode?: number) => {
    const file = await fileOf(text);
    if (mode) await writeFile(file, text, { mode });
    const { result: found, detail } = await examinePair({ certificate: file, key: file }, 30 * DAY_MS);
    return `${found}: ${detail.replace(file, 'FILE')}`;
  };
  t.regex(await result(await pem(['a'])), /^ok: valid until \d{4}-\d\d-\d\d, signed by itself/);
  t.regex(await result(await pem(['a'], 10.5)), /^warn: valid until .*: 10 days left, signed by itself/);
  t.regex(await result(await pem(['a'], -0.5)), /^fail: The certificate in FILE expired on/);
  t.regex(await result('x'), /^fail: FILE holds no certificate/);
  const locked = join(await temporaryFolder('locked'), 'locked.key');
  await openssl(
    '/',
    'genpkey',
    '-algorithm',
    'EC',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-aes256',
    '-pass',
    'pass:secret',
    '-out',
    locked,
  );
  const text = await pem(['a']);
  t.regex(await result(text.slice(0, text.indexOf('-----BEGIN PRIVATE')) + (await readFile(locked, 'utf8'))), /protected by a password/);
  const open = join(await temporaryFolder('open'), 'open.pem');
  await writeFile(open, text, { mode: 0o644 });
  t.regex((await examinePair({ certificate: open, key: open }, 0)).detail, /chmod 600/);
});

test('a new self-signed certificate replaces the last one, and leaves nothing else behind', async t => {
  const file = join(await temporaryFolder('own'), 'tls', 'self-signed.pem');
  await writeSelfSigned(file, ['one']);
  await writeSelfSigned(file, ['two']);
  t.deepEqual((await readPair({ certificate: file, key: file })).names, ['two']);
  t.deepEqual(await openssl('/', 'x509', '-in', file, '-noout', '-subject'), 'subject=CN = two\n');
});
