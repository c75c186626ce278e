import 'reflect-metadata';
import test from 'ava';
import type { InjectionToken } from 'tsyringe';
import { z } from 'zod';
import { type ActionType, defineExtension } from '#core/api.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { RuleRepository } from '#core/db/rules.js';
import { EventBus } from '#core/events/bus.js';
import { RuleLoader } from '#core/events/rule-loader.js';
import { until } from '../../conformance/outbox.js';
import { startHub } from '../../support/hub.js';

const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '' };

/** An extension with a handler that fails twice, and an action that notes what it is given. */
function extension() {
  const handled: number[] = [];
  const noted: string[] = [];
  const note: ActionType<{ prefix: string }> = {
    name: 'note',
    options: z.strictObject({ prefix: z.string() }),
    run: async ({ prefix }, { event }) => {
      noted.push(`${prefix}${event.type}`);
      return 'noted';
    },
  };
  const made = defineExtension({
    name: 'acme',
    api: '^1.0.0',
    register(hub) {
      hub.action(note);
      hub.on('session.ended', 'count', async (_event, delivery) => {
        handled.push(delivery.attempt);
        if (delivery.attempt < 3) throw new Error('not yet');
      });
    },
  });
  return { made, handled, noted };
}

test('retries the handler of an extension that throws, and shows each error', async t => {
  const { made, handled } = extension();
  const { hub } = await startHub(t, { extensions: [made], values: { events: { retry: ['10ms', '10ms'] } } });
  await hub.get(EventBus as InjectionToken<EventBus>).publish('session.ended', { session, reason: 'test' });
  const deliveries = hub.get(DeliveryRepository);
  const done = await until(async () => (await deliveries.page({ state: 'succeeded' }, undefined, 1)).items[0]);
  t.is(done.target, 'handler/acme/count');
  t.deepEqual(handled, [1, 2, 3]);
  const tries = await deliveries.attempts(done.id);
  t.deepEqual(
    tries.map(({ summary }) => summary),
    ['not yet', 'not yet', 'done'],
  );
  t.regex(tries[0]!.answer!, /Error: not yet\n {4}at /);
});

test('delivers to a rule from the moment it is added until it is removed', async t => {
  const { made, noted } = extension();
  const { hub } = await startHub(t, { extensions: [made] });
  const rules = hub.get(RuleRepository);
  const bus = hub.get(EventBus as InjectionToken<EventBus>);
  const rule = await rules.create({
    name: 'r',
    enabled: true,
    events: ['login.*'],
    guards: [],
    conditions: {},
    actions: [{ type: 'note', options: { prefix: '>' } }],
  });
  await hub.get(RuleLoader).current();
  await bus.publish('login.succeeded', { session, method: 'password' });
  await until(() => noted.length === 1);
  await rules.delete(rule.id);
  await hub.get(RuleLoader).current();
  await bus.publish('login.succeeded', { session, method: 'password' });
  t.is((await hub.get(DeliveryRepository).page({}, undefined, 1)).total, 1);
  t.deepEqual(noted, ['>login.succeeded']);
});
