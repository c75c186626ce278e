import { testStorageBackend } from '../conformance/index.js';

// Before anything of the backend is loaded: it decides by this how it reaches the disk.
Object.defineProperty(process, 'platform', { value: 'darwin' });

testStorageBackend('local, on a system without descriptors for entries', async t => {
  const { localStorage } = await import('./local-storage.js');
  return (await localStorage(t, { links: 'inside' })).storage;
});
