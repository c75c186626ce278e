import 'reflect-metadata';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { Members } from '#core/cluster/members.js';
import { ProcessRepository } from '#core/db/processes.js';
import { UploadRepository } from '#core/db/uploads.js';
import { PendingRecovery } from '#core/events/recovery.js';
import { createLogger } from '#core/log.js';
import type { StorageBackend } from '#core/storage/backend.js';
import type { StorageRegistry } from '#core/storage/registry.js';
import { TakeOver } from '#core/take-over.js';
import { ResumableUploads } from '#core/vfs/resume.js';
import { Outbox, testEvent, until } from '../conformance/outbox.js';
import { onEachDatabase } from '../support/databases.js';
import { unfinished } from './vfs/support.js';

const log = createLogger('silent');
const never = new Promise<never>(() => undefined);

/** What takes over on a database with a storage that works and one that never answers. */
async function setUp(t: ExecutionContext) {
  const outbox = await Outbox.open(t);
  const repository = new ProcessRepository(outbox.database);
  const settings = { shareable: true, joined: true, log };
  const members = new Members(repository, outbox.coordinator, { ...settings, node: 'here' });
  const well = new MemoryStorage();
  await well.mkdir('/.entrepot');
  const backend = async (name: string): Promise<StorageBackend> => (name === 'well' ? well : never);
  const uploadSettings = { keepMs: 1_000, durable: false, prefix: () => 'hub-x', log };
  const takeOver = new TakeOver({
    members,
    coordinator: outbox.coordinator,
    recovery: new PendingRecovery(outbox.events, backend, log, id => members.isAlive(id)),
    events: outbox.events,
    uploads: new ResumableUploads(new UploadRepository(outbox.database, outbox.coordinator), outbox.coordinator, backend, uploadSettings),
    storages: { definitions: async () => [{ name: 'hangs' }, { name: 'well' }], backend } as unknown as StorageRegistry,
    isHeir: true,
    log,
  });
  /** A process that has ended, with an upload under way on each storage. */
  const leave = async (id: string) => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const other = new Members(repository, outbox.coordinator, { ...settings, node: 'there' });
    await other.enter('hub');
    const row = (await repository.list()).find(one => one.id === other.id)!;
    await other.leave();
    await repository.add({ ...row, id, pid: child.pid! });
    for (const storage of ['hangs', 'well']) {
      const proof = { storage, path: `/.entrepot/hub-${id}-1`, before: '*', owner: id };
      await outbox.events.record({ event: testEvent(), user: undefined, path: undefined, targets: ['a'], proof });
    }
    await (await well.open(`/.entrepot/hub-${id}-2`, { write: true, create: true })).close();
  };
  const beat = async () => (await repository.list()).find(({ id }) => id === members.id)?.beat ?? 0;
  t.teardown(() => takeOver.stop());
  return { outbox, repository, takeOver, well, leave, beat };
}

onEachDatabase('goes on to say that it lives, and takes over the rest, while a storage does not answer', async t => {
  const { outbox, repository, takeOver, well, leave, beat } = await setUp(t);
  await leave('first');
  const starting = takeOver.start('hub');
  await until(async () => (await beat()) > 0);
  const before = await beat();
  await until(async () => (await outbox.events.pending()).length === 1);
  await until(async () => (await unfinished(well)).length === 0);
  await starting;
  t.true((await beat()) >= before + 2);
  t.deepEqual(
    (await outbox.events.pending()).map(({ proof }) => proof.storage),
    ['hangs'],
  );

  await leave('second');
  await until(async () => (await unfinished(well)).length === 0);
  const [since, began] = [await beat(), performance.now()];
  await until(async () => (await repository.list()).length === 1);
  await sleep(Math.max(0, 7_000 - (performance.now() - began)));
  t.true((await beat()) >= since + 2);
  t.deepEqual(
    (await outbox.events.pending()).map(({ proof }) => proof.storage),
    ['hangs', 'hangs'],
  );
});
