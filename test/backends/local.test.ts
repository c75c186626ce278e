import { testStorageBackend } from '../conformance/index.js';
import { localStorage, MEMORY_FOLDER } from './local-storage.js';

testStorageBackend('local', async t => (await localStorage(t)).storage);
testStorageBackend('local, following links', async t => (await localStorage(t, { links: 'inside' })).storage);
if (process.platform === 'linux') testStorageBackend('local, in memory', async t => (await localStorage(t, {}, MEMORY_FOLDER)).storage);
