import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { REPOSITORY } from '../support/hub-process.js';

const SOURCES = join(REPOSITORY, 'web/ui');
const BUILT = join(REPOSITORY, 'dist/web/ui');
const MAX_SCRIPT_BYTES = 300 * 1024;

/** A part of a build: its file, and those that it loads with it or later. */
interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
}

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
const pages = () => filesOf(SOURCES).filter(file => /\.tsx?$/.test(file));

/** Every text of a language by name, read from its sources: the pages are a project of their own. */
function texts(language: string): Map<string, string> {
  const found = filesOf(join(SOURCES, 'texts', language)).flatMap(file => [
    ...readFileSync(file, 'utf8').matchAll(/^ {2}'([\w.-]+)':\s*((?:.|\n(?! {2}'|\} as|\};))*)/gm),
  ]);
  return new Map(found.map(([, name, text]) => [name!, text!]));
}

const places = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, place]) => place!))].sort();

test('German has every text of English, with the same places to fill', t => {
  const [english, german] = [texts('en'), texts('de')];
  t.true(english.size > 80);
  t.deepEqual([...german.keys()].sort(), [...english.keys()].sort());
  for (const [name, text] of english) t.deepEqual(places(german.get(name)!), places(text), name);
});

test('no text is left that no page shows', t => {
  const sources = pages()
    .filter(file => !file.includes('/texts/'))
    .map(file => readFileSync(file, 'utf8'))
    .join('\n');
  // A name may be put together: `role.${role}` shows every text that begins so.
  const families = [...sources.matchAll(/`([\w.-]+\.)\$\{/g)].map(([, start]) => start!);
  const unused = [...texts('en').keys()].filter(name => !sources.includes(`'${name}'`) && !families.some(start => name.startsWith(start)));
  t.deepEqual(unused, []);
});

test('only the components know the component library', t => {
  const offences = pages().filter(
    file => !file.startsWith(join(SOURCES, 'components/')) && /from '@mantine\//.test(readFileSync(file, 'utf8')),
  );
  t.deepEqual(offences, []);
});

const LANGUAGES = ['texts/en/index.ts', 'texts/de/index.ts'];

for (const entry of ['admin', 'client']) {
  test(`the scripts of ${entry}.html with the larger of the languages are at most 300 KiB, compressed`, t => {
    const manifest = JSON.parse(readFileSync(join(BUILT, 'manifest.json'), 'utf8')) as Readonly<Record<string, Chunk>>;
    const size = (name: string) => gzipSync(readFileSync(join(BUILT, manifest[name]!.file)), { level: 9 }).length;
    const seen = new Set<string>();
    const follow = (name: string): void => {
      if (seen.has(name)) return;
      seen.add(name);
      for (const next of [...(manifest[name]?.imports ?? []), ...(manifest[name]?.dynamicImports ?? [])]) follow(next);
    };
    follow(`${entry}.html`);
    const common = [...seen].filter(name => manifest[name]!.file.endsWith('.js') && !LANGUAGES.includes(name));
    t.is(seen.size - [...seen].filter(name => !LANGUAGES.includes(name)).length, LANGUAGES.length);
    const bytes = common.reduce((sum, name) => sum + size(name), Math.max(...LANGUAGES.map(size)));
    t.log(`${common.length} scripts and a language, ${Math.round(bytes / 1024)} KiB`);
    t.true(common.length > 0);
    t.true(bytes <= MAX_SCRIPT_BYTES, `${bytes} bytes`);
  });
}

test('nothing that was built asks anybody else', t => {
  // Placeholders, names of XML, and of pages that messages of libraries point to: read by people, and never loaded.
  const named = /^https?:\/\/(example\.com|www\.w3\.org|react\.dev|mantine\.dev|tanstack\.com|github\.com)\b/;
  const offences = filesOf(BUILT)
    .filter(file => /\.(js|css|html)$/.test(file))
    .flatMap(file => [...readFileSync(file, 'utf8').matchAll(/https?:\/\/[\w.-]+\.[a-z]{2,}[\w./-]*/g)].map(([address]) => address))
    .filter(address => !named.test(address));
  t.deepEqual([...new Set(offences)], []);
});
