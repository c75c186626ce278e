import 'reflect-metadata';
import test from 'ava';
import ssh2, { type AnyAuthMethod, Client } from 'ssh2';
import { type Authenticator, defineExtension, HubError } from '#core/api.js';
import { UserRepository } from '#core/db/users.js';
import { PASSWORD, startSftp } from './support.js';

const alice = ssh2.utils.generateKeyPairSync('ed25519');
const mallory = ssh2.utils.generateKeyPairSync('ed25519');

/** A public key as the records keep it. */
function recorded(text: string) {
  const [algorithm = '', data = ''] = text.split(' ');
  return { algorithm, data, comment: 'test', fingerprint: data.slice(0, 20) };
}

const withPassword = (password = PASSWORD): AnyAuthMethod => ({ type: 'password', username: 'alice', password });
const withKey = ({ private: key } = alice): AnyAuthMethod => ({ type: 'publickey', username: 'alice', key });
/** Answers the questions one after the other, and keeps them. */
function withAnswers(answers: readonly string[], questions: string[] = []): AnyAuthMethod {
  let next = 0;
  return {
    type: 'keyboard-interactive',
    username: 'alice',
    prompt: (_name, _instructions, _language, prompts, finish) => {
      questions.push(...prompts.map(({ prompt }) => prompt));
      finish(prompts.map(() => answers[next++] ?? 'none'));
    },
  };
}

/** Tries `steps` in their order: 'in', or what the server answered each with that failed: what is left, with a '+' for partial success. */
async function logIn(port: number, steps: readonly AnyAuthMethod[]): Promise<string> {
  const client = new Client();
  const answers: string[] = [];
  const left = [{ type: 'none', username: 'alice' } as const, ...steps];
  const outcome = new Promise<boolean>(resolve => {
    client
      .once('ready', () => resolve(true))
      .on('error', () => resolve(false))
      .once('close', () => resolve(false));
  });
  client.connect({
    host: '127.0.0.1',
    port,
    username: 'alice',
    authHandler: (methods, partial, next) => {
      if (left.length <= steps.length && methods) answers.push(`${partial ? '+' : ''}${methods.join(',')}`);
      const step = left.shift();
      if (step) next(step);
      else client.end();
    },
  });
  const worked = await outcome;
  client.destroy();
  return worked ? 'in' : answers.slice(1).join(' ');
}

const ALL = 'publickey,password,keyboard-interactive';

test('asks for the password by keyboard-interactive', async t => {
  const hub = await startSftp(t);
  const questions: string[] = [];
  t.is(await logIn(hub.port('sftp'), [withAnswers([PASSWORD], questions)]), 'in');
  t.deepEqual(questions, ['Password: ']);
  t.is(await logIn(hub.port('sftp'), [withAnswers(['wrong']), withAnswers([''])]), `${ALL} ${ALL}`);
  t.is(hub.events.filter(({ type }) => type === 'login.failed').length, 1, 'an empty answer is not looked up');
});

test('wants the key and then the password of a user who logs in by both', async t => {
  const hub = await startSftp(t, {
    users: { alice: { password: PASSWORD, keys: [recorded(alice.public)], methods: ['publickey+password'] } },
  });
  const port = hub.port('sftp');
  t.is(await logIn(port, [withKey(), withPassword()]), 'in');
  t.is(await logIn(port, [withKey(), withAnswers([PASSWORD])]), 'in');
  t.deepEqual(
    hub.events.flatMap(event => (event.type === 'login.succeeded' ? [event.data.method] : [])),
    ['publickey+password', 'publickey+password'],
  );
  t.false(
    hub.events.some(({ type }) => type === 'login.failed'),
    'the first half is no failure',
  );
  const rest = '+password,keyboard-interactive';
  t.is(await logIn(port, [withKey()]), rest);
  t.is(await logIn(port, [withKey(), withKey()]), `${rest} ${rest.slice(1)}`);
  t.is(await logIn(port, [withPassword(), withKey()]), `${ALL} ${rest}`, 'a password before the key is refused like a wrong one');
  t.is(await logIn(port, [withKey(), withPassword('wrong'), withPassword()]), 'in', 'the key stays proven');
  t.is(await logIn(port, [withKey(mallory), withPassword()]), `${ALL} ${ALL}`);
});

test('accepts only the methods of the user, and takes what is changed at once', async t => {
  const hub = await startSftp(t, {
    users: { alice: { password: PASSWORD, keys: [recorded(alice.public)], methods: ['publickey'] } },
  });
  const port = hub.port('sftp');
  t.is(await logIn(port, [withPassword(), withAnswers([PASSWORD])]), `${ALL} ${ALL}`);
  t.is(await logIn(port, [withKey()]), 'in');
  const users = hub.hub.get(UserRepository);
  const user = (await users.findByUsername('alice'))!;
  await users.update(user.id, { methods: ['password', 'password+publickey'] }, user.version);
  t.is(await logIn(port, [withKey(), withPassword()]), 'in');
  await t.throwsAsync(users.update(user.id, { methods: ['publickey+publickey'] }, user.version + 1), { code: 'invalid-request' });
  await t.throwsAsync(users.update(user.id, { methods: ['secret'] }, user.version + 1), { code: 'invalid-request' });
});

test('asks for a second factor in the same dialogue', async t => {
  const directory: Authenticator = {
    name: 'directory',
    async authenticate({ username, credentials }) {
      const password = credentials.find(({ kind }) => kind === 'password');
      if (username !== 'alice' || password?.kind !== 'password' || password.password !== 'from the directory') return undefined;
      const code = credentials.find(({ kind }) => kind === 'one-time-code');
      if (!code) throw new HubError('second-factor-required', 'A code is needed');
      if (code.kind !== 'one-time-code' || code.code !== '123456') throw new HubError('authentication-failed', 'Wrong code');
      return hub.hub.get(UserRepository).findByUsername(username);
    },
  };
  const hub = await startSftp(t, {
    users: { alice: {} },
    extensions: [defineExtension({ name: 'directory', api: '^1.0.0', register: host => host.authenticator(directory) })],
  });
  const port = hub.port('sftp');
  const questions: string[] = [];
  t.is(await logIn(port, [withAnswers(['from the directory', '123456'], questions)]), 'in');
  t.deepEqual(questions, ['Password: ', 'One-time code: ']);
  t.is(await logIn(port, [withAnswers(['from the directory', '000000'])]), 'keyboard-interactive');
  t.is(await logIn(port, [withPassword('from the directory'), withAnswers(['123456'])]), 'in');
});

test('drops a client that sends a request while its answer is looked at, and leaves no session', async t => {
  const hub = await startSftp(t);
  const client = new Client();
  client.on('error', () => {});
  const closed = new Promise<void>(resolve => client.once('close', () => resolve()));
  let tries = 0;
  client.connect({
    host: '127.0.0.1',
    port: hub.port('sftp'),
    username: 'alice',
    authHandler: (_left, _partial, next) => {
      if (tries++ > 0) return client.end();
      next({
        type: 'keyboard-interactive',
        username: 'alice',
        prompt: (_name, _instructions, _language, _prompts, finish) => {
          finish([PASSWORD]);
          // What a careless or hostile client would send next, through the only door that ssh2's client has for it.
          (client as unknown as { readonly _protocol: { authPassword(user: string, password: string): void } })._protocol.authPassword(
            'alice',
            PASSWORD,
          );
        },
      });
    },
  });
  await closed;
  await hub.event('session.ended');
  t.is(hub.events.filter(({ type }) => type === 'login.succeeded').length, 1);
});
