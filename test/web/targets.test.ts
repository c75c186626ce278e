import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { defineExtension } from '#core/api.js';
import { until } from '../support/children.js';
import { type Json, startWeb } from './support.js';

test('lists webhooks, hooks and handlers of extensions as one, with what became of their deliveries', async t => {
  const copier = defineExtension({
    name: 'copier',
    api: '^1.0.0',
    register: host => host.on(['upload.completed', 'file.deleted'], 'copy', async () => undefined),
  });
  const hub = await startWeb(t, { users: { bob: { password: 'pw' } }, extensions: [copier], values: { events: { retry: ['10ms'] } } });
  const ada = await hub.loggedIn('admin', 'ada');
  const added = await ada.post('/webhooks', { url: 'http://127.0.0.1:9/refused', events: ['upload.*'] });
  const rule = String(added.body.webhook!.id);
  await writeFile(join(hub.dataDirectory, 'hooks/upload.completed.sh'), '#!/bin/sh\nexit 0\n', { mode: 0o700 });
  await writeFile(join(hub.dataDirectory, 'hooks/before.delete.sh'), '#!/bin/sh\nexit 0\n', { mode: 0o700 });
  const targets = async () => (await ada.get('/targets')).body.items as unknown as Json[];
  await until('the hook is there', async () => (await targets()).length === 3);
  const bob = await hub.loggedIn('user', 'bob');
  await bob.raw('PUT', '/files/content?path=/f', { body: 'x' });
  const done = await until('all of them are through', async () => {
    const all = await targets();
    return all.every(({ deliveries }) => Number(deliveries!.succeeded) + Number(deliveries!.dead) === 1) && all;
  });
  const none = { waiting: 0, running: 0, succeeded: 0, dead: 0, dismissed: 0 };
  t.deepEqual(done as unknown, [
    {
      id: 'handler/copier/copy',
      kind: 'handler',
      name: 'copier/copy',
      enabled: true,
      events: ['upload.completed', 'file.deleted'],
      deliveries: { ...none, succeeded: 1 },
    },
    ...[
      {
        id: `rule/${rule}/0`,
        kind: 'webhook',
        name: 'http://127.0.0.1:9/refused',
        rule,
        enabled: true,
        events: ['upload.*'],
        deliveries: { ...none, dead: 1 },
      },
      {
        id: 'rule/hooks:upload.completed.sh/0',
        kind: 'script',
        name: 'upload.completed.sh',
        enabled: true,
        events: ['upload.completed'],
        deliveries: { ...none, succeeded: 1 },
      },
    ].sort((one, other) => done.findIndex(({ id }) => String(id) === one.id) - done.findIndex(({ id }) => String(id) === other.id)),
  ]);
  await ada.patch(`/webhooks/${rule}`, { enabled: false });
  t.is(Boolean((await targets()).find(target => String(target.rule) === rule)!.enabled), false);
});
