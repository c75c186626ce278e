import 'reflect-metadata';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import test from 'ava';
import { Correspondence, type Wire } from '#core/cluster/correspondence.js';
import { IpcCoordinator } from '#core/cluster/ipc.js';
import { CoordinatorHost } from '#core/cluster/ipc-host.js';
import { HubError } from '#core/errors.js';
import { testCoordinator } from '../../conformance/coordinator.js';

/** The two ends of a way that copies what goes over it, as the one between processes does. */
function line(): readonly [Correspondence, Correspondence, () => void] {
  const { port1, port2 } = new MessageChannel();
  return [new Correspondence(over(port1)), new Correspondence(over(port2)), () => port1.close()];
}

function over(port: MessagePort): Wire {
  return {
    send: letter => port.postMessage(letter),
    receive: listener => void port.on('message', listener),
  };
}

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
