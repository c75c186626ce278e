export { testEventQueue } from './event-queue.js';
export { type StorageSuiteOptions, testStorageBackend } from './storage-backend.js';
