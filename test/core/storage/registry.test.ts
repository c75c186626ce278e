import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { localOptions } from '#backends/local/index.js';
import { openLocalStorage } from '#backends/local/local.js';
import { MemoryStorage } from '#backends/memory/index.js';
import { createLogger } from '#core/log.js';
import type { StorageBackend } from '#core/storage/backend.js';
import { DiscoveredStorages } from '#core/storage/discovery.js';
import { OwnFolders } from '#core/storage/own-folders.js';
import { type StorageDefinition, StorageRegistry, type StorageSource } from '#core/storage/registry.js';

const log = createLogger('silent');
const options = z.strictObject({ bucket: z.string(), region: z.string().default('here'), size: z.int().optional() });

/** Definitions that a test may change, and a registry with a kind 'fake' that counts what it opens and closes. */
function registryOf(definitions: StorageDefinition[]) {
  const opened: StorageBackend[] = [];
  let closed = 0;
  const source: StorageSource = {
    findByName: async name => definitions.find(definition => definition.name === name),
    list: async () => definitions,
  };
  const registry = new StorageRegistry([source], log, new OwnFolders());
  registry.kind({
    name: 'fake',
    options,
    open: async () => {
      const storage = Object.assign(new MemoryStorage(), { close: async () => void closed++ });
      opened.push(storage);
      return storage;
    },
  });
  return { registry, opened, closed: () => closed, source };
}

const fake = (name: string, given: Record<string, unknown>): StorageDefinition => ({ name, kind: 'fake', options: given });

test('opens a backend once for all storages whose options are equal', async t => {
  const { registry, opened } = registryOf([
    fake('a', { bucket: 'x', region: 'here' }),
    fake('b', { region: 'here', bucket: 'x' }),
    fake('c', { bucket: 'x' }),
    fake('d', { bucket: 'y' }),
  ]);
  const [a, b, c, d] = await Promise.all([registry.backend('a'), registry.backend('b'), registry.backend('c'), registry.backend('d')]);
  t.is(a, b);
  t.is(a, c);
  t.not(a, d);
  t.is(await registry.backend('a'), a);
  t.is(opened.length, 2);
});

test('opens another backend once a storage is redefined', async t => {
  const definitions = [fake('a', { bucket: 'x' })];
  const { registry } = registryOf(definitions);
  const before = await registry.backend('a');
  definitions[0] = fake('a', { bucket: 'y' });
  t.not(await registry.backend('a'), before);
});

test('names the storage that is not there', async t => {
  const { registry } = registryOf([]);
  await t.throwsAsync(registry.backend('missing'), { code: 'not-found', message: "There is no storage 'missing'" });
});

test('closes what it opened, and opens nothing afterwards', async t => {
  const { registry, closed } = registryOf([fake('a', { bucket: 'x' }), fake('b', { bucket: 'y' })]);
  await registry.backend('a');
  await registry.backend('b');
  await registry.close();
  t.is(closed(), 2);
  await t.throwsAsync(registry.backend('a'), { code: 'unavailable' });
});

test('tries again after a backend failed to open', async t => {
  const { registry } = registryOf([{ name: 'a', kind: 'moody', options: {} }]);
  let tries = 0;
  registry.kind({
    name: 'moody',
    options: z.strictObject({}),
    open: async () => {
      if (++tries === 1) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      return new MemoryStorage();
    },
  });
  await t.throwsAsync(registry.backend('a'), { code: 'unavailable' });
  t.true((await registry.backend('a')) instanceof MemoryStorage);
});

test('refuses a kind that is registered twice', t => {
  const { registry } = registryOf([]);
  const again = { name: 'fake', options, open: async () => new MemoryStorage() };
  t.throws(() => registry.kind(again), { code: 'already-exists' });
  t.deepEqual(
    registry.kinds().map(kind => kind.name),
    ['fake'],
  );
});

test('names the option that does not fit, what was expected, and the nearest that is known', t => {
  const { registry } = registryOf([]);
  const refusal = (kind: string, given: unknown): string =>
    t.throws(() => registry.check(kind, given), { code: 'invalid-request' }).message;
  t.regex(refusal('fake', { bucket: 'x', regoin: 'y' }), /unknown option 'regoin', did you mean 'region'\?/);
  t.regex(refusal('fake', {}), /option 'bucket': .*expected string/);
  t.regex(refusal('fake', { bucket: 'x', size: 'large' }), /option 'size': .*expected/);
  t.regex(refusal('fak', {}), /no kind of storage 'fak', did you mean 'fake'\?/);
  t.deepEqual(registry.check('fake', { bucket: 'x' }), { bucket: 'x', region: 'here' });
});

test('tests a storage by listing its root, without keeping it open', async t => {
  const { registry, closed } = registryOf([fake('a', { bucket: 'x' })]);
  await t.notThrowsAsync(registry.test('a'));
  await t.notThrowsAsync(registry.test({ kind: 'fake', options: { bucket: 'z' } }));
  t.is(closed(), 1);
  await t.throwsAsync(registry.test({ kind: 'fake', options: {} }), { code: 'invalid-request' });
});

test('offers each directory of a directory as a storage, as soon as it is there', async t => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'one'));
  await mkdir(join(folder, '.hidden'));
  await writeFile(join(folder, 'file'), 'x');
  await symlink('/etc', join(folder, 'link'));
  const { source } = registryOf([fake('database', { bucket: 'x' }), fake('one', { bucket: 'first' })]);
  const registry = new StorageRegistry([source, new DiscoveredStorages(folder, log)], log, new OwnFolders());
  registry.kind({ name: 'local', options: localOptions, open: given => openLocalStorage(given, log) });

  t.deepEqual(
    (await registry.definitions()).map(({ name, kind }) => `${name} ${kind}`),
    ['database fake', 'one fake'],
  );
  await mkdir(join(folder, 'two'));
  await writeFile(join(folder, 'two', 'a.txt'), 'x');
  t.deepEqual(
    (await registry.definitions()).map(({ name }) => name),
    ['database', 'one', 'two'],
  );
  t.is((await (await registry.backend('two')).stat('/a.txt')).size, 1);
  for (const name of ['.hidden', '..', '.', '', 'file', 'link', 'two/..', '../one', 'absent', 'two\0']) {
    await t.throwsAsync(registry.backend(name), { code: 'not-found' }, name);
  }
  await registry.close();
});

test('offers nothing while the directory of discovered storages is missing', async t => {
  const discovered = new DiscoveredStorages(join(await temporaryFolder(t), 'absent'), log);
  t.deepEqual(await discovered.list(), []);
  t.is(await discovered.findByName('a'), undefined);
});

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-registry-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
