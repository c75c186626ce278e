import 'reflect-metadata';
import { LocalCoordinator } from '#core/cluster/local.js';
import { testCoordinator } from '../../conformance/coordinator.js';

testCoordinator('local', () => async () => ({ coordinator: new LocalCoordinator(), crash: () => undefined }), {
  skips: { severalProcesses: 'What is in the memory of one process is not shared' },
});
