import 'reflect-metadata';
import test from 'ava';
import { defineExtension } from '#core/api.js';
import { LoginService } from '#core/auth/login.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { UserRepository } from '#core/db/users.js';
import { startHub } from '../../support/hub.js';
import { put } from '../vfs/support.js';

test('a handler that throws is tried again, each try kept with its error', async t => {
  let tries = 0;
  let done = (): void => undefined;
  const succeeded = new Promise<void>(resolve => (done = resolve));
  const extension = defineExtension({
    name: 'flaky',
    api: '^1.0.0',
    register: host =>
      host.on('upload.completed', 'copy', async event => {
        tries++;
        if (tries < 3) throw new Error(`try ${tries} of ${event.data.path} failed`);
        done();
      }),
  });
  const hub = await startHub(t, { users: { alice: {} }, extensions: [extension], values: { events: { retry: ['50ms', '50ms', '50ms'] } } });
  await put(await hub.files('alice'), '/f', 'x');
  await succeeded;
  const deliveries = hub.hub.get(DeliveryRepository);
  for (;;) {
    const { items } = await deliveries.page({}, undefined, 10);
    if (items[0]?.state !== 'succeeded') continue;
    t.like(items[0], { target: 'handler/flaky/copy', attempts: 3 });
    const attempts = await deliveries.attempts(items[0].id);
    t.deepEqual(
      attempts.map(({ succeeded, summary }) => [succeeded, summary]),
      [
        [false, 'try 1 of /f failed'],
        [false, 'try 2 of /f failed'],
        [true, 'done'],
      ],
    );
    return;
  }
});

test('a task runs again and again, alone, also after it failed, and is told to stop', async t => {
  let running = 0;
  let most = 0;
  let runs = 0;
  let stopped = false;
  let enough = (): void => undefined;
  const third = new Promise<void>(resolve => (enough = resolve));
  const extension = defineExtension({
    name: 'clock',
    api: '^1.0.0',
    register: host =>
      host.every(20, 'tick', async signal => {
        most = Math.max(most, ++running);
        runs++;
        try {
          if (runs === 1) throw new Error('once');
          if (runs === 2) await new Promise(resolve => setTimeout(resolve, 100));
          if (runs < 3) return;
          enough();
          await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
          stopped = true;
        } finally {
          running--;
        }
      }),
  });
  const hub = await startHub(t, { extensions: [extension] });
  await third;
  await hub.stop();
  t.true(stopped);
  t.is(most, 1);
  t.is(runs, 3);
});

test('what is begun at the start is ended at the stop, and an authenticator lets its user in', async t => {
  const order: string[] = [];
  let users: UserRepository | undefined;
  const extension = defineExtension({
    name: 'parts',
    api: '^1.0.0',
    register(host) {
      host.onStart(async () => {
        order.push('start');
        return async () => void order.push('stop');
      });
      host.authenticator({
        name: 'magic',
        authenticate: async ({ username, credentials }) =>
          credentials.some(one => one.kind === 'password' && one.password === 'magic') ? users?.findByUsername(username!) : undefined,
      });
    },
  });
  const hub = await startHub(t, { users: { alice: {} }, extensions: [extension] });
  users = hub.hub.get(UserRepository);
  const attempt = {
    username: 'alice',
    credentials: [{ kind: 'password', password: 'magic' }],
    protocol: 'test',
    remoteAddress: '127.0.0.1',
  } as const;
  const session = await hub.hub.get(LoginService).login(attempt);
  t.is(session.info.user, 'alice');
  t.is((await hub.event('login.succeeded')).data.method, 'magic');
  await hub.stop();
  t.deepEqual(order, ['start', 'stop']);
});
