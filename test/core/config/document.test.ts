import { readFile } from 'node:fs/promises';
import test from 'ava';
import { documentShipped } from '#core/cli/shipped-document.js';
import { configSchema } from '#core/config/schema.js';
import { optionsOf } from '#core/config/shape.js';
import { bundled } from '#extensions/bundled.js';

const shipped = () => documentShipped({ loadShipped: async () => ({ bundled, migrations: [] }) });

test('OPTIONS.md is what the schemas say; `npm run docs` writes it', async t => {
  t.is(await readFile(new URL('../../../../core/config/OPTIONS.md', import.meta.url), 'utf8'), await shipped());
});

test('OPTIONS.md says nothing of the machine that it was made on', async t => {
  t.notRegex(await shipped(), new RegExp(`\\b${process.env.HOSTNAME ?? 'no-such-host'}\\b`));
  t.regex(await shipped(), /`node`<br>`ENTREPOT_NODE` \| the host name/);
});

test('every option of the core has a description, and a default unless it may be absent', t => {
  for (const [path, shape] of optionsOf(configSchema)) {
    t.truthy(shape.description, path.join('.'));
    t.false(shape.required, path.join('.'));
  }
});
