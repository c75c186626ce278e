import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HubError } from '#core/api.js';
import { parseCertificate, UserCertificates } from '#protocols/sftp/certificates.js';
import { run } from '../../support/children.js';
import { Clients } from '../../support/clients.js';
import { tool } from '../../support/tools.js';
import { startSftp } from './support.js';

type Kind = 'ed25519' | 'rsa' | 'ecdsa';

interface Signing {
  readonly authority?: string;
  readonly principals?: string;
  readonly validity?: string;
  readonly options?: readonly string[];
  readonly more?: readonly string[];
}

/** A home with an authority 'ca', and what makes keys and certificates in it. */
async function authorities() {
  const clients = await Clients.create();
  const ca = await clients.makeKey('ca');
  let count = 0;
  return {
    clients,
    ca,
    /** A key with a certificate beside it; gives the file of the private key. */
    certified: async (kind: Kind = 'ed25519', signing: Signing = {}): Promise<string> => {
      const { authority = ca, principals = 'alice', validity = '-1d:+1d', options = [], more = [] } = signing;
      const key = await clients.makeKey(`key-${++count}`, kind);
      const names = principals === '' ? [] : ['-n', principals];
      const args = ['-q', '-s', authority, '-I', `id ${count}`, '-z', String(count), ...names, '-V', validity];
      const signed = await run(tool('ssh-keygen'), [...args, ...options.flatMap(option => ['-O', option]), ...more, `${key}.pub`]);
      if (signed.code !== 0) throw new Error(signed.output);
      return key;
    },
  };
}

async function logsIn(clients: Clients, port: number, keyFile: string): Promise<boolean> {
  const outcome = await clients.sftp({ port, user: 'alice', keyFile }, ['pwd'], [`-oCertificateFile=${keyFile}-cert.pub`]);
  return outcome.code === 0;
}

async function reasons(hub: { readonly events: readonly { readonly type: string; readonly data: unknown }[] }): Promise<unknown[]> {
  return hub.events.filter(({ type }) => type === 'login.failed').map(({ data }) => (data as { reason: string }).reason);
}

async function withHub(t: ExecutionContext, sftp: Readonly<Record<string, unknown>>) {
  return startSftp(t, { users: { alice: {}, bob: {} }, sftp });
}

test('logs in whom a trusted authority vouches for, with OpenSSH and each kind of key', async t => {
  const { clients, ca, certified } = await authorities();
  const rsaAuthority = await clients.makeKey('ca-rsa', 'rsa');
  const ecdsaAuthority = await clients.makeKey('ca-ecdsa', 'ecdsa');
  const hub = await withHub(t, { trustedUserCaKeys: [`${ca}.pub`, `${rsaAuthority}.pub`, `${ecdsaAuthority}.pub`] });
  const port = hub.port('sftp');
  for (const kind of ['ed25519', 'rsa', 'ecdsa'] as const) t.true(await logsIn(clients, port, await certified(kind)), kind);
  for (const authority of [rsaAuthority, ecdsaAuthority]) t.true(await logsIn(clients, port, await certified('ed25519', { authority })));
  t.true(await logsIn(clients, port, await certified('ed25519', { options: ['source-address=127.0.0.0/8'] })));
  t.is(
    hub.events.filter(({ type, data }) => type === 'login.succeeded' && 'method' in data && data.method === 'ssh-certificate').length,
    6,
  );
  t.deepEqual(await reasons(hub), []);
});

test('refuses certificates that do not hold', async t => {
  const { clients, ca, certified } = await authorities();
  const stranger = await clients.makeKey('stranger');
  const weak = await clients.makeKey('weak');
  const hub = await withHub(t, { trustedUserCaKeys: [`${ca}.pub`] });
  const refused: readonly (readonly [string, Signing])[] = [
    ['an authority that is not trusted', { authority: stranger }],
    ['another principal', { principals: 'bob,carol' }],
    ['no principal', { principals: '' }],
    ['expired', { validity: '-2d:-1d' }],
    ['not yet valid', { validity: '+1d:+2d' }],
    ['another address', { options: ['source-address=192.0.2.0/24'] }],
    ['a forced command', { options: ['force-command=/bin/true'] }],
    ['an unknown critical option', { options: ['critical:verify@example.com=x'] }],
    ['a host certificate', { more: ['-h'] }],
  ];
  for (const [what, signing] of refused) t.false(await logsIn(clients, hub.port('sftp'), await certified('ed25519', signing)), what);
  t.false(hub.events.some(({ type }) => type === 'login.succeeded'));
  t.false(await logsIn(clients, hub.port('sftp'), weak));
});

test('a certificate without its key logs nobody in, nor does one that was changed', async t => {
  const { clients, ca, certified } = await authorities();
  const key = await certified();
  const { readFile } = await import('node:fs/promises');
  const [, base64 = ''] = (await readFile(`${key}-cert.pub`, 'utf8')).split(' ');
  const blob = Buffer.from(base64, 'base64');
  const certificates = await UserCertificates.load({ trustedUserCaKeys: [await readFile(`${ca}.pub`, 'utf8')] }, clients.home);
  t.like(await certificates.check(parseCertificate(blob), '127.0.0.1'), { kind: 'ssh-certificate', principals: ['alice'], serial: '1' });
  for (const [from, to] of [
    ['alice', 'root!'],
    ['id 1', 'id 2'],
  ] as const) {
    const changed = Buffer.from(blob.toString('latin1').replace(from, to), 'latin1');
    await t.throwsAsync(certificates.check(parseCertificate(changed), '127.0.0.1'), {
      message: 'The signature of the certificate is wrong',
    });
  }
  for (let length = 0; length < blob.length; length++)
    t.throws(() => parseCertificate(blob.subarray(0, length)), { instanceOf: HubError }, `cut off at ${length}`);
  // Another private key beside the same certificate.
  const other = await clients.makeKey('other');
  await writeFile(`${other}-cert.pub`, await readFile(`${key}-cert.pub`));
  const hub = await withHub(t, { trustedUserCaKeys: [`${ca}.pub`] });
  t.false(await logsIn(clients, hub.port('sftp'), other));
});

test('revokes by serial, by name and by key, without a restart', async t => {
  const { clients, ca, certified } = await authorities();
  const list = join(clients.home, 'revoked');
  await writeFile(list, '# nobody yet\n');
  const hub = await withHub(t, { trustedUserCaKeys: [`${ca}.pub`], revokedCertificates: list });
  const port = hub.port('sftp');
  const keys = [await certified(), await certified(), await certified(), await certified()];
  for (const key of keys) t.true(await logsIn(clients, port, key));
  const fingerprint = /SHA256:\S+/.exec((await run(tool('ssh-keygen'), ['-lf', `${keys[2]}.pub`])).stdout)?.[0];
  await writeFile(list, `serial: 1\nid: id 2\n${fingerprint}\nserial: 100 - 200\n`);
  for (const [index, key] of keys.entries()) t.is(await logsIn(clients, port, key), index === 3, `key ${index + 1}`);
  await writeFile(list, 'serial: everything\n');
  t.false(await logsIn(clients, port, keys[3]!), 'a list that cannot be read revokes all');
});

test('names what is wrong with the authorities and the list at the start', async t => {
  const { clients } = await authorities();
  await writeFile(join(clients.home, 'bad'), 'not a key\n');
  await t.throwsAsync(withHub(t, { trustedUserCaKeys: [join(clients.home, 'bad')] }), {
    code: 'invalid-request',
    message: /trustedUserCaKeys.*not a key/,
  });
  await t.throwsAsync(withHub(t, { trustedUserCaKeys: [join(clients.home, 'none')] }), {
    code: 'not-found',
    message: /none cannot be read/,
  });
  await t.throwsAsync(withHub(t, { revokedCertificates: join(clients.home, 'bad') }), {
    code: 'invalid-request',
    message: /revoked.*not a key/,
  });
});
