import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import test from 'ava';
import { parsePublicKey } from '#core/db/public-keys.js';
import { stringField } from '#protocols/sftp/packets.js';
import { isSignedBy } from '#protocols/sftp/signatures.js';

const DATA = Buffer.from('what is signed');
const APPLICATION = 'ssh:';

function rsa(bits: number): { readonly blob: Buffer; readonly key: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const number = (text: string) => stringField(Buffer.concat([Buffer.of(0), Buffer.from(text, 'base64url')]));
  return { blob: Buffer.concat([stringField('ssh-rsa'), number(e), number(n)]), key: privateKey };
}

const signature = (algorithm: string, bytes: Buffer, ...tail: readonly Buffer[]) =>
  Buffer.concat([stringField(algorithm), stringField(bytes), ...tail]);

test('takes RSA with SHA-2 from 2,048 bits on, and neither SHA-1 nor shorter keys', t => {
  const good = rsa(2048);
  t.true(isSignedBy(good.blob, signature('rsa-sha2-256', sign('sha256', DATA, good.key)), DATA));
  t.true(isSignedBy(good.blob, signature('rsa-sha2-512', sign('sha512', DATA, good.key)), DATA));
  t.false(isSignedBy(good.blob, signature('rsa-sha2-512', sign('sha256', DATA, good.key)), DATA));
  t.false(isSignedBy(good.blob, signature('ssh-rsa', sign('sha1', DATA, good.key)), DATA));
  t.false(isSignedBy(good.blob, signature('rsa-sha2-256', sign('sha256', DATA, good.key), Buffer.of(0)), DATA), 'bytes after it');
  const short = rsa(1024);
  t.false(isSignedBy(short.blob, signature('rsa-sha2-256', sign('sha256', DATA, short.key)), DATA));
});

test('takes a security key that was touched, and what it signed only', t => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const algorithm = 'sk-ssh-ed25519@openssh.com';
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = Buffer.concat([stringField(algorithm), stringField(point), stringField(APPLICATION)]);
  const signed = (flags: number, application = APPLICATION) => {
    const tail = Buffer.of(flags, 0, 0, 0, 7);
    const hash = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest();
    return signature(algorithm, sign(null, Buffer.concat([hash(application), tail, hash(DATA)]), privateKey), tail);
  };
  t.is(parsePublicKey(`${algorithm} ${blob.toString('base64')} token`).algorithm, algorithm, 'the records take it');
  t.true(isSignedBy(blob, signed(1), DATA));
  t.false(isSignedBy(blob, signed(0), DATA), 'nobody touched it');
  t.false(isSignedBy(blob, signed(1, 'ssh:other'), DATA));
  t.false(isSignedBy(blob, signed(1), Buffer.from('something else')));
  t.false(isSignedBy(blob, signed(1).subarray(0, -1), DATA));
});

test('takes an ECDSA security key', t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const blob = Buffer.concat([stringField(algorithm), stringField('nistp256'), stringField(point), stringField(APPLICATION)]);
  const tail = Buffer.of(5, 0, 0, 1, 0);
  const hash = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest();
  const message = Buffer.concat([hash(APPLICATION), tail, hash(DATA)]);
  const pair = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const number = (bytes: Buffer) => stringField(Buffer.concat([Buffer.of(0), bytes]));
  const bytes = Buffer.concat([number(pair.subarray(0, 32)), number(pair.subarray(32))]);
  t.is(parsePublicKey(`${algorithm} ${blob.toString('base64')}`).algorithm, algorithm, 'the records take it');
  t.true(isSignedBy(blob, signature(algorithm, bytes, tail), DATA));
  t.false(isSignedBy(blob, signature('ecdsa-sha2-nistp256', bytes, tail), DATA), 'the name of another algorithm');
  for (const broken of [Buffer.alloc(0), Buffer.from('junk'), signature(algorithm, Buffer.alloc(3), tail)])
    t.false(isSignedBy(blob, broken, DATA));
  t.false(isSignedBy(Buffer.from('junk'), signature(algorithm, bytes, tail), DATA));
});
