import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Delivery, DeliveryFailure, PermanentFailure, type Receipt } from '#core/api.js';
import { eventually, type HooksFolder, hooksFolder, isRunning, registerScript } from '../support/hooks-folder.js';
import { uploadDelivery } from '../support/host.js';

const FILE = 'upload.completed.sh';
const never = new AbortController().signal;

/** Puts `content` into a hook, runs it for an upload, and gives its receipt. */
async function run(
  t: ExecutionContext,
  content: string,
  more: { delivery?: Delivery; options?: object; config?: object; signal?: AbortSignal } = {},
): Promise<Receipt> {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, content);
  return runIn(hooks, more);
}

async function runIn(
  hooks: HooksFolder,
  { delivery = uploadDelivery(), options = {}, config = {}, signal = never, localPath = '' } = {},
): Promise<Receipt> {
  const fake = registerScript(hooks, config, localPath || undefined);
  return (await fake.action('script').run({ command: FILE, ...options }, delivery, signal)) as Receipt;
}

test('gets the event on standard input, few variables, no arguments, and the hooks folder as its directory', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, '#!/bin/sh\ncat > input; env > variables; pwd > directory; echo "$#"\n');
  const delivery = uploadDelivery('/in/a b.csv', 3);
  t.deepEqual(await runIn(hooks, { delivery, localPath: '/srv/data/a b.csv' }), { summary: 'exit 0', answer: '0\n' });
  t.deepEqual(JSON.parse(await readFile(join(hooks.folder, 'input'), 'utf8')), JSON.parse(JSON.stringify(delivery.event)));
  t.is(await readFile(join(hooks.folder, 'directory'), 'utf8'), `${hooks.folder}\n`);
  const variables = new Map(
    (await readFile(join(hooks.folder, 'variables'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => line.split('=', 2) as [string, string]),
  );
  t.is(variables.get('ENTREPOT_EVENT_ID'), delivery.event.id);
  t.is(variables.get('ENTREPOT_EVENT_TYPE'), 'upload.completed');
  t.is(variables.get('ENTREPOT_USER'), 'alice');
  t.is(variables.get('ENTREPOT_PATH'), '/in/a b.csv');
  t.is(variables.get('ENTREPOT_LOCAL_PATH'), '/srv/data/a b.csv');
  t.is(variables.get('ENTREPOT_ATTEMPT'), '3');
  const expected = /^(?:PATH|HOME|LANG|TZ|PWD|OLDPWD|SHLVL|_|ENTREPOT_(?:EVENT_ID|EVENT_TYPE|USER|PATH|LOCAL_PATH|ATTEMPT))$/;
  for (const name of variables.keys()) t.regex(name, expected);
});

test('gets no ENTREPOT_LOCAL_PATH where the file is not on this machine, and the variables that are passed on', async t => {
  process.env.PASSED_ON_FOR_TEST = 'yes';
  const content = `#!/bin/sh\necho "\${ENTREPOT_LOCAL_PATH-none} \${PASSED_ON_FOR_TEST-no} \${NODE_ENV-no}"\n`;
  t.is((await run(t, content, { config: { environment: ['PASSED_ON_FOR_TEST', 'NOT_SET_FOR_TEST'] } })).answer, 'none yes no\n');
});

test('says by its exit code whether it is done, may be tried again, or never', async t => {
  t.is((await run(t, '#!/bin/sh\nexit 0\n')).summary, 'exit 0');
  for (const code of [1, 2, 75, 127, 255]) {
    const error = await t.throwsAsync(run(t, `#!/bin/sh\necho out; echo err >&2; exit ${code}\n`), {
      instanceOf: DeliveryFailure,
      message: `exit ${code}`,
    });
    t.false(error instanceof PermanentFailure);
    t.is((error as DeliveryFailure).answer, 'out\n\nerr\n');
  }
  const permanent = await t.throwsAsync(run(t, '#!/bin/sh\nexit 65\n'), { instanceOf: PermanentFailure, message: 'exit 65' });
  t.false((permanent as PermanentFailure).disable);
  await t.throwsAsync(run(t, '#!/bin/sh\nkill -9 $$\n'), { instanceOf: DeliveryFailure, message: 'ended by SIGKILL' });
});

test('may leave its input unread, however long that is', async t => {
  t.is((await run(t, '#!/bin/sh\nexit 0\n', { delivery: uploadDelivery(`/${'x'.repeat(500_000)}`) })).summary, 'exit 0');
});

test('is ended with its whole group at its limit, even when it ignores SIGTERM', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(
    FILE,
    "#!/bin/sh\ntrap '' TERM\nfor i in 1 2 3 4 5 6 7 8 9 10; do sh -c \"trap '' TERM; sleep 300\" & echo $! >> pids; done\necho $$ >> pids\nwhile :; do sleep 300; done\n",
  );
  await t.throwsAsync(runIn(hooks, { options: { timeoutMs: 500 } }), {
    instanceOf: DeliveryFailure,
    message: 'took longer than 0.5 s and was ended',
  });
  const pids = (await readFile(join(hooks.folder, 'pids'), 'utf8')).trim().split('\n').map(Number);
  t.is(pids.length, 11);
  for (const pid of pids) await eventually(async () => !(await isRunning(pid)), `the end of process ${pid}`);
});

test('is ended when the delivery is aborted, and gets a moment to tidy up', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, "#!/bin/sh\ntrap 'echo tidy > tidied; exit 3' TERM\necho $$ > started\nwhile :; do sleep 0.05; done\n");
  const aborting = new AbortController();
  const running = runIn(hooks, { signal: aborting.signal });
  await eventually(async () => (await readdir(hooks.folder)).includes('started'), 'the start of the hook');
  aborting.abort();
  await t.throwsAsync(running, { instanceOf: DeliveryFailure, message: 'was ended before it was done' });
  t.is(await readFile(join(hooks.folder, 'tidied'), 'utf8'), 'tidy\n');
});

test('leaves no process of its group behind', async t => {
  const { answer } = await run(t, '#!/bin/sh\nsleep 300 >/dev/null 2>&1 &\necho $!\n');
  const pid = Number(answer);
  t.true(pid > 0);
  await eventually(async () => !(await isRunning(pid)), 'the end of the process left behind');
});

test('does not keep the hub waiting for a process that left the group with its output', async t => {
  const content = "#!/bin/sh\nsetsid sh -c 'echo $$ > pid; exec sleep 300' &\nuntil [ -s pid ]; do sleep 0.05; done\ncat pid\n";
  const { summary, answer } = await run(t, content, { options: { timeoutMs: 60_000 } });
  t.is(summary, 'exit 0');
  const pid = Number(answer);
  t.true(await isRunning(pid));
  process.kill(pid, 'SIGKILL');
});

test('is ended when it floods, and 64 KiB of each stream are kept', async t => {
  const flooding = await t.throwsAsync(run(t, '#!/bin/sh\nexec yes\n'), {
    instanceOf: DeliveryFailure,
    message: 'wrote more than 16 MiB and was ended',
  });
  t.is((flooding as DeliveryFailure).answer?.length, 65_536);
  const { answer } = await run(t, '#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\0" o\nhead -c 300000 /dev/zero | tr "\\0" e >&2\n');
  t.is(answer, `${'o'.repeat(65_536)}\n${'e'.repeat(65_536)}`);
});

test('fails in words when it cannot be started or must not be run', async t => {
  await t.throwsAsync(run(t, '#!/nowhere/interpreter\n'), {
    instanceOf: DeliveryFailure,
    message: `The hook ${FILE} cannot be started (ENOENT)`,
  });
  const hooks = await hooksFolder(t);
  await t.throwsAsync(runIn(hooks), { instanceOf: DeliveryFailure, message: `The hook ${FILE} is not there` });
  await hooks.write(FILE, '#!/bin/sh\ntouch ran\n', 0o722);
  await t.throwsAsync(runIn(hooks), { instanceOf: DeliveryFailure, message: /is writable by others \(mode 0722\)/ });
  await hooks.write(FILE, '#!/bin/sh\ntouch ran\n', 0o600);
  await t.throwsAsync(runIn(hooks), { instanceOf: DeliveryFailure, message: /is not executable/ });
  await hooks.write(FILE, '#!/bin/sh\ntouch ran\n');
  await t.throwsAsync(runIn(hooks, { config: { enabled: false } }), {
    instanceOf: DeliveryFailure,
    message: /extensions\.script\.enabled/,
  });
  t.deepEqual(await readdir(hooks.folder), [FILE]);
});

test('is named by a file in the folder and by nothing else', async t => {
  const { options } = registerScript(await hooksFolder(t)).action('script');
  for (const command of ['/bin/sh', '../x', 'a/../../x', 'a//b', './a', '', 'a\0b', '..', 'a\\..\\b'])
    t.false(options.safeParse({ command }).success, command);
  for (const command of ['upload.completed.sh', 'upload.completed.d/10-scan.py']) t.true(options.safeParse({ command }).success, command);
});

test('runs at most as often at a time as is allowed', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, '#!/bin/sh\necho + >> log\nsleep 0.1\necho - >> log\n');
  const action = registerScript(hooks, { concurrency: 2 }).action('script');
  await Promise.all(Array.from({ length: 7 }, () => action.run({ command: FILE }, uploadDelivery(), never)));
  let running = 0;
  let most = 0;
  const log = (await readFile(join(hooks.folder, 'log'), 'utf8')).trim().split('\n');
  for (const mark of log) {
    running += mark === '+' ? 1 : -1;
    most = Math.max(most, running);
  }
  t.is(log.length, 14);
  t.is(most, 2);
});

test('that waits for a slot leaves the queue when its delivery is aborted', async t => {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, '#!/bin/sh\necho $$ >> started\nuntil [ -e go ]; do sleep 0.05; done\n');
  const action = registerScript(hooks, { concurrency: 1 }).action('script');
  const first = action.run({ command: FILE }, uploadDelivery(), never);
  const aborting = new AbortController();
  const second = action.run({ command: FILE }, uploadDelivery(), aborting.signal);
  aborting.abort();
  await t.throwsAsync(second, { instanceOf: DeliveryFailure, message: 'no free slot for the hook in time' });
  await mkdir(join(hooks.folder, 'go'));
  await first;
  await action.run({ command: FILE }, uploadDelivery(), never);
  t.is((await readFile(join(hooks.folder, 'started'), 'utf8')).trim().split('\n').length, 2);
});

test('is given a limit above its own by the hub', async t => {
  const action = registerScript(await hooksFolder(t), { timeout: '10s' }).action('script');
  t.is(action.timeoutMs!({ command: FILE }), 40_000);
  t.is(action.timeoutMs!({ command: FILE, timeoutMs: 1_000 }), 31_000);
});
