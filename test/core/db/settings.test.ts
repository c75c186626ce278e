import 'reflect-metadata';
import { LocalCoordinator } from '#core/cluster/local.js';
import { SettingsRepository } from '#core/db/settings.js';
import { onEachDatabase as test } from '../../support/databases.js';
import { hubDatabase } from './temporary-database.js';

test('keeps JSON by key, and replaces it', async t => {
  const settings = new SettingsRepository(await hubDatabase(t), new LocalCoordinator());
  t.is(await settings.get('a'), undefined);
  await settings.set('a', { list: [1, 'zwei', null] });
  t.deepEqual(await settings.get('a'), { list: [1, 'zwei', null] });
  await settings.set('a', 2);
  t.is(await settings.get('a'), 2);
});

test('adds a key once, whoever tries', async t => {
  const settings = new SettingsRepository(await hubDatabase(t), new LocalCoordinator());
  const added = await Promise.all([1, 2, 3].map(value => settings.add('a', value)));
  t.is(added.filter(Boolean).length, 1);
  t.is(await settings.get('a'), added.indexOf(true) + 1);
});
