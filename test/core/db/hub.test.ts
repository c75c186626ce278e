import 'reflect-metadata';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InjectionToken } from 'tsyringe';
import { AdminRepository } from '#core/db/admins.js';
import { Database } from '#core/db/database.js';
import { DeliveryRepository } from '#core/db/deliveries.js';
import { EventRepository } from '#core/db/events.js';
import { parsePublicKey } from '#core/db/public-keys.js';
import { UploadRepository } from '#core/db/uploads.js';
import { servicesOf } from '#core/operations/hub-services.js';
import { runOperation } from '#core/operations/index.js';
import { until } from '../../conformance/outbox.js';
import { Clients } from '../../support/clients.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { startHub } from '../../support/hub.js';
import { Receiver } from '../../support/receiver.js';

const PASSWORD = 'correct-horse';

test('an upload by the sftp program is recorded, and delivered to a webhook', async t => {
  const receiver = await Receiver.listen();
  t.teardown(() => receiver.close());
  const clients = await Clients.create();
  const key = await clients.makeKey('alice');
  const { hub, port } = await startHub(t, {
    storage: 'disk',
    users: { alice: { keys: [parsePublicKey(await readFile(`${key}.pub`, 'utf8'))] } },
    values: { outbound: { allow: ['127.0.0.0/8'] } },
  });
  const services = servicesOf(hub);
  await runOperation(services, 'webhooks.add', { url: receiver.url, events: ['upload.*'] });
  const file = join(clients.home, 'local.dat');
  await writeFile(file, 'content');
  const names = Array.from({ length: 20 }, (_, i) => `/Ü ${i}.dat`);
  const login = { port: port('sftp'), user: 'alice', keyFile: key };
  const put = await clients.sftp(
    login,
    names.map(name => `put ${file} "${name}"`),
    [],
    60_000,
  );
  t.is(put.code, 0, put.output);
  await until(() => receiver.accepted('upload.completed').length === 20);
  const events = hub.get(EventRepository);
  const page = await events.page({ user: 'alice', type: 'upload.*', path: '/Ü 7.dat' }, undefined, 10);
  t.is(page.total, 1);
  t.is((await events.page({ text: '7.DAT' }, undefined, 100)).items.filter(({ type }) => type === 'upload.completed').length, 2);
  const deliveries = await hub.get(DeliveryRepository).page({ eventId: page.items[0]!.id }, undefined, 10);
  await until(async () => (await hub.get(DeliveryRepository).page({ state: 'succeeded' }, undefined, 1)).total === 20);
  t.is(deliveries.total, 1);
  t.deepEqual(await events.pending(), []);
});

test('of many who change the same record at once, one does', async t => {
  const { hub } = await startHub(t, { users: { alice: { password: PASSWORD } } });
  const admins = hub.get(AdminRepository);
  const [one, other] = await Promise.all(
    ['ada', 'eve'].map(username => admins.create({ username, role: 'owner', status: 'active', passwordHash: 'x' })),
  );
  const gone = await Promise.allSettled([admins.delete(one!.id), admins.delete(other!.id)]);
  t.deepEqual(gone.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.is((await admins.list()).length, 1);

  const users = servicesOf(hub).users;
  const alice = (await users.findByUsername('alice'))!;
  const changed = await Promise.allSettled([1, 2, 3, 4].map(i => users.update(alice.id, { description: `${i}` }, alice.version)));
  t.is(changed.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const result of changed) if (result.status === 'rejected') t.is(result.reason.code, 'conflict');

  const uploads = hub.get(UploadRepository);
  const place = { userId: alice.id, storage: 'memory', storagePath: '/a ' };
  const kept = { ...place, path: '/a ', temporary: '/t', size: 1, expiresAt: Date.now() + 60_000 };
  await Promise.all([uploads.keep(kept), uploads.keep(kept), uploads.keep(kept)]);
  t.is((await uploads.list()).length, 1);
  t.is(await uploads.take({ ...place, storagePath: '/a' }), undefined);
  const taken = await Promise.all([uploads.take(place), uploads.take(place), uploads.take(place)]);
  t.is(taken.filter(Boolean).length, 1);
});

test('tells texts apart that differ in case, accent or blanks, and orders them by their bytes', async t => {
  const { hub } = await startHub(t);
  const database = hub.get(Database as InjectionToken<Database>);
  const keys = ['a', 'A', 'ä', 'a ', 'a\u0301', 'á', 'b', '_', '-', '0', 'z', '\ud83d\ude42', '\uffee'];
  await database.knex('settings').insert(keys.map(key => ({ key: `t:${key}`, value: '1', updated_at: 1 })));
  const found = (await database.knex('settings').whereBetween('key', ['t:', 't;']).orderBy('key').pluck('key')) as string[];
  const bytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
  t.deepEqual(found, keys.map(key => `t:${key}`).sort(bytes));
  for (const key of keys) t.is((await database.knex('settings').where({ key: `t:${key}` })).length, 1, key);
  const row = await database.knex('settings').where({ key: 't:a' }).first();
  t.is(row.updated_at, 1);
});
