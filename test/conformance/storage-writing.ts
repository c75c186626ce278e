import {
  cases,
  exists,
  get,
  getBytes,
  namesIn,
  pattern,
  put,
  REPLACE,
  refuses,
  writable,
  writesAnywhere,
  writesAtomically,
} from './storage-case.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const ODD_NAMES = [
  'with space',
  ' leading and trailing ',
  'quote \' and "',
  '-rf',
  '*?[x]{a,b}$HOME`id`',
  'back\\slash',
  'new\nline',
  'tab\tand\u001b[31mescape',
  'üñïçødé',
  'e\u0301 decomposed',
  '日本語',
  '🦊🎉',
  '\u202eright to left',
  '%2e%2e%2f',
  '...',
  '.hidden',
  'a'.repeat(255),
];

const anyOrder = cases([], writesAnywhere, {
  'keeps what is not overwritten': async (t, storage) => {
    await put(storage, '/a', '0123456789');
    const handle = await storage.open('/a', { write: true });
    await handle.write(bytes('ab'), 3);
    await handle.close();
    t.is(await get(storage, '/a'), '012ab56789');
  },
  'takes writes in any order': async (t, storage) => {
    const content = pattern(100_000);
    const handle = await storage.open('/a', REPLACE);
    for (const start of [60_000, 0, 80_000, 20_000, 40_000]) await handle.write(content.subarray(start, start + 20_000), start);
    await handle.close();
    t.true(Buffer.from(content).equals(await getBytes(storage, '/a')));
  },
  'takes writes that overlap in time': async (t, storage) => {
    const content = pattern(64 * 1_000);
    const handle = await storage.open('/a', REPLACE);
    const pieces = Array.from({ length: 64 }, (_, index) => index * 1_000);
    await Promise.all(pieces.map(start => handle.write(content.subarray(start, start + 1_000), start)));
    await handle.close();
    t.true(Buffer.from(content).equals(await getBytes(storage, '/a')));
  },
  'fills a gap with zeros': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('end'), 5_000);
    await handle.close();
    const content = await getBytes(storage, '/a');
    t.is(content.length, 5_003);
    t.true(content.subarray(0, 5_000).every(byte => byte === 0));
  },
  'goes on at the end of a file': async (t, storage) => {
    await put(storage, '/a', 'first');
    const handle = await storage.open('/a', { write: true, create: true });
    await handle.write(bytes(' second'), 5);
    await handle.close();
    t.is(await get(storage, '/a'), 'first second');
  },
  'reads through the handle that wrote': async (t, storage) => {
    const handle = await storage.open('/a', { ...REPLACE, read: true });
    await handle.write(bytes('hello'), 0);
    const target = new Uint8Array(5);
    t.is(await handle.read(target, 0), 5);
    t.is(new TextDecoder().decode(target), 'hello');
    await handle.close();
  },
  'cuts and extends a file that is open': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('0123456789'), 0);
    if (handle.truncate) {
      await handle.truncate(4);
      await handle.truncate(6);
    }
    const expected = handle.truncate ? '0123\0\0' : '0123456789';
    await handle.close();
    t.is(await get(storage, '/a'), expected);
  },
});

const atomic = cases([], writesAtomically, {
  'shows a new file only once it is closed': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('new'), 0);
    t.false(await exists(storage, '/a'));
    await handle.close();
    t.is(await get(storage, '/a'), 'new');
  },
  'keeps the old file whole until the new one is': async (t, storage) => {
    await put(storage, '/a', 'old content');
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('new'), 0);
    t.is(await get(storage, '/a'), 'old content');
    await handle.close();
    t.is(await get(storage, '/a'), 'new');
  },
  'leaves nothing of a file that was given up': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('new'), 0);
    await handle.abort();
    t.false(await exists(storage, '/a'));
  },
  'keeps the old file when the new one is given up': async (t, storage) => {
    await put(storage, '/a', 'old');
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('new'), 0);
    await handle.abort();
    t.is(await get(storage, '/a'), 'old');
  },
});

const basics = cases([], writable, {
  'gives back what was written': async (t, storage) => {
    await put(storage, '/a.txt', 'hello');
    t.is(await get(storage, '/a.txt'), 'hello');
    t.like(await storage.stat('/a.txt'), { name: 'a.txt', type: 'file', size: 5 });
  },
  'keeps every byte value': async (t, storage) => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    await put(storage, '/a', all);
    t.true(Buffer.from(all).equals(await getBytes(storage, '/a')));
  },
  'keeps an empty file': async (t, storage) => {
    await put(storage, '/empty', '');
    t.is((await storage.stat('/empty')).size, 0);
    t.is(await get(storage, '/empty'), '');
  },
  'keeps a file of a mebibyte and a byte': async (t, storage) => {
    const content = pattern(1024 * 1024 + 1);
    await put(storage, '/large', content);
    t.true(Buffer.from(content).equals(await getBytes(storage, '/large', 100_003)));
  },
  'has taken the data when a write resolves': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    const buffer = bytes('first');
    await handle.write(buffer, 0);
    buffer.fill(0);
    await handle.close();
    t.is(await get(storage, '/a'), 'first');
  },
  'writes pieces one after the other': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    const pieces = Array.from({ length: 40 }, (_, index) => pattern(index * 97));
    if (handle.writev) await handle.writev(pieces, 0);
    else await handle.write(Buffer.concat(pieces), 0);
    await handle.close();
    t.true(Buffer.concat(pieces).equals(await getBytes(storage, '/a')));
  },
  'writes and reads at once what it says that it can': async (t, storage) => {
    const handle = await storage.open('/a', { ...REPLACE, read: true });
    const content = pattern(10_000);
    if (handle.atOnce)
      handle.atOnce.write([content.subarray(0, 1), content.subarray(1, 1), content.subarray(1, 9_000), content.subarray(9_000)], 5);
    else await handle.write(content, 5);
    const [first, second] = [new Uint8Array(6_000), new Uint8Array(6_000)];
    if (handle.atOnce) {
      t.is(handle.atOnce.read([first, second], 5), 10_000, 'less only at the end of the file');
      t.is(handle.atOnce.read([first], 10_005), 0);
      t.true(Buffer.concat([first, second]).subarray(0, 10_000).equals(Buffer.from(content)));
    }
    await handle.close();
    t.true(Buffer.from(content).equals((await getBytes(storage, '/a')).subarray(5)));
    const { atOnce } = handle;
    if (atOnce) t.throws(() => atOnce.write([content], 0), { code: 'aborted' });
  },
  'starts from an empty file when told to truncate': async (t, storage) => {
    await put(storage, '/a', 'a longer text');
    await put(storage, '/a', 'short');
    t.is(await get(storage, '/a'), 'short');
  },
  'makes no file unless told to create': async (t, storage) => {
    await refuses(t, storage.open('/absent', { write: true }), 'not-found');
    t.false(await exists(storage, '/absent'));
  },
  'makes a new file exclusively': async (t, storage) => {
    await put(storage, '/a', 'new', { write: true, create: true, exclusive: true });
    t.is(await get(storage, '/a'), 'new');
  },
  'does not open exclusively what is there': async (t, storage) => {
    await put(storage, '/a', 'old');
    await refuses(t, storage.open('/a', { write: true, create: true, exclusive: true, truncate: true }), 'already-exists');
    t.is(await get(storage, '/a'), 'old');
  },
  'tells the size while it is written': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('12345'), 0);
    t.is((await handle.stat()).size, 5);
    await handle.close();
  },
  'flushes where it can': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('kept'), 0);
    await handle.sync?.();
    await handle.close();
    t.is(await get(storage, '/a'), 'kept');
  },
  'gives up without a failure': async (t, storage) => {
    const handle = await storage.open('/a', REPLACE);
    await handle.write(bytes('x'), 0);
    await t.notThrowsAsync(handle.abort());
  },
  'dates a file in milliseconds': async (t, storage) => {
    await put(storage, '/a', 'x');
    const { mtime } = await storage.stat('/a');
    t.true(mtime > 1_000_000_000_000 && mtime < 100_000_000_000_000, `${mtime} is no time in milliseconds`);
  },
  'changes the etag with the content': async (t, storage) => {
    await put(storage, '/a', 'one');
    const { etag } = await storage.stat('/a');
    if (etag === undefined) return t.pass();
    t.is((await storage.stat('/a')).etag, etag);
    await put(storage, '/a', 'three');
    t.not((await storage.stat('/a')).etag, etag);
  },
  'tells two files of the same content apart by etag and keeps them apart': async (t, storage) => {
    await put(storage, '/a', 'same');
    await put(storage, '/b', 'same');
    await put(storage, '/b', 'other');
    t.is(await get(storage, '/a'), 'same');
    t.deepEqual(await namesIn(storage, '/'), ['a', 'b']);
  },
  'keeps odd names as they are, or refuses them': async (t, storage) => {
    const kept: string[] = [];
    for (const name of ODD_NAMES) {
      try {
        await put(storage, `/${name}`, name);
        kept.push(name);
      } catch (error) {
        await refuses(t, Promise.reject(error));
      }
    }
    t.deepEqual(await namesIn(storage, '/'), kept.toSorted());
    for (const name of kept) t.is(await get(storage, `/${name}`), name);
    t.log(`${kept.length} of ${ODD_NAMES.length} kept`);
  },
  'keeps a name of 256 bytes exactly, or refuses it': async (t, storage) => {
    const name = 'b'.repeat(256);
    const failed = await put(storage, `/${name}`, 'x').then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failed) await refuses(t, Promise.reject(failed));
    t.deepEqual(await namesIn(storage, '/'), failed ? [] : [name]);
  },
  'refuses a path of 5,000 bytes or serves it, and stays well': async (t, storage) => {
    const path = '/x'.repeat(2_500);
    await refuses(t, storage.stat(path));
    await put(storage, '/a', 'well');
    t.is(await get(storage, '/a'), 'well');
  },
  'writes many files at once': async (t, storage) => {
    const names = Array.from({ length: 30 }, (_, index) => `file-${index}`);
    await Promise.all(names.map(name => put(storage, `/${name}`, name)));
    t.deepEqual(await Promise.all(names.map(name => get(storage, `/${name}`))), names);
  },
});

/** Cases about the content and the names of files. */
export const writingCases = [...basics, ...anyOrder, ...atomic];
