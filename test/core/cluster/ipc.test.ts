import 'reflect-metadata';
import test from 'ava';
import { IpcCoordinator } from '#core/cluster/ipc.js';
import { CoordinatorHost } from '#core/cluster/ipc-host.js';
import { HubError } from '#core/errors.js';
import { testCoordinator } from '../../conformance/coordinator.js';
import { line } from '../../support/ipc-line.js';

testCoordinator('processes of one machine', t => {
  const host = new CoordinatorHost();
  return async () => {
    const [worker, primary, cut] = line();
    const leave = host.join(primary);
    t.teardown(cut);
    const crash = () => {
      cut();
      worker.close();
      primary.close();
      leave();
    };
    return { coordinator: new IpcCoordinator(worker), crash };
  };
});

test('a question is answered, fails as it fails there, and fails when nobody answers in time or the other one is gone', async t => {
  const [one, other, cut] = line();
  t.teardown(cut);
  other.on('double', (number: number) => number * 2);
  other.on('refuse', () => {
    throw new HubError('quota-exceeded', 'Full');
  });
  other.on('wait', () => new Promise(() => undefined));
  t.is(await one.ask('double', 21), 42);
  await t.throwsAsync(one.ask('refuse'), { message: 'Full', instanceOf: HubError, code: 'quota-exceeded' });
  await t.throwsAsync(one.ask('unheard of'), { code: 'unsupported' });
  await t.throwsAsync(one.ask('wait', null, 20), { code: 'unavailable' });
  const waiting = one.ask('wait');
  one.close();
  await t.throwsAsync(waiting, { code: 'unavailable' });
  await t.throwsAsync(one.ask('double', 1), { code: 'unavailable' });
});
