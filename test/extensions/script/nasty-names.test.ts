import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Receipt } from '#core/api.js';
import { hooksFolder, registerScript } from '../support/hooks-folder.js';
import { uploadDelivery } from '../support/host.js';

/** Names of files that mean something to a shell, an interpreter, a terminal or an option parser. */
const NAMES = [
  '$(touch ran)',
  '`touch ran`',
  ';touch ran',
  '|touch ran',
  '||touch ran',
  '&touch ran',
  '&&touch ran',
  '\ntouch ran\n',
  '\r\ntouch ran',
  "'; touch ran; '",
  '"; touch ran; "',
  '"$(touch ran)"',
  `\${IFS}touch\${IFS}ran`,
  '$((1+1))',
  '$PATH',
  `\${PATH}`,
  '$0',
  '>ran',
  '>>ran',
  '<ran',
  '<(touch ran)',
  '{touch,ran}',
  '~root',
  '*',
  '?',
  '[a-z]',
  '!!',
  '#ran',
  '%PATH%',
  '%s%n%x',
  '-rf',
  '--help',
  '-',
  '--',
  '-e touch ran',
  '=ran',
  'LD_PRELOAD=ran.so',
  'PATH=.',
  'BASH_ENV=ran',
  '() { :;}; touch ran',
  '\\',
  '\\n',
  ' ',
  ' leading and trailing ',
  '\t',
  '\u001b]0;ran\u0007\u001b[2J',
  '\u202egpj.exe',
  'grüße 📦',
  'e\u0301',
  '{"deny":"x"}',
  '"}\n{"type":"x"',
  '@hook match=/**',
  'a'.repeat(255),
];

for (const [kind, file, content] of [
  ['an executable', 'upload.completed.sh', '#!/bin/sh\nprintf "%s|" "$#" "$ENTREPOT_PATH" "$ENTREPOT_LOCAL_PATH" "$0"; cat\n'],
  [
    'a module',
    'upload.completed.mjs',
    'export default event => void process.stdout.write(["0", process.env.ENTREPOT_PATH, process.env.ENTREPOT_LOCAL_PATH, process.argv[2], JSON.stringify(event)].join("|"));\n',
  ],
] as const) {
  test(`hands ${NAMES.length} odd names to ${kind} byte for byte, as data`, async t => {
    const hooks = await hooksFolder(t);
    await hooks.write(file, content);
    for (const name of NAMES) {
      const path = `/in/${name}`;
      const delivery = uploadDelivery(path);
      const action = registerScript(hooks, {}, `/srv${path}`).action('script');
      const { answer } = (await action.run({ command: file }, delivery, new AbortController().signal)) as Receipt;
      t.is(answer, ['0', path, `/srv${path}`, join(hooks.folder, file), JSON.stringify(delivery.event)].join('|'));
    }
    t.deepEqual(await readdir(hooks.folder), [file]);
    t.is(await readFile(join(hooks.folder, file), 'utf8'), content);
  });
}
