import 'reflect-metadata';
import test, { type ExecutionContext } from 'ava';
import { MemoryStorage } from '#backends/memory/index.js';
import { type Permissions, RIGHTS, type Right } from '#core/db/users.js';
import { MountTable } from '#core/vfs/mounts.js';
import { OpenPlaces } from '#core/vfs/open-places.js';
import { Policy, VERBS, type Verb } from '#core/vfs/policy.js';
import { SessionScope, VfsServices } from '#core/vfs/scope.js';
import { VirtualFileSystem } from '#core/vfs/virtual-file-system.js';
import { startHub, type TestHub } from '../../support/hub.js';
import { codeOf, names, put } from './support.js';

type Where = 'source' | 'target';
/** Any of some rights at one place; each of some at both places, or at neither; each of some at the source that holds at the target. */
type Need = readonly [where: Where | 'alike' | 'covered', ...rights: Right[]];
type Act = (files: VirtualFileSystem) => Promise<unknown>;

const opened =
  (path: string, flags: object): Act =>
  async files =>
    (await files.open(path, flags)).close();
const upload = { write: true, create: true, truncate: true };
const change =
  (attributes: object): Act =>
  files =>
    files.setAttributes('/source/f', attributes);

/** What each verb takes, written down from the manual of rights and not from the code. */
const ORACLE: Record<Verb, readonly [act: Act, ...needs: Need[]]> = {
  stat: [files => files.stat('/source/f'), ['source', 'list', 'download']],
  list: [files => names(files, '/source'), ['source', 'list']],
  read: [opened('/source/f', { read: true }), ['source', 'download']],
  create: [opened('/source/new', upload), ['source', 'upload']],
  replace: [opened('/source/f', upload), ['source', 'overwrite']],
  'remove-file': [files => files.removeFile('/source/f'), ['source', 'delete-files']],
  'remove-directory': [files => files.removeDirectory('/source/d'), ['source', 'delete-directories']],
  'rename-file': [
    files => files.rename('/source/f', '/target/new'),
    ['source', 'rename-files'],
    ['target', 'rename-files'],
    ['covered', 'download', 'overwrite', 'delete-files', 'chmod', 'chown', 'chtimes'],
  ],
  'rename-directory': [
    files => files.rename('/source/d', '/target/new'),
    ['source', 'rename-directories'],
    ['target', 'rename-directories'],
    ['alike', ...RIGHTS],
  ],
  'replace-target': [
    files => files.rename('/source/f', '/target/f', { overwrite: true }),
    ['source', 'rename-files'],
    ['target', 'rename-files'],
    ['target', 'overwrite'],
    ['covered', 'download', 'overwrite', 'delete-files', 'chmod', 'chown', 'chtimes'],
  ],
  'create-directory': [files => files.mkdir('/source/new'), ['source', 'create-directories']],
  copy: [
    files => files.copy('/source/f', '/target/new'),
    ['source', 'download'],
    ['source', 'copy'],
    ['target', 'copy'],
    ['target', 'upload'],
  ],
  'copy-over': [
    files => files.copy('/source/f', '/target/f', { overwrite: true }),
    ['source', 'download'],
    ['source', 'copy'],
    ['target', 'copy'],
    ['target', 'overwrite'],
  ],
  link: [
    files => files.link('/source/f', '/target/new'),
    ['source', 'create-links'],
    ['source', 'download'],
    ['target', 'create-links'],
    ['target', 'upload'],
    ['alike', 'overwrite', 'chmod', 'chown', 'chtimes'],
  ],
  symlink: [files => files.symlink('/target/f', '/source/new'), ['source', 'create-links'], ['target', 'create-links']],
  chmod: [change({ mode: 0o600 }), ['source', 'chmod']],
  chown: [change({ uid: 1, gid: 1 }), ['source', 'chown']],
  chtimes: [change({ mtime: 1_000, atime: 1_000 }), ['source', 'chtimes']],
  resize: [change({ size: 1 }), ['source', 'overwrite']],
};

/** Other operations that take the rights of one of these verbs. */
const ALSO: readonly (readonly [name: string, act: Act, ...needs: Need[]])[] = [
  ['lstat', files => files.lstat('/source/f'), ['source', 'list', 'download']],
  ['readlink', files => files.readlink('/source/l'), ['source', 'list', 'download']],
  ['checksum', files => files.checksum('/source/f', 'sha256'), ['source', 'download']],
  ['open to go on', opened('/source/f', { write: true }), ['source', 'overwrite']],
  ['open to read and write', opened('/source/f', { read: true, write: true }), ['source', 'overwrite'], ['source', 'download']],
  ['mode and times at once', change({ mode: 0o600, mtime: 1_000 }), ['source', 'chmod'], ['source', 'chtimes']],
];

interface Cell {
  readonly title: string;
  readonly rights: Readonly<Record<Where, readonly Right[]>>;
}

function* cells(): Generator<Cell> {
  for (const right of RIGHTS) {
    const rest = RIGHTS.filter(other => other !== right);
    yield { title: `only ${right}`, rights: { source: [right], target: [right] } };
    yield { title: `all but ${right}`, rights: { source: rest, target: rest } };
    yield { title: `all but ${right} at the source`, rights: { source: rest, target: RIGHTS } };
    yield { title: `all but ${right} at the target`, rights: { source: RIGHTS, target: rest } };
    yield { title: `only ${right} at the source`, rights: { source: [right], target: RIGHTS } };
  }
  yield { title: 'everything', rights: { source: RIGHTS, target: RIGHTS } };
  yield { title: 'nothing', rights: { source: [], target: [] } };
}

/** Files of a session with these permissions, on a store of its own. */
async function filesWith(hub: TestHub, permissions: Permissions): Promise<VirtualFileSystem> {
  const backend = new MemoryStorage();
  const info = { id: 's', user: 'alice', protocol: 'test', tls: true, remoteAddress: '127.0.0.1', startedAt: new Date().toISOString() };
  const mounts = new MountTable([{ path: '/', storage: 'memory', directory: '/' }], async () => backend);
  const scope = new SessionScope(
    info,
    'alice',
    new Policy({ '/': ['*'] }, []),
    mounts,
    new AbortController().signal,
    new OpenPlaces(256, 1_024),
  );
  const files = new VirtualFileSystem(scope, hub.hub.get(VfsServices));
  for (const directory of ['/source', '/target', '/source/d']) await files.mkdir(directory);
  for (const path of ['/source/f', '/target/f']) await put(files, path, 'content');
  await files.symlink('/source/f', '/source/l');
  scope.policy = new Policy(permissions, []);
  return files;
}

function holds([where, ...which]: Need, { source, target }: Cell['rights']): boolean {
  if (where === 'alike') return which.every(right => source.includes(right) === target.includes(right));
  if (where === 'covered') return which.every(right => source.includes(right) || !target.includes(right));
  return which.some(right => (where === 'source' ? source : target).includes(right));
}

async function compare(t: ExecutionContext, hub: TestHub, name: string, act: Act, needs: readonly Need[]): Promise<number> {
  let count = 0;
  for (const { title, rights } of cells()) {
    const files = await filesWith(hub, { '/source': rights.source, '/target': rights.target });
    const allowed = needs.every(need => holds(need, rights));
    t.is(await codeOf(act(files)), allowed ? 'done' : 'permission-denied', `${name} with ${title}`);
    count++;
  }
  return count;
}

test('each verb takes its rights at its directories, and no others', async t => {
  const hub = await startHub(t, { values: { events: { record: [] } } });
  t.deepEqual(Object.keys(ORACLE).sort(), Object.keys(VERBS).sort());
  let count = 0;
  for (const [verb, [act, ...needs]] of Object.entries(ORACLE)) count += await compare(t, hub, verb, act, needs);
  for (const [name, act, ...needs] of ALSO) count += await compare(t, hub, name, act, needs);
  t.true(count >= 1_500, `${count} cells`);
});

test('without the right, what is there and what is not are told apart by nothing', async t => {
  const hub = await startHub(t, { values: { events: { record: [] } } });
  const acts: readonly ((files: VirtualFileSystem, name: string) => Promise<unknown>)[] = [
    (files, name) => files.stat(`/source/${name}`),
    (files, name) => files.lstat(`/source/${name}`),
    (files, name) => files.readlink(`/source/${name}`),
    (files, name) => files.open(`/source/${name}`, { read: true }),
    (files, name) => files.open(`/source/${name}`, { write: true }),
    (files, name) => files.open(`/source/${name}`, upload),
    (files, name) => files.removeFile(`/source/${name}`),
    (files, name) => files.removeDirectory(`/source/${name}`),
    (files, name) => files.rename(`/source/${name}`, '/target/new'),
    (files, name) => files.copy(`/source/${name}`, '/target/new'),
    (files, name) => files.link(`/source/${name}`, '/target/new'),
    (files, name) => files.mkdir(`/source/${name}`),
    (files, name) => files.checksum(`/source/${name}`, 'md5'),
    (files, name) => files.setAttributes(`/source/${name}`, { mode: 0o600 }),
    (files, name) => names(files, `/source/${name}`),
  ];
  for (const act of acts) {
    for (const name of ['f', 'd', 'absent']) {
      const files = await filesWith(hub, { '/source': [], '/target': RIGHTS });
      t.is(await codeOf(act(files, name)), 'permission-denied', `${act} ${name}`);
    }
  }
});

test('what lies in a drop box cannot be moved to where it can be read', async t => {
  const hub = await startHub(t, { values: { events: { record: [] } } });
  const drop: Permissions = { '/': ['*'], '/source': ['list', 'upload', 'rename-files', 'rename-directories'] };
  const files = await filesWith(hub, drop);
  t.is(await codeOf(files.rename('/source/f', '/f')), 'permission-denied');
  t.is(await codeOf(files.rename('/source/d', '/d')), 'permission-denied');
  await files.rename('/source/f', '/source/g');
  await files.rename('/source/d', '/source/e');
  await files.rename('/target/f', '/source/f');
});

test('rights come from the nearest directory that has any, wildcards included', t => {
  const policy = new Policy(
    { '/': ['list'], '/home/*': ['*'], '/home/bob': ['download'], '/home/*/in?': ['upload'], '/slash/': ['copy'], '/home/x/y/z': [] },
    [],
  );
  const rows = [
    ['/f', ['list']],
    ['/home/f', ['list']],
    ['/home/alice/f', RIGHTS],
    ['/home/alice/deep/er/f', RIGHTS],
    ['/home/bob/f', ['download']],
    ['/home/bob/deep/f', ['download']],
    ['/home/alice/in1/f', ['upload']],
    ['/home/bob/in1/x/f', ['upload']],
    ['/home/alice/in12/f', RIGHTS],
    ['/home/x/y/z/f', []],
    ['/home/x/y/z/deep/f', []],
    ['/home/x/y/f', RIGHTS],
    ['/slash/f', ['copy']],
    ['/slashes/f', ['list']],
  ] as const;
  const single: Partial<Record<Right, Verb>> = {
    list: 'list',
    download: 'read',
    upload: 'create',
    'delete-files': 'remove-file',
    chmod: 'chmod',
  };
  for (const [path, rights] of rows) {
    for (const [right, verb] of Object.entries(single)) {
      const place = (verb === 'list' ? path.slice(0, path.lastIndexOf('/')) || '/' : path) as Parameters<Policy['allows']>[1];
      t.is(policy.allows(verb, place), (rights as readonly string[]).includes(right), `${right} for ${path}`);
    }
  }
});

test('who has no entry at all may do nothing', t => {
  const policy = new Policy({}, []);
  const path = '/f' as Parameters<Policy['allows']>[1];
  for (const verb of Object.keys(VERBS) as Verb[]) t.false(policy.allows(verb, path), verb);
});

test('the depth of a path costs a policy nothing', t => {
  const policy = new Policy({ '/': ['list'], '/*/*': ['*'] }, []);
  const deep = `/${'a/'.repeat(2_000)}a` as Parameters<Policy['allows']>[1];
  // A walk over all 2,000 directories each time runs into the time limit of the tests.
  for (let i = 0; i < 2_000; i++) t.true(policy.allows('stat', deep) && !policy.hides(deep));
});
