import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { testStorageBackend } from '../conformance/index.js';

testStorageBackend('memory', async () => new MemoryStorage());

test('says that there is no space left, and takes the space of a removed file again', async t => {
  const storage = new MemoryStorage(10);
  const handle = await storage.open('/a', { write: true, create: true });
  await handle.write(new Uint8Array(8), 0);
  await t.throwsAsync(handle.write(new Uint8Array(8), 8), { code: 'unavailable', message: 'No space left on the storage' });
  t.deepEqual(await storage.space(), { total: 10, free: 2 });
  await t.throwsAsync(storage.copy('/a', '/b'), { code: 'unavailable' });
  await storage.removeFile('/a');
  t.deepEqual(await storage.space(), { total: 10, free: 10 });
});
