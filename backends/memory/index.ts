import { defineExtension, size, z } from '#core/api.js';
import { MemoryStorage } from './storage.js';

export { MemoryStorage } from './storage.js';

/** The options of a storage of kind 'memory'. */
export const memoryOptions = z.strictObject({
  capacity: size('1GiB').describe('Bytes that all files together may take; a write beyond it fails as on a full disk'),
});

export default defineExtension({
  name: 'memory',
  api: '^1.0.0',
  register(hub) {
    hub.backend({ name: 'memory', options: memoryOptions, open: async ({ capacity }) => new MemoryStorage(capacity) });
  },
});
