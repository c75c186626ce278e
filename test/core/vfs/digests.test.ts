import 'reflect-metadata';
import { createHash } from 'node:crypto';
import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import type { StorageBackend } from '#core/api.js';
import { DigestSlots } from '#core/vfs/digest-slots.js';
import { altered, alteredHandle, codeOf, hubOn, put, recorded, recordedTypes } from './support.js';

const NEVER = new AbortController().signal;
const md5 = (content: string) => createHash('md5').update(content).digest('hex');

/** A storage whose files have no end. */
function endless(memory: MemoryStorage): StorageBackend {
  const open: StorageBackend['open'] = async (path, flags) =>
    alteredHandle(await memory.open(path, flags), { read: async (target: Uint8Array) => target.length });
  return altered(memory, { open });
}

test('digests of parts of a file are a download of what they are of, that of the whole file is none', async t => {
  const hub = await hubOn(t, new MemoryStorage());
  await put(hub.alice, '/f', `${'a'.repeat(300)}b`);
  t.is(await hub.alice.checksum('/f', 'md5'), md5(`${'a'.repeat(300)}b`));
  t.deepEqual(await recordedTypes(hub), ['upload.completed']);
  t.is(await hub.alice.checksum('/f', 'md5', { offset: 300 }), md5('b'));
  t.is(await hub.alice.checksum('/f', 'md5', { offset: 1, length: 2 }), md5('aa'));
  t.is(await hub.alice.checksum('/f', 'md5', { blockBytes: 300 }), md5('a'.repeat(300)) + md5('b'));
  const [, ...downloads] = await recorded(hub);
  t.deepEqual(
    downloads.map(({ type, data }) => [type, (data as { bytes?: number }).bytes]),
    [
      ['download.completed', 1],
      ['download.completed', 2],
      ['download.completed', 301],
    ],
  );
  t.is(hub.hub.transfers, 0);
});

test('a digest ends when nobody waits for it any more, and lets others have their turns until then', async t => {
  const memory = new MemoryStorage();
  const hub = await hubOn(t, endless(memory));
  await put(hub.alice, '/f', 'x');
  for (const range of [{}, { length: Number.MAX_SAFE_INTEGER }]) {
    const leaving = new AbortController();
    const digest = codeOf(hub.alice.checksum('/f', 'sha512', range, leaving.signal));
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    leaving.abort();
    t.is(await digest, 'aborted');
  }
  t.is(hub.hub.transfers, 0);
});

test('a digest takes no longer than its limit', async t => {
  const hub = await hubOn(t, endless(new MemoryStorage()), { values: { limits: { digestTime: '20ms' } } });
  await put(hub.alice, '/f', 'x');
  t.is(await codeOf(hub.alice.checksum('/f', 'sha512')), 'unavailable');
  const opened = await hub.alice.open('/f', { read: true });
  t.is(await codeOf(hub.alice.digest(opened, 'sha512')), 'unavailable');
  await opened.abort();
});

test('a user has half of the slots at most, others get theirs in order, and who leaves waits no longer', async t => {
  const slots = new DigestSlots(4, 60_000);
  const running: string[] = [];
  const ends: (() => void)[] = [];
  const start = (user: string, signal: AbortSignal = NEVER) =>
    slots.run(
      user,
      signal,
      async () => 0,
      async () => {
        running.push(user);
        await new Promise<void>(resolve => ends.push(resolve));
      },
    );
  const settled = () => new Promise(setImmediate);
  const leaving = new AbortController();
  const works = ['alice', 'alice', 'alice', 'bob'].map(user => start(user));
  const left = codeOf(start('alice', leaving.signal));
  works.push(start('carol'), start('dave'));
  await settled();
  t.deepEqual(running, ['alice', 'alice', 'bob', 'carol']);
  leaving.abort();
  t.is(await left, 'aborted');
  t.is(await codeOf(start('erin', leaving.signal)), 'aborted');
  ends[2]!();
  await settled();
  t.deepEqual(running.slice(4), ['dave']);
  ends[0]!();
  await settled();
  t.deepEqual(running.slice(5), ['alice']);
  for (const end of ends) end();
  await Promise.all(works);
  const again = start('alice');
  await settled();
  ends.at(-1)!();
  await again;
  t.is(running.length, 7);
});
