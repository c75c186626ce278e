import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parsePublicKey } from '#core/db/public-keys.js';
import { HubError } from '#core/errors.js';
import { temporaryDirectory } from './temporary-database.js';

const ED25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIKtP5danxzlErm+nHzi+1N+45lnZ/Gww4lSkosjP4x3V';
const string = (data: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, data.length >> 8, data.length & 255]), data]);
const line = (algorithm: string, ...fields: readonly Buffer[]): string =>
  `${algorithm} ${Buffer.concat([Buffer.from(algorithm), ...fields].map(string)).toString('base64')}`;

test("reads ssh-keygen's keys and computes its fingerprints", async t => {
  const directory = await temporaryDirectory(t);
  const kinds: readonly (readonly [string, string])[] = [
    ['ed25519', '256'],
    ['rsa', '2048'],
    ['ecdsa', '256'],
    ['ecdsa', '384'],
    ['ecdsa', '521'],
  ];
  for (const [kind, bits] of kinds) {
    const file = join(directory, kind + bits);
    execFileSync('ssh-keygen', ['-q', '-t', kind, '-b', bits, '-N', '', '-C', 'two words', '-f', file]);
    const key = parsePublicKey(readFileSync(`${file}.pub`, 'utf8'));
    t.is(execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' }).split(' ')[1], key.fingerprint);
    t.is(key.comment, 'two words');
    t.is(`${key.algorithm} ${key.data} two words\n`, readFileSync(`${file}.pub`, 'utf8'));
  }
});

test('reads a key without a comment', t => {
  t.like(parsePublicKey(`  ssh-ed25519\t${ED25519}\r\n`), { algorithm: 'ssh-ed25519', data: ED25519, comment: '' });
});

test('says what is wrong with a key', t => {
  const point = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]);
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /not supported/],
    ['-----BEGIN OPENSSH PRIVATE KEY-----', /not a public key/],
    [`ssh-dss ${ED25519}`, /DSA/],
    [`sk-ssh-ed25519@openssh.com ${ED25519}`, /damaged/],
    [`command="x" ssh-ed25519 ${ED25519}`, /Options/],
    [`no-pty,from="a b" ssh-ed25519 ${ED25519}`, /Options/],
    [`ssh-rsa ${ED25519}`, /damaged/],
    ['ssh-ed25519', /damaged/],
    [`ssh-ed25519 ${ED25519.slice(0, -4)}`, /damaged/],
    [`ssh-ed25519 ${ED25519}AAAA`, /damaged/],
    [`ssh-ed25519 !${ED25519}`, /damaged/],
    [`ssh-ed25519 ${ED25519} a\nssh-ed25519 ${ED25519}`, /damaged/],
    [
      line('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0]), Buffer.alloc(128, 0xff)])),
      /at least 2048 bits; this one has 1024/,
    ],
    [line('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.concat([Buffer.alloc(200), Buffer.alloc(128, 0xff)])), /has 1024/],
    [line('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(4_000, 0xff)), /damaged/],
    [line('ecdsa-sha2-nistp256', Buffer.from('nistp256'), point), /damaged/],
    [line('ecdsa-sha2-nistp384', Buffer.from('nistp256'), point), /damaged/],
  ];
  for (const [text, message] of wrong)
    t.throws(() => parsePublicKey(text), { instanceOf: HubError, code: 'invalid-request', message }, text);
});
