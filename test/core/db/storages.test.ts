import 'reflect-metadata';
import { LocalCoordinator } from '#core/cluster/local.js';
import { StorageRepository } from '#core/db/storages.js';
import { Secrets } from '#core/secrets.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { hubDatabase } from './temporary-database.js';

const OPTIONS = { host: 'files.example.com', password: 'hunter2', retries: [1, 2] };

test('keeps the options of a storage sealed, and gives them back', async t => {
  const database = await hubDatabase(t);
  const storages = new StorageRepository(database, new LocalCoordinator(), new Secrets(Buffer.alloc(32, 1)));
  const { id } = await storages.create({ name: 'remote', kind: 'sftp', options: OPTIONS });
  const { options } = await database.knex('storages').where({ id }).first<{ options: string }>();
  for (const part of ['hunter2', 'example', 'password']) t.false(options.includes(part));
  t.deepEqual((await storages.findByName('remote'))?.options, OPTIONS);
  t.deepEqual((await storages.list())[0]?.options, OPTIONS);

  const others = new StorageRepository(database, new LocalCoordinator(), new Secrets(Buffer.alloc(32, 2)));
  await t.throwsAsync(others.findByName('remote'), { code: 'internal', message: /'remote' is damaged/ });
});

test('opens no options that were sealed for another storage', async t => {
  const database = await hubDatabase(t);
  const storages = new StorageRepository(database, new LocalCoordinator(), new Secrets(Buffer.alloc(32)));
  await storages.create({ name: 'a', kind: 'sftp', options: OPTIONS });
  await storages.create({ name: 'b', kind: 'sftp', options: {} });
  const { options } = await database.knex('storages').where({ name: 'a' }).first<{ options: string }>();
  await database.knex('storages').where({ name: 'b' }).update({ options });
  await t.throwsAsync(storages.findByName('b'), { code: 'internal' });
});

test('reads the options of a record that was written before they were sealed', async t => {
  const database = await hubDatabase(t);
  const storages = new StorageRepository(database, new LocalCoordinator(), new Secrets(Buffer.alloc(32)));
  const { id } = await storages.create({ name: 'old', kind: 'local', options: {} });
  await database
    .knex('storages')
    .where({ id })
    .update({ options: JSON.stringify({ root: '/srv' }) });
  t.deepEqual((await storages.findByName('old'))?.options, { root: '/srv' });
});
