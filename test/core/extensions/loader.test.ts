import 'reflect-metadata';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HubError } from '#core/errors.js';
import { importExtension, requireCompatible } from '#core/extensions/loader.js';
import { startHub } from '../../support/hub.js';
import { codeOf, put } from '../vfs/support.js';

async function folder(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'entrepot-extension-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}

const source = (name: string, body = '', api = '^1.0.0') =>
  `import { defineExtension, HubError } from 'entrepot';
export default defineExtension({ name: '${name}', api: '${api}', register(hub) { ${body} } });`;

/** The sentence with which a hub does not start. */
async function refusal(t: ExecutionContext, key: string): Promise<string> {
  const error = await t.throwsAsync(startHub(t, { values: { extensions: { [key]: {} } } }), { instanceOf: HubError });
  t.true(error!.message.includes(key), error!.message);
  t.false(error!.message.includes('\n'));
  return error!.message.replaceAll(key, 'KEY');
}

test('whatever is wrong with an extension is one sentence that names it', async t => {
  const root = await folder(t, {
    'range.mjs': source('a', '', '^2.0.0'),
    'unreadable.mjs': source('a', '', 'whatever'),
    'kind.mjs': source('a', "hub.backend({ name: 'local' })"),
    'protocol.mjs': source('a', "hub.protocol({ name: 'sftp' })"),
    'throws.mjs': source('a', "throw new Error('first line\\nsecond line')"),
    'later.mjs': source('a').replace('register(hub)', 'async register(hub)'),
    'empty.mjs': 'export const nothing = 1;',
    'half.mjs': "export default { name: 'half' };",
    'syntax.mjs': 'export default {',
    'needs.mjs': "import 'a-package-that-is-not-there'; export default {};",
    'taken.mjs': source('memory'),
    'often.mjs': source('a', "hub.every(2 ** 40, 'task', async () => {})"),
  });
  const expected: readonly (readonly [string, RegExp])[] = [
    ['range', /^Extension 'KEY' needs extension API \^2\.0\.0, and this hub offers 1\./],
    ['unreadable', /^Extension 'KEY' names an API range that cannot be read \("whatever"\)/],
    ['kind', /^Extension 'KEY' could not be registered: The kind of storage 'local' is registered twice$/],
    ['protocol', /^Extension 'KEY' could not be registered: a protocol named 'sftp' is already there$/],
    ['throws', /^Extension 'KEY' could not be registered: first line second line$/],
    ['later', /^Extension 'KEY' could not be registered: register\(\) is asynchronous/],
    ['empty', /^Extension 'KEY' has no default export made by defineExtension/],
    ['half', /^Extension 'KEY' has no default export made by defineExtension/],
    ['syntax', /^Extension 'KEY' could not be loaded: /],
    ['needs', /^Extension 'KEY' could not be loaded: Cannot find package 'a-package-that-is-not-there'/],
    ['taken', /^Extension 'KEY' is named 'memory', and an extension of that name is already loaded$/],
    ['often', /^Extension 'KEY' could not be registered: The interval of task 'a\/task'/],
    ['absent', /^Extension 'KEY' is not there: KEY does not exist$/],
  ];
  for (const [name, sentence] of expected) t.regex(await refusal(t, join(root, `${name}.mjs`)), sentence);
  t.regex(await refusal(t, 'entrepot-is-not-installed'), /^Extension 'KEY' is not installed: run 'npm install KEY'/);
});

test('an extension is found by path, from the folder of the configuration, and as an installed package', async t => {
  const packageOf = (manifest: object) => JSON.stringify({ name: 'p', version: '1.0.0', type: 'module', ...manifest });
  const root = await folder(t, {
    'file.mjs': source('file'),
    'plain/index.js': `${source('plain')}`,
    'plain/package.json': packageOf({}),
    'node_modules/by-main/package.json': packageOf({ main: './lib/main.js' }),
    'node_modules/by-main/lib/main.js': source('by-main'),
    'node_modules/by-exports/package.json': packageOf({
      exports: { '.': { import: { types: './x.d.ts', default: './esm.js' }, require: './no.cjs' } },
    }),
    'node_modules/by-exports/esm.js': source('by-exports'),
    'node_modules/@scope/short/package.json': packageOf({ exports: './only.js' }),
    'node_modules/@scope/short/only.js': source('short'),
    'deep/er/x': '',
  });
  for (const [key, name] of [
    ['./file.mjs', 'file'],
    [join(root, 'file.mjs'), 'file'],
    ['./plain', 'plain'],
    ['by-main', 'by-main'],
    ['by-exports', 'by-exports'],
    ['@scope/short', 'short'],
  ] as const) {
    const loaded = await importExtension(key, [root]);
    t.is(loaded.extension.name, name, key);
    t.notThrows(() => requireCompatible(loaded));
  }
  t.is((await importExtension('by-main', [join(root, 'deep/er')])).extension.name, 'by-main');
});

test('what an extension outside throws as a HubError is one to the hub, and its reason reaches the client', async t => {
  const body =
    "hub.guard('upload', ({ path }) => { if (path.endsWith('.exe')) throw new HubError('permission-denied', 'No programs here'); });";
  const root = await folder(t, { 'guard.mjs': source('outside', body) });
  const hub = await startHub(t, { users: { alice: {} }, values: { extensions: { [join(root, 'guard.mjs')]: {} } } });
  const files = await hub.files('alice');
  await t.throwsAsync(put(files, '/a.exe', 'x'), { instanceOf: HubError, code: 'permission-denied', message: 'No programs here' });
  t.is(await codeOf(put(files, '/a.txt', 'x')), 'done');
});
