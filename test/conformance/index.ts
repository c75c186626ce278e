export { type Cluster, type CoordinatorMember, type CoordinatorSuiteOptions, testCoordinator } from './coordinator.js';
export { testEventQueue } from './event-queue.js';
export { type StorageSuiteOptions, testStorageBackend } from './storage-backend.js';
