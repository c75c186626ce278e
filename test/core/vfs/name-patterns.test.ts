import test from 'ava';
import type { NamePattern } from '#core/db/users.js';
import { startHub, type TestHub } from '../../support/hub.js';
import { codeOf, names, put } from './support.js';

const pattern = (changes: Partial<NamePattern>): NamePattern => ({ path: '/', allow: [], deny: [], hidden: false, ...changes });

/** Bob puts files where alice, who has the same home, is held to `patterns`. */
async function held(t: Parameters<typeof startHub>[0], patterns: readonly NamePattern[]) {
  const mounts = [{ path: '/', storage: 'memory', directory: '/home' }];
  const hub: TestHub = await startHub(t, { users: { alice: { mounts, patterns }, bob: { mounts } } });
  return { alice: await hub.files('alice'), bob: await hub.files('bob') };
}

test('a denied name can be neither made nor read nor removed nor become the name of another file', async t => {
  const { alice, bob } = await held(t, [pattern({ deny: ['*.exe', '~*'] })]);
  await put(bob, '/bad.exe', 'x');
  await put(bob, '/good.txt', 'x');
  const acts: Readonly<Record<string, () => Promise<unknown>>> = {
    create: () => put(alice, '/new.exe', 'x'),
    'create in capitals': () => put(alice, '/NEW.EXE', 'x'),
    'create by the other pattern': () => put(alice, '/~lock', 'x'),
    replace: () => put(alice, '/bad.exe', 'x'),
    read: () => alice.open('/bad.exe', { read: true }),
    checksum: () => alice.checksum('/bad.exe', 'md5'),
    'rename to': () => alice.rename('/good.txt', '/good.Exe'),
    'rename from': () => alice.rename('/bad.exe', '/bad.txt'),
    'copy to': () => alice.copy('/good.txt', '/copy.exe'),
    'copy from': () => alice.copy('/bad.exe', '/copy.txt'),
    'link to': () => alice.link('/good.txt', '/link.exe'),
    'link from': () => alice.link('/bad.exe', '/link.txt'),
    symlink: () => alice.symlink('/good.txt', '/link.exe'),
    remove: () => alice.removeFile('/bad.exe'),
    chmod: () => alice.setAttributes('/bad.exe', { mode: 0o600 }),
  };
  for (const [name, act] of Object.entries(acts)) t.is(await codeOf(act()), 'permission-denied', name);
  t.deepEqual(await names(alice, '/'), ['bad.exe', 'good.txt']);
  t.is((await alice.stat('/bad.exe')).size, 1);
});

test('a denied name is denied in disguise too: with dots and spaces at its end, and in characters that stand for others', async t => {
  const { alice } = await held(t, [pattern({ deny: ['*.exe', 'ca*', 'prog'] })]);
  const disguises = [
    'x.exe.',
    'x.exe ',
    'x.exe . .',
    'x.\uff45xe',
    'x\uff0eexe',
    'X.\uff25XE\u3000',
    'x.exe\u2026',
    'prog.',
    '\u{1d41c}\u{1d41a}t',
  ];
  for (const name of disguises) t.is(await codeOf(put(alice, `/${name}`, 'x')), 'permission-denied', name);
  for (const name of ['x.ex\u00e9', 'exe.', '. ', 'x.exe.txt', '\u53e4.txt', 'program.']) await put(alice, `/${name}`, 'x');
  t.is((await names(alice, '/')).length, 6);
});

test('a hidden name is hidden in disguise too', async t => {
  const { alice, bob } = await held(t, [pattern({ deny: ['secret'], hidden: true })]);
  for (const name of ['secret', 'secret.', '\uff53ecret ']) await put(bob, `/${name}`, 'x');
  t.deepEqual(await names(alice, '/'), []);
  t.is(await codeOf(alice.stat('/secret.')), 'not-found');
});

test('where names are listed, only those may be used', async t => {
  const { alice } = await held(t, [pattern({ allow: ['*.csv', '*.txt'], deny: ['secret*'] })]);
  await put(alice, '/a.csv', 'x');
  await put(alice, '/B.CSV', 'x');
  await alice.mkdir('/folder.d');
  t.is(await codeOf(put(alice, '/a.doc', 'x')), 'permission-denied');
  t.is(await codeOf(put(alice, '/Secret.csv', 'x')), 'permission-denied');
  t.is(await codeOf(alice.rename('/a.csv', '/a.doc')), 'permission-denied');
  await alice.rename('/a.csv', '/folder.d/a.txt');
});

test('the entry of the nearest directory decides, and those above it not', async t => {
  const { alice } = await held(t, [pattern({ deny: ['*.exe'] }), pattern({ path: '/tools/', deny: ['*.txt'] })]);
  await alice.mkdir('/tools');
  await alice.mkdir('/tools/deep');
  await put(alice, '/tools/a.exe', 'x');
  await put(alice, '/tools/deep/a.exe', 'x');
  t.is(await codeOf(put(alice, '/tools/a.txt', 'x')), 'permission-denied');
  t.is(await codeOf(alice.rename('/tools/a.exe', '/a.exe')), 'permission-denied');
  t.is(await codeOf(alice.copy('/tools/a.exe', '/a.exe')), 'permission-denied');
});

test('a hidden name is not there: in no listing, not in the middle of a path, for no verb', async t => {
  const { alice, bob } = await held(t, [pattern({ deny: ['hidden*'], hidden: true })]);
  await bob.mkdir('/hidden.d');
  await put(bob, '/hidden.d/f', 'x');
  await put(bob, '/hidden.txt', 'x');
  await put(bob, '/shown.txt', 'x');
  t.deepEqual(await names(alice, '/'), ['shown.txt']);
  const acts: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    stat: path => alice.stat(path),
    lstat: path => alice.lstat(path),
    list: path => names(alice, path),
    read: path => alice.open(path, { read: true }),
    write: path => put(alice, path, 'x'),
    remove: path => alice.removeFile(path),
    removeDirectory: path => alice.removeDirectory(path),
    mkdir: path => alice.mkdir(path),
    'rename from': path => alice.rename(path, '/n'),
    'rename to': path => alice.rename('/shown.txt', path),
    'copy from': path => alice.copy(path, '/n'),
    'copy to': path => alice.copy('/shown.txt', path),
    'link to': path => alice.link('/shown.txt', path),
    'symlink at': path => alice.symlink('/shown.txt', path),
    chmod: path => alice.setAttributes(path, { mode: 0o600 }),
    checksum: path => alice.checksum(path, 'md5'),
    readlink: path => alice.readlink(path),
    space: path => alice.space(path),
  };
  for (const [name, act] of Object.entries(acts)) {
    for (const path of ['/hidden.txt', '/HIDDEN.txt', '/hidden.d', '/hidden.d/f', '/hidden.none', '/hidden.d/../hidden.txt'])
      t.is(await codeOf(act(path)), 'not-found', `${name} ${path}`);
  }
  t.is(await codeOf(alice.symlink('/hidden.txt', '/link')), 'permission-denied');
});

test('what a hidden list of names leaves out is invisible and out of reach, and folders are not judged', async t => {
  const { alice, bob } = await held(t, [pattern({ allow: ['*.csv'], hidden: true })]);
  await bob.mkdir('/folder');
  await put(bob, '/other.doc', 'x');
  await put(bob, '/a.csv', 'x');
  await bob.symlink('/a.csv', '/link.doc');
  t.deepEqual(await names(alice, '/'), ['a.csv', 'folder']);
  for (const act of [
    () => alice.stat('/other.doc'),
    () => alice.lstat('/link.doc'),
    () => alice.readlink('/link.doc'),
    () => alice.open('/other.doc', { read: true }),
    () => alice.removeFile('/other.doc'),
    () => alice.setAttributes('/other.doc', { mode: 0o600 }),
    () => alice.rename('/other.doc', '/other.csv'),
    () => put(alice, '/new.doc', 'x'),
  ])
    t.is(await codeOf(act()), 'not-found', String(act));
  t.is((await alice.stat('/folder')).type, 'directory');
});

test('the name of the folder of unfinished uploads is reserved at every level, in any case, for every verb', async t => {
  const hub = await startHub(t, { users: { alice: { mounts: [{ path: '/', storage: 'memory', directory: '/' }] } } });
  const alice = await hub.files('alice');
  await put(alice, '/f', 'x');
  await alice.mkdir('/d');
  t.deepEqual(await names(alice, '/'), ['d', 'f']);
  for (const path of ['/.entrepot', '/.ENTREPOT', '/.entrepot/x', '/d/.entrepot', '/d/.Entrepot/x', '/d/../.entrepot']) {
    for (const act of [
      () => alice.stat(path),
      () => names(alice, path),
      () => alice.mkdir(path),
      () => put(alice, path, 'x'),
      () => alice.open(path, { read: true }),
      () => alice.rename('/f', path),
      () => alice.rename(path, '/g'),
      () => alice.copy('/f', path),
      () => alice.removeDirectory(path),
      () => alice.setAttributes(path, { mode: 0o777 }),
      () => alice.symlink('/f', path),
    ])
      t.is(await codeOf(act()), 'not-found', `${act} ${path}`);
  }
  t.is(await codeOf(alice.symlink('/.entrepot', '/l')), 'permission-denied');
  await put(alice, '/.entrepot.txt', 'x');
});

test('a directory moves only to where the same rules hold, for it and below it', async t => {
  const hub = await startHub(t, {
    users: {
      alice: {
        permissions: { '/': ['*'], '/a/locked/in': ['list'], '/b/*/in': ['list'] },
        patterns: [pattern({ path: '/named', deny: ['*.exe'] }), pattern({ path: '/x/below', deny: ['*'] })],
      },
    },
  });
  const alice = await hub.files('alice');
  for (const path of ['/a', '/a/locked', '/b', '/b/d', '/named', '/named/d', '/free', '/free/d', '/x', '/y', '/y/z'])
    await alice.mkdir(path);
  const refused = [
    ['/a', '/n'],
    ['/a/locked', '/n'],
    ['/b/d', '/n'],
    ['/free/d', '/b/n'],
    ['/free/d', '/named/d2'],
    ['/named/d', '/n'],
    ['/x', '/n'],
    ['/y', '/x/below'],
  ] as const;
  for (const [from, to] of refused) t.is(await codeOf(alice.rename(from, to)), 'permission-denied', `${from} ${to}`);
  t.is(await codeOf(alice.rename('/y', '/y/z/y')), 'invalid-request');
  await alice.rename('/free', '/moved');
  await alice.rename('/named/d', '/named/e');
  t.deepEqual(await names(alice, '/moved'), ['d']);
});
