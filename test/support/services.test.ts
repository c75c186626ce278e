import test from 'ava';
import { startMariadb, startPostgres, startRedis } from './services.js';

for (const [name, start] of Object.entries({ startRedis, startMariadb, startPostgres })) {
  test(`${name} can be killed and starts again on its port`, async t => {
    t.timeout(120_000);
    const service = await start();
    t.teardown(() => service.stop());
    const { pid, port } = service;
    await service.restart();
    t.not(service.pid, pid);
    t.is(service.port, port);
  });
}
