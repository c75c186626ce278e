import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { Client } from 'basic-ftp';
import ssh2 from 'ssh2';
import { codeOf, oldestCodeOf } from '../support/one-time-codes.js';
import { ADMIN_PASSWORD, type ApiClient, startWeb, type WebHub } from './support.js';

/** Turns the second factor on. The code of one step ago is used up by it. */
async function turnOn(t: ExecutionContext, client: ApiClient, password: string) {
  const begun = await client.post('/me/second-factor', { password });
  t.is(begun.status, 200);
  const secret = String(begun.body.secret);
  t.regex(String(begun.body.uri), /^otpauth:\/\/totp\/Entrepot:/);
  t.regex(String(begun.body.picture), /^<svg/);
  t.is((await client.post('/me/second-factor/confirm', { code: '000000' === codeOf(secret) ? '000001' : '000000' })).status, 400);
  const confirmed = await client.post('/me/second-factor/confirm', { code: await oldestCodeOf(secret) });
  t.is(confirmed.status, 200);
  return { secret, recovery: [...(confirmed.body.recoveryCodes as unknown as string[])] };
}

test('asks an admin and a user for a code on the web, takes each once, and recovery codes once', async t => {
  for (const [scope, name, password] of [
    ['admin', 'ada', ADMIN_PASSWORD],
    ['user', 'alice', 'pw'],
  ] as const) {
    const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { defence: { delay: '1ms' } } });
    const browser = await hub.loggedIn(scope, name, password);
    const other = await hub.loggedIn(scope, name, password);
    const { secret, recovery } = await turnOn(t, browser, password);
    t.is((await other.get('/session')).status, 401);
    t.like((await browser.get('/session')).body, { secondFactor: true });
    const login = (code?: string, given: string = password) =>
      hub.browser().post('/session', { scope, username: name, password: given, ...(code !== undefined && { code }) });
    t.like((await login()).body, { status: 401, code: 'second-factor-required' });
    t.like((await login(undefined, 'wrong')).body, { status: 401, code: 'authentication-failed' });
    t.like((await login(codeOf(secret, -1))).body, { status: 401, code: 'authentication-failed' });
    t.like((await login(codeOf(secret, -5))).body, { code: 'authentication-failed' });
    const code = codeOf(secret);
    t.is((await login(code)).status, 200);
    t.like((await login(code)).body, { code: 'authentication-failed' });
    t.is((await login(recovery[0]!.toLowerCase())).status, 200);
    t.like((await login(recovery[0])).body, { code: 'authentication-failed' });
    t.like((await browser.get('/me/second-factor')).body, { on: true, recoveryLeft: 9 });
    t.is((await browser.post('/me/second-factor', { password })).status, 409);
    t.is((await browser.post('/me/second-factor/remove', { password, code: recovery[0] })).status, 403);
    t.is((await browser.post('/me/second-factor/remove', { password, code: recovery[1] })).status, 204);
    t.is((await login()).status, 200);
  }
});

test('of two that use one code at once, one gets in', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { defence: { delay: '1ms' } } });
  const { secret } = await turnOn(t, await hub.loggedIn('user', 'alice'), 'pw');
  const code = codeOf(secret);
  const login = () => hub.browser().post('/session', { scope: 'user', username: 'alice', password: 'pw', code });
  const statuses = (await Promise.all([login(), login(), login(), login()])).map(({ status }) => status).sort();
  t.deepEqual(statuses, [200, 401, 401, 401]);
});

/** Logs in over SFTP: the answers to questions that are asked, in order. */
function overSftp(hub: WebHub, password: string | undefined, answers: readonly string[]): Promise<readonly string[]> {
  const left = [...answers];
  const asked: string[] = [];
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.on('ready', () => {
      client.end();
      resolve(asked);
    });
    client.on('error', reject);
    client.on('keyboard-interactive', (_name, _instructions, _lang, prompts, finish) => {
      asked.push(...prompts.map(({ prompt }) => prompt));
      finish(prompts.map(() => left.shift() ?? ''));
    });
    client.connect({
      host: '127.0.0.1',
      port: hub.port('sftp'),
      username: 'alice',
      tryKeyboard: true,
      ...(password !== undefined && { password }),
    });
  });
}

test('asks for the code on SFTP by keyboard-interactive, after a password of either way', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } }, values: { defence: { delay: '1ms' } } });
  const { secret, recovery } = await turnOn(t, await hub.loggedIn('user', 'alice'), 'pw');
  t.deepEqual(await overSftp(hub, 'pw', [codeOf(secret)]), ['One-time code: ']);
  await t.throwsAsync(overSftp(hub, 'pw', [codeOf(secret)]), { message: /authentication/ });
  t.deepEqual(await overSftp(hub, undefined, ['pw', recovery[0]!]), ['Password: ', 'One-time code: ']);
  await t.throwsAsync(overSftp(hub, undefined, ['pw', recovery[0]!]), { message: /authentication/ });
  await t.throwsAsync(overSftp(hub, 'pw', []), { message: /authentication/ });
});

test('asks for the code also a user who logs in by certain methods', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw', methods: ['password'] } }, values: { defence: { delay: '1ms' } } });
  const { secret } = await turnOn(t, await hub.loggedIn('user', 'alice'), 'pw');
  t.deepEqual(await overSftp(hub, 'pw', [codeOf(secret)]), ['One-time code: ']);
  await t.throwsAsync(overSftp(hub, 'pw', ['000000']), { message: /authentication/ });
});

test('asks for the code on FTP after the password, by ACCT', async t => {
  const hub = await startWeb(t, {
    users: { alice: { password: 'pw' } },
    values: { defence: { delay: '1ms' }, protocols: { ftp: { enabled: true, host: '127.0.0.1', port: 0 } } },
  });
  const { secret } = await turnOn(t, await hub.loggedIn('user', 'alice'), 'pw');
  const logIn = async (code: string): Promise<number> => {
    const client = new Client();
    try {
      await client.connect('127.0.0.1', hub.port('ftp'));
      await client.useTLS({ rejectUnauthorized: false });
      await client.send('USER alice');
      t.is((await client.send('PASS pw', true)).code, 332);
      return (await client.send(`ACCT ${code}`, true)).code;
    } finally {
      client.close();
    }
  };
  const code = codeOf(secret);
  t.is(await logIn(code), 230);
  t.is(await logIn(code), 530);
  t.is(await logIn('000000'), 530);
});

test('an admin, or the command line, takes a lost second factor away', async t => {
  const hub = await startWeb(t, { users: { alice: { password: 'pw' } } });
  await turnOn(t, await hub.loggedIn('user', 'alice'), 'pw');
  const ada = await hub.loggedIn('admin', 'ada');
  t.like((await ada.get('/users/alice')).body, { secondFactor: true });
  t.like((await ada.get('/users')).body.items![0], { secondFactor: true });
  t.is((await ada.delete('/users/alice/second-factor')).status, 204);
  t.is((await ada.delete('/users/alice/second-factor')).status, 404);
  await t.notThrowsAsync(hub.loggedIn('user', 'alice'));
  await turnOn(t, ada, ADMIN_PASSWORD);
  await hub.call('admins.reset-second-factor', { username: 'ada' });
  t.is((await ada.get('/session')).status, 401);
  await t.notThrowsAsync(hub.loggedIn('admin', 'ada'));
});
