import { testStorageBackend } from '../conformance/index.js';
import { localStorage } from './local-storage.js';

testStorageBackend('local', async t => (await localStorage(t)).storage);
testStorageBackend('local, following links', async t => (await localStorage(t, { links: 'inside' })).storage);
