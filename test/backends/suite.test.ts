import test from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { HubError } from '#core/errors.js';
import type { StorageBackend } from '#core/storage/backend.js';
import { testStorageBackend } from '../conformance/index.js';
import { CASES } from '../conformance/storage-backend.js';

/** A memory storage with some of its methods replaced, or taken away. */
function altered(alter: (storage: MemoryStorage) => Partial<Record<keyof StorageBackend, unknown>>): StorageBackend {
  const storage = new MemoryStorage();
  const replaced = alter(storage);
  return new Proxy(storage, {
    get(target, property) {
      const value: unknown = property in replaced ? replaced[property as keyof StorageBackend] : Reflect.get(target, property);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const readOnly = altered(() => {
  const absent = [
    'mkdir',
    'removeFile',
    'removeDirectory',
    'rename',
    'copy',
    'setAttributes',
    'link',
    'symlink',
    'readlink',
    'space',
  ] as const;
  return Object.fromEntries(absent.map(method => [method, undefined]));
});

testStorageBackend('a read-only backend', async () => {
  const handle = await readOnly.open('/held.txt', { write: true, create: true });
  await handle.write(new Uint8Array(1_000), 0);
  await handle.close();
  return readOnly;
});

/** A defect, the case that has to find it, and how it is made. */
const DEFECTS: readonly [
  defect: string,
  foundBy: string,
  alter: (storage: MemoryStorage) => Partial<Record<keyof StorageBackend, unknown>>,
][] = [
  [
    'replaces when told not to',
    'replaces nothing when told not to',
    s => ({ rename: (a: string, b: string) => MemoryStorage.prototype.rename.call(s, a, b, { replace: true }) }),
  ],
  ['leaves the old name', 'gives a file another name', s => ({ rename: (a: string, b: string) => s.copy(a, b) })],
  [
    'lists an entry twice',
    'lists what lies in a directory, and not what lies deeper or beside it',
    s => ({
      async *list(path: string) {
        for await (const batch of MemoryStorage.prototype.list.call(s, path)) yield [...batch, ...batch];
      },
    }),
  ],
  [
    'forgets to truncate',
    'starts from an empty file when told to truncate',
    s => ({ open: (path: string, flags: object) => MemoryStorage.prototype.open.call(s, path, { ...flags, truncate: false }) }),
  ],
  [
    'ignores exclusive',
    'does not open exclusively what is there',
    s => ({ open: (path: string, flags: object) => MemoryStorage.prototype.open.call(s, path, { ...flags, exclusive: false }) }),
  ],
  [
    'makes what is absent',
    'makes no file unless told to create',
    s => ({ open: (path: string, flags: object) => MemoryStorage.prototype.open.call(s, path, { ...flags, create: true }) }),
  ],
  ['throws an error of its own', 'does not open what is not there', () => ({ open: async () => Promise.reject(new Error('ENOENT')) })],
  [
    'answers another code',
    'says of an entry that is not there that it is not found',
    () => ({ stat: async () => Promise.reject(new HubError('permission-denied', 'no')) }),
  ],
  [
    'removes a directory that holds something',
    'removes no directory that holds something',
    () => ({ removeDirectory: async () => undefined }),
  ],
  [
    'gives one etag to all',
    'changes the etag with the content',
    s => ({ stat: async (path: string) => ({ ...(await MemoryStorage.prototype.stat.call(s, path)), etag: 'same' }) }),
  ],
  [
    'gives times in seconds',
    'dates a file in milliseconds',
    s => ({ stat: async (path: string) => ({ ...(await MemoryStorage.prototype.stat.call(s, path)), mtime: 1_700_000_000 }) }),
  ],
  [
    'keeps the data that it was given',
    'has taken the data when a write resolves',
    s => ({
      open: async (path: string, flags: object) => {
        const handle = await MemoryStorage.prototype.open.call(s, path, flags);
        const later: (() => Promise<void>)[] = [];
        return Object.assign(Object.create(handle) as object, {
          write: async (data: Uint8Array, position: number) => void later.push(() => handle.write(data, position)),
          read: handle.read.bind(handle),
          close: async () => {
            for (const write of later) await write();
          },
        });
      },
    }),
  ],
];

for (const [defect, foundBy, alter] of DEFECTS) {
  test(`finds a backend that ${defect}`, async t => {
    const found = CASES.find(one => one.title === foundBy);
    t.truthy(found, `there is no case '${foundBy}'`);
    const sound = await t.try(
      async inner =>
        void (await found?.run(
          inner,
          altered(() => ({})),
        )),
    );
    sound.discard();
    const broken = await t.try(async inner => void (await found?.run(inner, altered(alter))));
    broken.discard();
    t.deepEqual({ sound: sound.passed, broken: broken.passed }, { sound: true, broken: false });
  });
}

test('has at least sixty cases, each with a title of its own', t => {
  t.true(CASES.length >= 60);
  t.is(new Set(CASES.map(one => one.title)).size, CASES.length);
});

test('refuses to skip a case that does not exist', t => {
  t.throws(() => testStorageBackend('x', async () => new MemoryStorage(), { skip: { 'no such case': 'a slip' } }), {
    message: /no such case/,
  });
});
