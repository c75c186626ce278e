import 'reflect-metadata';
import { link, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { InjectionToken } from 'tsyringe';
import { Coordinator } from '#core/cluster/coordinator.js';
import { Members } from '#core/cluster/members.js';
import { EventRepository } from '#core/db/events.js';
import { ProcessRepository } from '#core/db/processes.js';
import type { PendingEvent } from '#core/events/bus.js';
import { createLogger } from '#core/log.js';
import type { VirtualFileSystem } from '#core/vfs/virtual-file-system.js';
import { startHub } from '../../support/hub.js';
import { type BusChanges, put, recorded, withBus } from './support.js';

interface Crash {
  /** Alice's files in the first life; what she does there hangs, or is never settled. */
  readonly files: VirtualFileSystem;
  /** Starts the second life on the same folder and database. */
  readonly restart: () => Promise<{
    readonly events: readonly string[];
    readonly temporaries: readonly string[];
    readonly pending: number;
  }>;
  readonly content: (name: string) => Promise<string>;
  /** Her folder on the disk. */
  readonly folder: string;
}

/** A hub that is left as it is, with nothing settled, dropped or aborted, as a kill leaves it. */
async function firstLife(t: ExecutionContext, changes: (never: Promise<never>) => BusChanges): Promise<Crash> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'entrepot-crash-'));
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }));
  const options = { dataDirectory, databaseFile: true, storage: 'disk' } as const;
  let giveUp = (_reason: Error): void => undefined;
  const never = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  never.catch(() => undefined);
  const first = await startHub(t, {
    ...options,
    users: { alice: {} },
    configure: container => {
      withBus(changes(never))(container);
      // Without the lock of the database, which a kill would have freed.
      const coordinator = container.resolve(Coordinator as InjectionToken<Coordinator>);
      const settings = { node: 'first', shareable: false, joined: false, log: createLogger('silent') };
      container.registerInstance(Members, new Members(container.resolve(ProcessRepository), coordinator, settings));
    },
  });
  t.teardown(() => giveUp(new Error('the first life ends with the test')));
  return {
    files: await first.files('alice'),
    folder: join(dataDirectory, 'files/alice'),
    content: name => readFile(join(dataDirectory, 'files/alice', name), 'utf8'),
    async restart() {
      const second = await startHub(t, options);
      const events = (await recorded(second)).map(({ type, data }) => `${type} ${'path' in data ? data.path : ''}`);
      return {
        events,
        temporaries: await readdir(join(dataDirectory, 'files/.entrepot')).catch(() => []),
        pending: (await second.hub.get(EventRepository).pending()).length,
      };
    },
  };
}

const unsettled = (pending: PendingEvent): PendingEvent => ({ ...pending, settle: () => undefined });

/** Lets an operation go as far as it comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

test('killed while the client writes: nothing of it remains', async t => {
  const { files, restart } = await firstLife(t, () => ({}));
  await put(files, '/other', 'x');
  const upload = await files.open('/f', { write: true, create: true, truncate: true });
  await upload.write(Buffer.from('half'), 0);
  t.deepEqual(await restart(), { events: ['upload.completed /other'], temporaries: [], pending: 0 });
});

for (const [step, hang] of [
  ['before its event is committed', async (_next: () => Promise<PendingEvent>, never: Promise<never>) => never],
  ['between its event and its rename', async (next: () => Promise<PendingEvent>, never: Promise<never>) => next().then(() => never)],
] as const) {
  test(`killed ${step}: the old file is whole, and the event and the temporary go`, async t => {
    let hangs = false;
    let reached = false;
    const { files, restart, content } = await firstLife(t, never => ({
      prepare: next => (hangs ? hang(() => next().finally(() => (reached = true)), never) : next()),
    }));
    await put(files, '/f', 'old');
    hangs = true;
    reached = step.startsWith('before');
    const upload = await files.open('/f', { write: true, create: true, truncate: true });
    await upload.write(Buffer.from('new'), 0);
    upload.close().catch(() => undefined);
    await until(() => reached);
    await new Promise(resolve => setTimeout(resolve, 50));
    t.deepEqual(await restart(), { events: ['upload.completed /f'], temporaries: [], pending: 0 });
    t.is(await content('f'), 'old');
  });
}

test('killed after the rename: the event is delivered, also when a later upload has replaced the file since', async t => {
  const { files, restart, content } = await firstLife(t, () => ({ prepare: async next => unsettled(await next()) }));
  await put(files, '/f', 'first');
  await put(files, '/f', 'second');
  await put(files, '/g', 'other');
  await files.removeFile('/g');
  t.deepEqual(await restart(), {
    events: ['upload.completed /f', 'upload.completed /f', 'upload.completed /g', 'file.deleted /g'],
    temporaries: [],
    pending: 0,
  });
  t.is(await content('f'), 'second');
});

test('killed after any other operation: its event is delivered', async t => {
  let settles = true;
  const { files, restart } = await firstLife(t, () => ({
    prepare: async next => (settles ? next() : unsettled(await next())),
  }));
  await put(files, '/f', 'x');
  await files.mkdir('/d');
  await files.mkdir('/e');
  settles = false;
  await files.mkdir('/new');
  await files.copy('/f', '/copy');
  await files.link('/f', '/link');
  await files.rename('/f', '/g');
  await files.rename('/d', '/h');
  await files.removeDirectory('/e');
  const { events, pending } = await restart();
  t.deepEqual(events.slice(3), [
    'directory.created /new',
    'file.copied /f',
    'file.linked /link',
    'file.renamed /f',
    'directory.renamed /d',
    'directory.deleted /e',
  ]);
  t.is(pending, 0);
});

test('killed in the middle of a rename: it is finished, and its event delivered', async t => {
  let hangs = false;
  let prepared = 0;
  const { files, folder, restart } = await firstLife(t, never => ({
    prepare: async next => {
      const pending = await next();
      prepared++;
      return hangs ? never : pending;
    },
  }));
  for (const path of ['/half', '/other', '/taken']) await put(files, path, path);
  hangs = true;
  const before = prepared;
  const renames = [files.rename('/half', '/done'), files.rename('/other', '/later')];
  for (const rename of renames) rename.catch(() => undefined);
  await until(() => prepared === before + renames.length);
  // The first has got its new name, and not lost the old one; the other's new name has been taken by another file.
  await link(join(folder, 'half'), join(folder, 'done'));
  await link(join(folder, 'taken'), join(folder, 'later'));
  const { events, pending } = await restart();
  t.deepEqual(events.slice(3), ['file.renamed /half']);
  t.is(pending, 0);
  t.deepEqual((await readdir(folder)).sort(), ['done', 'later', 'other', 'taken']);
});

test('killed between the event of any other operation and the operation: its event goes', async t => {
  let hangs = false;
  let prepared = 0;
  const { files, restart } = await firstLife(t, never => ({
    prepare: async next => {
      const pending = await next();
      prepared++;
      return hangs ? never : pending;
    },
  }));
  // Each at a place of its own: of one place there is one change at a time.
  for (const path of ['/f1', '/f2', '/f3', '/f4']) await put(files, path, 'x');
  for (const path of ['/d1', '/d2']) await files.mkdir(path);
  hangs = true;
  const operations = [
    files.mkdir('/new'),
    files.removeFile('/f1'),
    files.rename('/f2', '/g'),
    files.copy('/f3', '/copy'),
    files.link('/f4', '/link'),
    files.rename('/d1', '/e'),
    files.removeDirectory('/d2'),
  ].map(work => work.catch(() => undefined));
  await until(() => prepared === operations.length + 6);
  const uploads = ['/f1', '/f2', '/f3', '/f4'].map(path => `upload.completed ${path}`);
  t.deepEqual(await restart(), { events: [...uploads, 'directory.created /d1', 'directory.created /d2'], temporaries: [], pending: 0 });
});
