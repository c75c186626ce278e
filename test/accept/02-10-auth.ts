import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Outcome, run, until } from '../support/children.js';
import { Clients } from '../support/clients.js';
import { HubProcess } from '../support/hub-process.js';
import { tool } from '../support/tools.js';
import type { AcceptScript, Report } from './script.js';

const PASSWORD = 'secret';

interface Hall {
  readonly hub: HubProcess;
  readonly clients: Clients;
  /** Who asks for a certificate: its key file, made with `options` of ssh-keygen. */
  certified(options: readonly string[], authority?: string): Promise<string>;
  readonly revoked: string;
}

const script: AcceptScript = {
  id: '02.10',
  title: 'OpenSSH logs in by every method that holds, and by none that does not',
  async run(report) {
    const clients = await Clients.create();
    const ca = await clients.makeKey('ca');
    const revoked = join(clients.home, 'revoked');
    await writeFile(revoked, '');
    const env = {
      ENTREPOT_PROTOCOLS__SFTP__TRUSTED_USER_CA_KEYS: JSON.stringify([`${ca}.pub`]),
      ENTREPOT_PROTOCOLS__SFTP__REVOKED_CERTIFICATES: revoked,
      // The failures of these rows are not what bans.
      ENTREPOT_DEFENCE__FAILURES: '1000',
      ENTREPOT_DEFENCE__DELAY: '50ms',
    };
    const hub = await HubProcess.start({ env });
    let count = 0;
    const certified = async (options: readonly string[], authority = ca) => {
      const key = await clients.makeKey(`certified-${++count}`);
      const signed = await run(tool('ssh-keygen'), [
        '-q',
        '-s',
        authority,
        '-I',
        `id-${count}`,
        '-z',
        String(count),
        ...options,
        `${key}.pub`,
      ]);
      assert.equal(signed.code, 0, signed.output);
      return key;
    };
    const hall: Hall = { hub, clients, certified, revoked };
    await hub.addUser('alice', PASSWORD);
    await single(report, hall);
    await several(report, hall);
    await certificates(report, hall);
    await accounts(report, hall);
    await hostKeys(report, hall);
    await hub.stop();
    await penalties(report, hall);
  },
};

/** Runs OpenSSH's sftp with exactly these methods and keys. */
function logIn({ hub, clients }: Hall, user: string, methods: string, keys: readonly string[] = [], password = PASSWORD): Promise<Outcome> {
  const options = [
    'BatchMode=no',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'NumberOfPasswordPrompts=1',
  ];
  const all = [...options, `PreferredAuthentications=${methods}`, 'IdentitiesOnly=yes', ...keys.map(key => `IdentityFile=${key}`)];
  const args = ['-F', '/dev/null', ...all.flatMap(option => ['-o', option]), '-b', '-', '-P', String(hub.port), `${user}@127.0.0.1`];
  return run(tool('sftp'), args, { input: 'pwd\n', env: clients.environment({ password }), timeoutMs: 60_000 });
}

async function expect(report: Report, what: string, login: Promise<Outcome>, allowed: boolean): Promise<void> {
  await report.check(`${allowed ? 'in: ' : 'out: '}${what}`, async () => {
    const { code, output } = await login;
    assert.equal(code === 0, allowed, output);
    if (!allowed) assert.match(output, /Permission denied|Connection (closed|reset)/, output);
  });
}

async function single(report: Report, hall: Hall): Promise<void> {
  await expect(report, 'password', logIn(hall, 'alice', 'password'), true);
  await expect(report, 'keyboard-interactive', logIn(hall, 'alice', 'keyboard-interactive'), true);
  await expect(report, 'a wrong password', logIn(hall, 'alice', 'password', [], 'wrong'), false);
  await expect(report, 'a wrong answer', logIn(hall, 'alice', 'keyboard-interactive', [], 'wrong'), false);
  await expect(report, 'an unknown user', logIn(hall, 'nobody', 'password'), false);
  for (const kind of ['ed25519', 'ecdsa', 'rsa'] as const) {
    const key = await hall.clients.makeKey(`plain-${kind}`, kind);
    await expect(report, `an unknown ${kind} key`, logIn(hall, 'alice', 'publickey', [key]), false);
    await hall.hub.json(['user', 'key', 'add', 'alice', `${key}.pub`]);
    await expect(report, `a ${kind} key`, logIn(hall, 'alice', 'publickey', [key]), true);
  }
  await report.check('RSA under 2,048 bits is not taken into the records', async () => {
    const weak = join(hall.clients.home, 'weak');
    await run(tool('ssh-keygen'), ['-q', '-t', 'rsa', '-b', '1024', '-N', '', '-f', weak]);
    const added = await hall.hub.cli(['user', 'key', 'add', 'alice', `${weak}.pub`]);
    assert.equal(added.code, 1);
    assert.match(added.output, /at least 2048 bits/);
  });
}

async function several(report: Report, hall: Hall): Promise<void> {
  await hall.hub.addUser('both', PASSWORD);
  const [key, other] = [await hall.clients.makeKey('both'), await hall.clients.makeKey('both-other')];
  await hall.hub.json(['user', 'key', 'add', 'both', `${key}.pub`]);
  await hall.hub.json(['user', 'set', 'both', '--method', 'publickey+password']);
  await expect(report, 'key, then password', logIn(hall, 'both', 'publickey,password', [key]), true);
  await expect(report, 'key, then keyboard-interactive', logIn(hall, 'both', 'publickey,keyboard-interactive', [key]), true);
  await expect(report, 'only the key of two proofs', logIn(hall, 'both', 'publickey', [key]), false);
  await expect(report, 'only the password of two proofs', logIn(hall, 'both', 'password'), false);
  await expect(report, 'the key, and a wrong password', logIn(hall, 'both', 'publickey,password', [key], 'wrong'), false);
  await expect(report, 'another key, then the password', logIn(hall, 'both', 'publickey,password', [other]), false);
  await hall.hub.json(['user', 'set', 'both', '--method', 'publickey']);
  await expect(report, 'the key where only keys count', logIn(hall, 'both', 'publickey', [key]), true);
  await expect(report, 'the password where only keys count', logIn(hall, 'both', 'password'), false);
}

async function certificates(report: Report, hall: Hall): Promise<void> {
  const stranger = await hall.clients.makeKey('stranger');
  const rows: readonly (readonly [what: string, allowed: boolean, options: readonly string[], authority?: string])[] = [
    ['a certificate', true, ['-n', 'alice,bob']],
    ['a certificate for this address', true, ['-n', 'alice', '-O', 'source-address=127.0.0.0/8']],
    ['a certificate for another address', false, ['-n', 'alice', '-O', 'source-address=192.0.2.0/24']],
    ['a certificate with a forced command', false, ['-n', 'alice', '-O', 'force-command=/bin/true']],
    ['a certificate for another user', false, ['-n', 'bob']],
    ['a certificate for nobody', false, []],
    ['an expired certificate', false, ['-n', 'alice', '-V', '-2d:-1d']],
    ['a certificate of another authority', false, ['-n', 'alice'], stranger],
  ];
  for (const [what, allowed, options, authority] of rows)
    await expect(report, what, logIn(hall, 'alice', 'publickey', [await hall.certified(options, authority)]), allowed);
  const key = await hall.certified(['-n', 'alice']);
  await expect(report, 'a certificate before it is revoked', logIn(hall, 'alice', 'publickey', [key]), true);
  await writeFile(hall.revoked, `serial: ${rows.length + 1}\n`);
  await expect(report, 'a revoked certificate', logIn(hall, 'alice', 'publickey', [key]), false);
}

async function accounts(report: Report, hall: Hall): Promise<void> {
  const rows: readonly (readonly [what: string, set: readonly string[], allowed: boolean])[] = [
    ['from an address that the user may use', ['--addresses', '127.0.0.0/8'], true],
    ['from another address', ['--addresses', '192.0.2.0/24'], false],
    ['by a protocol that the user may use', ['--addresses', 'all', '--protocols', 'sftp'], true],
    ['a disabled user', ['--status', 'disabled'], false],
  ];
  for (const [what, set, allowed] of rows) {
    await hall.hub.json(['user', 'set', 'alice', ...set]);
    await expect(report, what, logIn(hall, 'alice', 'password'), allowed);
  }
}

async function hostKeys(report: Report, { hub }: Hall): Promise<void> {
  const scan = async () => (await run(tool('ssh-keyscan'), ['-p', String(hub.port), '-t', 'ed25519', '127.0.0.1'])).stdout;
  await report.check('ssh-keyscan sees a rotated host key without a restart, and the old one is kept', async () => {
    const next = await hub.json<{ publicKey: string }>(['hostkey', 'add', 'ed25519']);
    assert.ok(!(await scan()).includes(next.publicKey), 'it is offered before the rotation');
    await hub.json(['hostkey', 'rotate', 'ed25519']);
    await until('the new key is offered', async () => (await scan()).includes(next.publicKey));
    const listed = await hub.json<{ kind: string; state: string }[]>(['hostkey', 'list']);
    assert.deepEqual(
      listed.filter(({ kind }) => kind === 'ed25519').map(({ state }) => state),
      ['offered', 'old'],
    );
  });
}

/** A hub of its own, on its defaults. */
async function penalties(report: Report, { clients }: Hall): Promise<void> {
  let hub = await HubProcess.start();
  await hub.addUser('alice', PASSWORD);
  const hall = () => ({ hub, clients, certified: () => Promise.reject(new Error('no authority')), revoked: '' });
  for (let i = 0; i < 9; i++) await logIn(hall(), 'alice', 'password', [], 'wrong');
  await expect(report, 'the right password after nine wrong ones', logIn(hall(), 'alice', 'password'), true);
  for (let i = 0; i < 6; i++) await logIn(hall(), 'alice', 'password', [], 'wrong');
  await expect(report, 'the right password after fifteen wrong ones', logIn(hall(), 'alice', 'password'), false);
  const { dataDirectory } = hub;
  await hub.kill();
  hub = await HubProcess.start({ dataDirectory });
  await expect(report, 'the same after the hub was killed and started anew', logIn(hall(), 'alice', 'password'), false);
  await report.check('each refusal is one line with its reason', async () => {
    assert.match(hub.log, /"remoteAddress":"127\.0\.0\.1".*Too many failed logins from this address/);
  });
  await report.check('`ban list` shows it, `ban lift` ends it', async () => {
    const listed = await hub.json<{ subject: string }[]>(['ban', 'list']);
    assert.deepEqual(
      listed.map(({ subject }) => subject),
      ['127.0.0.1'],
    );
    await hub.json(['ban', 'lift', '127.0.0.1']);
  });
  await expect(report, 'the right password once the ban is lifted', logIn(hall(), 'alice', 'password'), true);
  await hub.stop();
}

export default script;
