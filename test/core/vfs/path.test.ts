import test from 'ava';
import fc from 'fast-check';
import { HubError } from '#core/errors.js';
import { childOf, isWithin, nameOf, parentOf, ROOT, rebase, segmentsOf, type VirtualPath, virtualPath } from '#core/vfs/path.js';

const SEGMENTS = [
  'a',
  'b',
  '.',
  '..',
  '...',
  '',
  '\\',
  '..\\..',
  '%2e',
  '%2e%2e',
  '\0',
  '\u00e9',
  'e\u0301',
  'a.',
  'a ',
  ' ',
  '😀',
  '-rf',
  '\n',
];
const rawPath = fc
  .tuple(fc.constantFrom('', '/', '//'), fc.array(fc.constantFrom(...SEGMENTS), { maxLength: 12 }), fc.constantFrom('', '/'))
  .map(([start, segments, end]) => start + segments.join('/') + end);

/** Written another way than the code: a stack machine on the text. */
function expected(raw: string): string | undefined {
  if (raw.includes('\0')) return undefined;
  const stack = raw.split(/\/+/).reduce((kept, part) => {
    if (part === '..') return kept.replace(/\/[^/]*$/, '');
    return part === '' || part === '.' ? kept : `${kept}/${part}`;
  }, '');
  return stack || '/';
}

function normal(raw: string): string | undefined {
  try {
    return virtualPath(raw);
  } catch (error) {
    if (error instanceof HubError && error.code === 'invalid-request') return undefined;
    throw error;
  }
}

test('50,000 paths each have one normal form, absolute and without a way up, or are refused', t => {
  fc.assert(
    fc.property(rawPath, raw => {
      const path = normal(raw);
      if (path !== expected(raw)) return false;
      if (path === undefined) return true;
      const clean = path.startsWith('/') && segmentsOf(path).every(segment => segment !== '' && segment !== '.' && segment !== '..');
      return clean && virtualPath(path) === path && isWithin(path, ROOT);
    }),
    { numRuns: 50_000 },
  );
  t.pass();
});

test('a path is put together again from its directory and its name', t => {
  fc.assert(
    fc.property(rawPath, raw => {
      const path = normal(raw) as VirtualPath | undefined;
      if (path === undefined || path === ROOT) return true;
      return childOf(parentOf(path), nameOf(path)) === path && isWithin(path, parentOf(path)) && !isWithin(parentOf(path), path);
    }),
    { numRuns: 5_000 },
  );
  t.is(parentOf(ROOT) as string, '/');
  t.is(nameOf(ROOT), '');
  t.deepEqual(segmentsOf(ROOT), []);
});

test('NFC and NFD stay two names, and bytes that only look like others stay what they are', t => {
  t.not(virtualPath('/\u00e9'), virtualPath('/e\u0301'));
  t.is(virtualPath('/%2e%2e/x') as string, '/%2e%2e/x');
  t.is(virtualPath('/..\\..\\x') as string, '/..\\..\\x');
  t.is(virtualPath('C:\\x') as string, '/C:\\x');
});

test('refuses NUL and halves of surrogate pairs', t => {
  for (const raw of ['\0', 'a\0b', '/a/\0/..', '\ud800', 'a/\udc00b']) t.throws(() => virtualPath(raw), { code: 'invalid-request' }, raw);
  t.is(virtualPath('/\ud83d\ude00') as string, '/😀');
});

test('a name has 255 bytes at most, whatever its characters', t => {
  t.is(virtualPath('a'.repeat(255)).length, 256);
  t.throws(() => virtualPath('a'.repeat(256)), { code: 'invalid-request' });
  t.notThrows(() => virtualPath('é'.repeat(127)));
  t.throws(() => virtualPath('é'.repeat(128)), { code: 'invalid-request' });
  t.notThrows(() => virtualPath('😀'.repeat(63)));
  t.throws(() => virtualPath('😀'.repeat(64)), { code: 'invalid-request' });
});

test('a path has 4,096 bytes at most, and a long detour is measured by where it ends', t => {
  t.is(Buffer.byteLength(virtualPath('/abcdefg'.repeat(512))), 4096);
  t.throws(() => virtualPath(`${'/abcdefg'.repeat(512)}/a`), { code: 'invalid-request' });
  t.throws(() => virtualPath('/é234567'.repeat(512)), { code: 'invalid-request' });
  t.is(virtualPath(`${'x/../'.repeat(3_000)}a`) as string, '/a');
  t.throws(() => virtualPath('x/../'.repeat(4_000)), { code: 'invalid-request' });
});

test('a directory holds what lies below it by whole names', t => {
  t.true(isWithin('/a', '/a'));
  t.true(isWithin('/a/b', '/a'));
  t.true(isWithin('/a', '/'));
  t.false(isWithin('/ab', '/a'));
  t.false(isWithin('/', '/a'));
  t.false(isWithin('/a', '/a/b'));
});

test('what lies below one directory is moved to the same place below another', t => {
  const rows = [
    ['/a/b', '/a', '/x', '/x/b'],
    ['/a', '/a', '/x', '/x'],
    ['/a', '/a', '/', '/'],
    ['/a/b/c', '/a', '/', '/b/c'],
    ['/a/b', '/', '/x', '/x/a/b'],
    ['/', '/', '/x', '/x'],
    ['/a', '/', '/', '/a'],
  ] as const;
  for (const [path, from, to, moved] of rows) t.is(rebase(path, from, to) as string, moved, `${path} ${from} ${to}`);
  fc.assert(
    fc.property(rawPath, raw => {
      const path = normal(raw);
      return path === undefined || (rebase(rebase(path, '/', '/m/n'), '/m/n', '/') as string) === path;
    }),
    { numRuns: 5_000 },
  );
});
