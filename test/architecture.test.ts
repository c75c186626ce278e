import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../..', import.meta.url));
const door = /^#core\/api\.js$/;

/** Folder, what it may import from the other folders, and the packages that are its own business. */
const RULES: readonly [folder: string, internal: RegExp, packages: RegExp][] = [
  [
    'core',
    /^#extensions\/bundled\.js$/,
    /^(tsyringe|reflect-metadata|eventemitter3|knex|better-sqlite3|mysql2|pg|bullmq|ioredis|zod|yaml|semver|commander|pino|pino-pretty|ipaddr\.js|undici|otpauth|@node-rs\/argon2)$/,
  ],
  ['backends/*', door, /^ssh2$/],
  ['protocols/*', door, /^(ssh2|ftp-srv)$/],
  ['extensions/*', door, /^$/],
  ['extensions', /^(#core\/api\.js|#(backends|protocols|web|extensions|migrations)\/([\w-]+\/)?index\.js)$/, /^$/],
  ['web', /^#core\//, /^(@hapi\/|jose$|yazl$|qrcode$|prom-client$|tsyringe$)/],
  ['web/ui', /^$/, /./],
  ['migrations', /^$/, /^knex$/],
];

/** Inside core, a folder or file may import only from its own line and the lines before it. */
const LAYERS: readonly RegExp[] = [
  /^(errors|data-directory|log|printable|ids|glob|metrics|net|proxy-header|proxy-protocol|version|webhook-secret|outbound|secrets|session-info|time-limit)\.ts$|^(config|tls)\/|^backup\/(place|due)\.ts$/,
  /^(db|storage|cluster)\/|^schedule\.ts$|^secrets\.ts$|^events\/(types|delivery|rule|bus)\.ts$/,
  /^guards\.ts$/,
  /^events\//,
  /^vfs\//,
  /^auth\//,
  /^(protocol\.ts|extensions\/)/,
  /^(configuration|container|expiry-warnings|storage-sweep|take-over|shared-host-keys|hub|api)\.ts$|^backup\//,
  /^operations\//,
  /^control\.ts$/,
  /^cli\//,
  /^main\.ts$/,
];

/** The pages are a project of their own, with a line of their own in RULES. */
const isPage = (file: string) => file.startsWith(join(root, 'web/ui/'));

const IMPORT = /^(?:import|export)\b[\w\s{},*$]*?\bfrom '([^']+)'|\bimport\('([^']+)'\)/gm;

function sources(folder: string, recursive = true): string[] {
  return readdirSync(join(root, folder), { recursive, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .filter(file => !file.includes('/node_modules/') && !file.includes('/fixtures/'));
}

function imports(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, named, dynamic]) => (named ?? dynamic)!);
}

for (const [pattern, internal, packages] of RULES) {
  const folder = pattern.replace('/*', '');
  const units = pattern.endsWith('/*')
    ? readdirSync(join(root, folder), { withFileTypes: true })
        .filter(entry => entry.isDirectory())
        .map(entry => join(folder, entry.name))
    : [folder];
  for (const unit of units) {
    test(`${unit} imports only what it may`, t => {
      const files = sources(unit, pattern !== 'extensions').filter(file => unit === 'web/ui' || !isPage(file));
      const offences = files.flatMap(file =>
        imports(file)
          .filter(specifier => {
            if (specifier.startsWith('.')) return !`${join(dirname(file), specifier)}/`.startsWith(`${join(root, unit)}/`);
            if (specifier.startsWith('#')) return !internal.test(specifier);
            return !specifier.startsWith('node:') && !packages.test(specifier);
          })
          .map(specifier => `${file.slice(root.length)}: ${specifier}`),
      );
      t.deepEqual(offences, []);
    });
  }
}

test('inside core, lower layers do not know the higher ones', t => {
  const layer = (file: string) => LAYERS.findIndex(pattern => pattern.test(file));
  const core = join(root, 'core');
  const offences: string[] = [];
  for (const file of sources('core')) {
    const name = file.slice(core.length + 1);
    const own = layer(name);
    if (own < 0) offences.push(`${name} stands in no layer`);
    for (const specifier of imports(file).filter(one => one.startsWith('.'))) {
      const other = join(dirname(file), specifier)
        .slice(core.length + 1)
        .replace(/\.js$/, '.ts');
      if (layer(other) > own) offences.push(`${name} imports ${other}`);
    }
  }
  t.deepEqual(offences, []);
});

test('only main knows what is shipped', t => {
  const offences = sources('core').filter(file => !file.endsWith('/core/main.ts') && imports(file).includes('#extensions/bundled.js'));
  t.deepEqual(offences, []);
});

/** Written by `npm run docs`, and read by nobody in one go. */
const GENERATED = 'web/ui/api-types.ts';

test('no file is longer than one reading', t => {
  const long = ['core', 'protocols', 'backends', 'extensions', 'web', 'migrations', 'test']
    .flatMap(folder => sources(folder))
    .map(file => [file.slice(root.length), readFileSync(file, 'utf8').split('\n').length - 1] as const)
    .filter(([file, lines]) => lines > 400 && file !== GENERATED);
  t.deepEqual(long, []);
});

test('the environment is read in one place', t => {
  const allowed = /\/core\/config\/(load|environment)\.ts$/;
  const offences = ['core', 'protocols', 'backends', 'extensions', 'web']
    .flatMap(folder => sources(folder))
    .filter(file => !allowed.test(file) && /process\.env\b/.test(readFileSync(file, 'utf8')));
  t.deepEqual(offences, []);
});

test('the container is touched by those who wire, and nobody else', t => {
  const allowed = /\/(core\/(container|hub)\.ts|web\/index\.ts)$/;
  const offences = ['core', 'protocols', 'backends', 'extensions', 'web']
    .flatMap(folder => sources(folder))
    .filter(
      file =>
        !allowed.test(file) && /\b(container\.(resolve|register\w*)|createChildContainer|@singleton\()/.test(readFileSync(file, 'utf8')),
    );
  t.deepEqual(offences, []);
});

test('the scanner reads what it judges', t => {
  t.true(sources('core').length > 40);
  t.true(sources('core').flatMap(imports).length > 150);
});
