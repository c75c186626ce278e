import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Webhook } from 'standardwebhooks';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { RuleTable } from '#core/events/rules.js';
import { newWebhookSecret } from '#core/ids.js';
import type { VirtualFileSystem } from '#core/vfs/virtual-file-system.js';
import { startHub } from '../support/hub.js';
import { eventually, hooksFolder } from './support/hooks-folder.js';
import { startReceiver } from './support/receiver.js';

async function upload(files: VirtualFileSystem, path: string): Promise<void> {
  const transfer = await files.open(path, { write: true, create: true, truncate: true });
  await transfer.write(Buffer.from('hello'), 0);
  await transfer.close();
}

test('in a running hub, an upload reaches a hook of each kind and a webhook, and a check refuses another', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write('upload.completed.sh', '#!/bin/sh\ncat "$ENTREPOT_LOCAL_PATH" > seen-by-script\n');
  await hooks.write(
    'upload.completed.mjs',
    "import { writeFileSync } from 'node:fs';\nexport default event => writeFileSync('seen-by-module', event.data.path);\n",
  );
  await hooks.write('before.upload.mjs', '// @hook match=/**/*.exe\nexport default () => ({ deny: "no programs here" });\n');
  await hooks.write('before.delete.sh', '#!/bin/sh\n# @hook timeout=300ms\nexec sleep 300\n');
  const failures = [500, 500];
  const receiver = await startReceiver(t, response => void response.writeHead(failures.shift() ?? 200).end());
  const { hub, files } = await startHub(t, {
    dataDirectory: hooks.dataDirectory,
    storage: 'disk',
    users: { alice: {} },
    values: { outbound: { allow: ['127.0.0.0/8'] }, events: { retry: ['100ms', '100ms', '100ms'] } },
  });
  const secret = newWebhookSecret();
  const action = { type: 'webhook', options: { url: receiver.url, secret } };
  hub
    .get(RuleTable)
    .setRules('test', [{ id: 'w', name: 'w', enabled: true, events: ['upload.completed'], guards: [], conditions: {}, actions: [action] }]);
  const alice = await files('alice');
  await upload(alice, '/a.txt');
  await t.throwsAsync(upload(alice, '/b.exe'), { code: 'permission-denied', message: 'no programs here' });
  await t.throwsAsync(alice.removeFile('/a.txt'), { code: 'unavailable', message: 'Refused: the check did not answer in time' });

  const deliveries = hub.get(DeliveryRepository);
  await eventually(async () => (await deliveries.page({ state: 'succeeded' }, undefined, 10)).items.length === 3, 'three deliveries');
  t.is(await readFile(join(hooks.folder, 'seen-by-script'), 'utf8'), 'hello');
  t.is(await readFile(join(hooks.folder, 'seen-by-module'), 'utf8'), '/a.txt');
  t.is(receiver.received.length, 3);
  t.is(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 1);
  const { body, headers } = receiver.received[2]!;
  t.is((new Webhook(secret).verify(body, headers as Record<string, string>) as { subject: string }).subject, '/a.txt');
});
