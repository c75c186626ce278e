import test from 'ava';
import { HubError } from '#core/errors.js';
import { Guards } from '#core/guards.js';

const request = { user: 'alice', protocol: 'sftp', remoteAddress: '192.0.2.1' };

test('all are asked in order, until one refuses', async t => {
  const guards = new Guards(1_000);
  const asked: number[] = [];
  guards.register('login', () => void asked.push(1));
  guards.register('login', async () => {
    asked.push(2);
    throw new HubError('permission-denied', 'No');
  });
  guards.register('login', () => void asked.push(3));
  await t.throwsAsync(guards.ask('login', request), { code: 'permission-denied', message: 'No' });
  t.deepEqual(asked, [1, 2]);
  t.true(guards.has('login'));
  t.false(guards.has('upload'));
});

test('one that fails or is late refuses, and tells the client nothing of why', async t => {
  const failing = new Guards(1_000);
  failing.register('login', () => {
    throw new TypeError('secret');
  });
  await t.throwsAsync(failing.ask('login', request), { code: 'unavailable', message: 'Refused: the check failed' });
  const late = new Guards(20);
  let aborted = false;
  late.register('login', (_, signal) => new Promise(() => signal.addEventListener('abort', () => (aborted = true))));
  await t.throwsAsync(late.ask('login', request), { code: 'unavailable', message: 'Refused: the check did not answer in time' });
  t.true(aborted);
});

test('one may have a limit of its own, or none', async t => {
  const guards = new Guards(10);
  guards.register('login', () => new Promise(resolve => setTimeout(resolve, 60)), Number.POSITIVE_INFINITY);
  await t.notThrowsAsync(guards.ask('login', request));
});
