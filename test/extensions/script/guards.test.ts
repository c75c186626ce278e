import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { GuardedAction } from '#core/api.js';
import { eventually, type HooksFolder, hooksFolder, isRunning, registerScript } from '../support/hooks-folder.js';
import { SESSION, uploadDelivery } from '../support/host.js';

const FILE = 'before.upload.sh';
const never = new AbortController().signal;
const UPLOAD: GuardedAction = { action: 'upload', session: SESSION, path: '/in/a.exe', replaces: false };

/** Asks the hook in `hooks`; rejects when it refuses. */
async function ask(hooks: HooksFolder, options: object = {}, request = UPLOAD, fake = registerScript(hooks)): Promise<void> {
  await fake.action('script').decide!({ command: FILE, ...options }, request, never);
}

async function hookWith(t: ExecutionContext, content: string, mode?: number): Promise<HooksFolder> {
  const hooks = await hooksFolder(t);
  await hooks.write(FILE, content, mode);
  return hooks;
}

test('allows with exit 0, whatever it prints, and gets the envelope of an event', async t => {
  const hooks = await hookWith(
    t,
    '#!/bin/sh\ncat > input\necho "$ENTREPOT_EVENT_TYPE $ENTREPOT_USER $ENTREPOT_PATH" > variables\necho \'{"deny":"x"}\'\n',
  );
  await t.notThrowsAsync(ask(hooks));
  const envelope = JSON.parse(await readFile(join(hooks.folder, 'input'), 'utf8'));
  t.is(envelope.type, 'before.upload');
  t.is(envelope.subject, '/in/a.exe');
  t.deepEqual(envelope.data, { session: SESSION, path: '/in/a.exe', replaces: false });
  t.is(await readFile(join(hooks.folder, 'variables'), 'utf8'), 'before.upload alice /in/a.exe\n');
});

test('is told the user of a login, and where a staged upload lies', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\necho "$ENTREPOT_USER,$ENTREPOT_PATH,$ENTREPOT_LOCAL_PATH"\nexit 1\n');
  const login: GuardedAction = { action: 'login', user: 'bob', protocol: 'sftp', remoteAddress: '192.0.2.1' };
  await t.throwsAsync(ask(hooks, {}, login), { code: 'permission-denied', message: 'bob,,' });
  const publish = {
    action: 'publish',
    session: SESSION,
    path: '/a',
    size: 1,
    content: () => t.fail(),
    localPath: '/srv/.staged',
  } as unknown as GuardedAction;
  await t.throwsAsync(ask(hooks, {}, publish), { code: 'permission-denied', message: 'alice,/a,/srv/.staged' });
});

test('is not stopped by a user name that no variable can hold', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\ntest "$ENTREPOT_USER" && echo set || echo unset\nexit 1\n');
  for (const user of ['a\0b', 'x'.repeat(200_000)]) {
    const login: GuardedAction = { action: 'login', user, protocol: 'sftp', remoteAddress: '192.0.2.1' };
    await t.throwsAsync(ask(hooks, {}, login), { code: 'permission-denied', message: 'unset' });
  }
});

const REASONS: ReadonlyArray<readonly [what: string, content: string, reason: string]> = [
  ['the first line of its output', 'echo "no programs"; echo more', 'no programs'],
  ['the deny of a JSON object', 'echo \'{ "deny": "no programs" }\'', 'no programs'],
  ['the deny of a JSON object over several lines', 'printf \'{\\n"deny":\\n"no programs"\\n}\\n\'', 'no programs'],
  ['the deny in its last line, after other output', 'echo scanning; echo \'{"deny":"infected"}\'', 'infected'],
  ['a fixed text when it prints nothing', 'echo "an internal detail" >&2', 'refused by a rule'],
  ['a fixed text when it prints blank lines', 'printf "\\n  \\n"', 'refused by a rule'],
  ['a fixed text when its JSON has no deny', 'echo \'{"allow":true}\'', 'refused by a rule'],
  ['its text with control characters made visible', 'printf "a\\033[31mb\\tc\\n"', 'a\\x1b[31mb\\tc'],
  ['200 characters at most', 'head -c 1000 /dev/zero | tr "\\0" x', 'x'.repeat(200)],
];
for (const [what, content, message] of REASONS) {
  test(`refuses with ${what}`, async t => {
    await t.throwsAsync(ask(await hookWith(t, `#!/bin/sh\n${content}\nexit 1\n`)), { code: 'permission-denied', message });
  });
}

test('writes its standard error to the log and never to the client', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\necho "an internal detail" >&2\nexit 3\n');
  const fake = registerScript(hooks);
  const error = await t.throwsAsync(ask(hooks, {}, UPLOAD, fake), { code: 'permission-denied' });
  t.false(error!.message.includes('internal'));
  t.true(fake.lines.some(({ fields }) => fields.stderr === 'an internal detail\n'));
});

test('refuses at its limit when it hangs, and its group is ended', async t => {
  const hooks = await hookWith(t, "#!/bin/sh\ntrap '' TERM\necho $$ > pid\nwhile :; do sleep 300; done\n");
  await t.throwsAsync(ask(hooks, { timeoutMs: 500 }), { code: 'unavailable', message: 'Refused: the check did not answer in time' });
  const pid = Number(await readFile(join(hooks.folder, 'pid'), 'utf8'));
  await eventually(async () => !(await isRunning(pid)), 'the end of the hook');
});

test('refuses at the configured limit when its header gives none', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\nexec sleep 300\n');
  await t.throwsAsync(ask(hooks, {}, UPLOAD, registerScript(hooks, { guardTimeout: '200ms' })), { code: 'unavailable' });
});

const FAILURES: ReadonlyArray<readonly [what: string, content: string, mode: number, timeoutMs?: number]> = [
  ['cannot be started', '#!/nowhere/interpreter\n', 0o700],
  ['is ended by a signal', '#!/bin/sh\nkill -9 $$\n', 0o700],
  ['floods', '#!/bin/sh\nexec yes\n', 0o700],
  ['may be written by others', '#!/bin/sh\nexit 0\n', 0o777],
  ['hangs', '#!/bin/sh\nexec sleep 300\n', 0o700, 300],
];
for (const [what, content, mode, timeoutMs] of FAILURES) {
  test(`refuses when it ${what}, unless on-error=allow`, async t => {
    const hooks = await hookWith(t, content, mode);
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    await t.throwsAsync(ask(hooks, options), { code: 'unavailable', message: /^Refused: the check / });
    await t.notThrowsAsync(ask(hooks, { ...options, onError: 'allow' }));
  });
}

test('refuses on purpose also with on-error=allow', async t => {
  await t.throwsAsync(ask(await hookWith(t, '#!/bin/sh\nexit 1\n'), { onError: 'allow' }), { code: 'permission-denied' });
});

test('refuses while hooks are switched off', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\nexit 0\n');
  await t.throwsAsync(ask(hooks, {}, UPLOAD, registerScript(hooks, { enabled: false })), { code: 'unavailable' });
});

test('does not wait for hooks of events', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\nexit 0\n');
  await hooks.write('upload.completed.sh', '#!/bin/sh\ntouch started\nexec sleep 300\n');
  const fake = registerScript(hooks, { concurrency: 1 });
  const aborting = new AbortController();
  const hanging = fake.action('script').run({ command: 'upload.completed.sh' }, uploadDelivery(), aborting.signal);
  await eventually(async () => (await readdir(hooks.folder)).includes('started'), 'the start of the hook');
  await t.notThrowsAsync(ask(hooks, { timeoutMs: 20_000 }, UPLOAD, fake));
  aborting.abort();
  await t.throwsAsync(async () => hanging);
});

test('ends with the client that waits for it', async t => {
  const hooks = await hookWith(t, '#!/bin/sh\nexec sleep 300\n');
  await t.throwsAsync(
    async () => registerScript(hooks).action('script').decide!({ command: FILE, timeoutMs: 60_000 }, UPLOAD, AbortSignal.abort()),
    {
      code: 'aborted',
    },
  );
});
