import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DeliveryFailure, type GuardedAction, PermanentFailure, type Receipt } from '#core/api.js';
import { eventually, hooksFolder, registerScript } from '../support/hooks-folder.js';
import { SESSION, uploadDelivery } from '../support/host.js';

const never = new AbortController().signal;
const UPLOAD: GuardedAction = { action: 'upload', session: SESSION, path: '/in/a.exe', replaces: false };

async function run(t: ExecutionContext, content: string, file = 'upload.completed.mjs'): Promise<Receipt> {
  const hooks = await hooksFolder(t);
  await hooks.write(file, content, 0o600);
  return (await registerScript(hooks).action('script').run({ command: file }, uploadDelivery(), never)) as Receipt;
}

async function ask(t: ExecutionContext, content: string): Promise<void> {
  const hooks = await hooksFolder(t);
  await hooks.write('before.upload.js', content, 0o600);
  await registerScript(hooks).action('script').decide!({ command: 'before.upload.js' }, UPLOAD, never);
}

test('runs without execute permission: .mjs, .js as ES module and .js as CommonJS', async t => {
  const body = 'async (event, { log, signal }) => { log.info("%s %s", event.data.path, signal.aborted); }';
  const expected = { summary: 'exit 0', answer: 'info: /in/report.csv false\n' };
  t.deepEqual(await run(t, `export default ${body};\n`), expected);
  t.deepEqual(await run(t, `export default ${body};\n`, 'upload.completed.js'), expected);
  t.deepEqual(await run(t, `module.exports = ${body};\n`, 'upload.completed.js'), expected);
});

test('ends when its function has, also with timers and connections left open', async t => {
  t.is((await run(t, 'export default () => { setInterval(() => {}, 1000); };\n')).summary, 'exit 0');
});

test('is tried again when it throws, with the stack for the operator', async t => {
  const error = await t.throwsAsync(run(t, 'export default async () => { throw new Error("the ERP is down"); };\n'), {
    instanceOf: DeliveryFailure,
    message: 'exit 1',
  });
  t.false(error instanceof PermanentFailure);
  t.regex((error as DeliveryFailure).answer!, /Error: the ERP is down\n\s+at .*upload\.completed\.mjs/);
});

test('is not tried again when what it throws says so, or it exits with 65', async t => {
  await t.throwsAsync(run(t, 'export default () => { throw Object.assign(new Error("bad data"), { permanent: true }); };\n'), {
    instanceOf: PermanentFailure,
  });
  await t.throwsAsync(run(t, 'export default () => process.exit(65);\n'), { instanceOf: PermanentFailure });
});

test('fails in words when it is no module, or exports no function', async t => {
  for (const [content, answer] of [
    ['export default 42;\n', /no function as its default export/],
    ['export const x = 1;\n', /no function as its default export/],
    ['this is no JavaScript\n', /SyntaxError/],
    ['await new Promise(() => {});\nexport default () => {};\n', /^$/],
  ] as const) {
    const error = await t.throwsAsync(run(t, content), { instanceOf: DeliveryFailure });
    t.regex((error as DeliveryFailure).answer!, answer);
  }
});

test('hears by its signal that it has to stop', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(
    'upload.completed.mjs',
    `import { writeFileSync } from 'node:fs';
export default (_, { signal }) => new Promise((resolve, reject) => {
  setInterval(() => {}, 1000);
  signal.addEventListener('abort', () => { writeFileSync('stopped', ''); reject(signal.reason); });
  writeFileSync('started', '');
});\n`,
  );
  const aborting = new AbortController();
  const running = registerScript(hooks).action('script').run({ command: 'upload.completed.mjs' }, uploadDelivery(), aborting.signal);
  await eventually(async () => (await readdir(hooks.folder)).includes('started'), 'the start of the hook');
  aborting.abort();
  await t.throwsAsync(async () => running, { instanceOf: DeliveryFailure });
  t.is(await readFile(join(hooks.folder, 'stopped'), 'utf8'), '');
});

test('refuses with the deny that it returns, and allows otherwise', async t => {
  await t.throwsAsync(ask(t, 'export default e => ({ deny: "no " + e.data.path });\n'), {
    code: 'permission-denied',
    message: 'no /in/a.exe',
  });
  await t.throwsAsync(ask(t, 'export default () => { console.log("a line of its own"); return { deny: "no" }; };\n'), {
    code: 'permission-denied',
    message: 'no',
  });
  await t.throwsAsync(ask(t, 'export default () => ({ deny: true });\n'), { code: 'permission-denied', message: 'refused by a rule' });
  await t.throwsAsync(ask(t, 'export default () => { throw new Error("a secret detail"); };\n'), {
    code: 'permission-denied',
    message: 'refused by a rule',
  });
  for (const value of ['undefined', 'null', '{}', '{ deny: undefined }', '{ deny: "" }', 'true'])
    await t.notThrowsAsync(ask(t, `export default async () => (${value});\n`));
});
