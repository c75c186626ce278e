import 'reflect-metadata';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { openSession } from '../../support/hub.js';
import { get, hubOn, put, recorded } from './support.js';

test('a session of operations leaves exactly its events, with what they are to say', async t => {
  const hub = await hubOn(t, new MemoryStorage(), { alice: { mounts: [{ path: '/', storage: 'double', directory: '/home' }] } });
  const session = await openSession(hub.hub, 'alice');
  const { files } = session;
  await files.mkdir('/d');
  await put(files, '/d/f', 'content');
  await put(files, '/d/f', 'more content');
  await get(files, '/d/f');
  await files.stat('/d/f');
  await files.setAttributes('/d/f', { mode: 0o600, mtime: 1_000 });
  await files.checksum('/d/f', 'sha256');
  await files.copy('/d/f', '/copy');
  await files.rename('/copy', '/renamed');
  await files.rename('/renamed', '/renamed');
  await files.link('/renamed', '/linked');
  await files.symlink('/d/f', '/symlinked');
  await files.removeFile('/linked');
  await files.rename('/d', '/e');
  await files.removeFile('/e/f');
  await files.removeDirectory('/e');
  const sparse = await files.open('/sparse', { write: true, create: true, truncate: true });
  await sparse.write(Buffer.from('ab'), 8);
  await sparse.write(Buffer.alloc(0), 100);
  await sparse.close();
  const dropped = await files.open('/renamed', { read: true });
  await dropped.read(Buffer.alloc(4), 0);
  await session.end('The client left');
  const told = (await recorded(hub)).map(({ type, data, subject }) => {
    const { session: who, storage, durationMs, ...rest } = data as unknown as Record<string, unknown>;
    t.deepEqual(who, session.info);
    if (type.startsWith('session')) return { type, ...rest };
    t.is(storage, 'double');
    t.is(subject, rest.path as string);
    if (/load/.test(type)) t.true(Number.isInteger(durationMs) && (durationMs as number) >= 0);
    return { type, ...rest };
  });
  const at = (path: string) => ({ path, storagePath: `/home${path}` });
  t.deepEqual<unknown, unknown>(told, [
    { type: 'directory.created', ...at('/d') },
    { type: 'upload.completed', ...at('/d/f'), size: 7, bytes: 7, replaced: false },
    { type: 'upload.completed', ...at('/d/f'), size: 12, bytes: 12, replaced: true },
    { type: 'download.completed', ...at('/d/f'), size: 12, bytes: 12 },
    { type: 'file.copied', ...at('/d/f'), target: '/copy' },
    { type: 'file.renamed', ...at('/copy'), target: '/renamed', targetStoragePath: '/home/renamed', replaced: false },
    { type: 'file.linked', ...at('/linked'), target: '/renamed' },
    { type: 'file.linked', ...at('/symlinked'), target: '/d/f' },
    { type: 'file.deleted', ...at('/linked'), size: 12 },
    { type: 'directory.renamed', ...at('/d'), target: '/e' },
    { type: 'file.deleted', ...at('/e/f'), size: 12 },
    { type: 'directory.deleted', ...at('/e') },
    { type: 'upload.completed', ...at('/sparse'), size: 10, bytes: 2, replaced: false },
    { type: 'download.failed', ...at('/renamed'), size: 12, bytes: 4, reason: 'The client left' },
    { type: 'session.ended', reason: 'The client left' },
  ]);
});
