import { spawnSync } from 'node:child_process';
import test from 'ava';
import type { Command } from 'commander';
import type { CliContext } from '#core/cli/context.js';
import { buildProgram, runCommandLine } from '#core/cli/program.js';

function capture(env: Record<string, string> = {}, isTTY = false) {
  const written = { output: '', errors: '' };
  const context: CliContext = {
    env,
    program: 'entrepot',
    input: process.stdin,
    output: { isTTY, write: text => (written.output += text) },
    errors: { isTTY, write: text => (written.errors += text) },
    loadShipped: () => import('#extensions/bundled.js'),
  };
  return { context, written };
}

async function run(...words: readonly string[]) {
  const { context, written } = capture();
  return { code: await runCommandLine(words, context), ...written };
}

function* commands(command: Command, path: readonly string[] = []): Generator<readonly string[]> {
  yield path;
  for (const child of command.createHelp().visibleCommands(command))
    if (child.name() !== 'help') yield* commands(child, [...path, child.name()]);
}

const ALL = [...commands(buildProgram(capture().context))];

test('every command has a help with a description and an example', async t => {
  t.true(ALL.length > 40);
  for (const path of ALL) {
    const { code, output } = await run(...path, '--help');
    t.is(code, 0, path.join(' '));
    t.regex(output, /^Usage: entrepot/m, path.join(' '));
    t.regex(output, /Examples?:\n {2}# .+\n {2}\$ entrepot .+/, path.join(' '));
  }
});

test('offers the nearest command and option', async t => {
  const group = await run('usr', 'add', 'alice');
  t.is(group.code, 2);
  t.regex(group.errors, /^entrepot: unknown command 'usr', did you mean 'user'\?\n$/);
  const command = await run('user', 'ad');
  t.is(command.code, 2);
  t.regex(command.errors, /did you mean 'add'\?/);
  const option = await run('user', 'add', 'alice', '--hme', 'x');
  t.is(option.code, 2);
  t.regex(option.errors, /^entrepot: unknown option '--hme', did you mean '--home'\?\n$/);
});

test('ends with 2 when the command line is wrong, before anything is touched', async t => {
  for (const words of [
    ['user'],
    ['user', 'add'],
    ['webhook', 'add', 'http://example.com/'],
    ['storage', 'add', 'x', '--kind', 'local', '--option', 'root'],
    ['user', 'set', 'alice'],
    ['user', 'set', 'alice', '--permission', 'in=list'],
    ['user', 'set', 'alice', '--expires', 'tomorrow'],
    ['user', 'set', 'alice', '--status', 'gone'],
    ['events', 'list', '--since', 'yesterday'],
    ['events', 'list', '--limit', '0'],
    ['portable', '.', '--port', '70000'],
    ['completion', 'tcsh'],
  ]) {
    const { code, output, errors } = await run(...words);
    t.is(code, 2, words.join(' '));
    t.not(errors + output, '', words.join(' '));
  }
});

test('shows help without a command', async t => {
  const { code, output } = await run();
  t.is(code, 0);
  t.regex(output, /entrepot user add alice/);
});

test('uses colours on a terminal, and none where NO_COLOR is set', async t => {
  const terminal = capture({}, true);
  await runCommandLine(['--help'], terminal.context);
  t.true(terminal.written.output.includes('\x1b['));
  const plain = capture({ NO_COLOR: '1' }, true);
  await runCommandLine(['--help'], plain.context);
  t.false(plain.written.output.includes('\x1b['));
});

test('completes every command, in a script that bash can read', async t => {
  const { output } = await run('completion', 'bash');
  t.is(spawnSync('bash', ['-n'], { input: output }).status, 0);
  const complete = (...words: string[]) => {
    const line = `COMP_WORDS=(${['entrepot', ...words].map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _entrepot; echo "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', `${output}\n${line}`], { encoding: 'utf8' })
      .stdout.trim()
      .split(' ');
  };
  t.deepEqual(complete('port'), ['portable']);
  t.deepEqual(complete('user', 'mount', 'l'), ['list']);
  t.true(complete('user', 'add', 'alice', '--h').includes('--home'));
  t.true(complete('--data-dir', '/tmp/user', 'web').includes('webhook'));
  for (const path of ALL) t.true(output.includes(`'${path.join(' ')}')`), path.join(' '));
});

test('prints completions for zsh and fish', async t => {
  const zsh = await run('completion', 'zsh');
  t.regex(zsh.output, /^#compdef entrepot/);
  const fish = await run('completion', 'fish');
  t.regex(fish.output, /complete -c entrepot/);
  if (spawnSync('zsh', ['--version']).status === 0) t.is(spawnSync('zsh', ['-n'], { input: zsh.output }).status, 0);
  if (spawnSync('fish', ['--version']).status === 0) t.is(spawnSync('fish', ['-n'], { input: fish.output }).status, 0);
});

test('shows the help of a command of every depth', async t => {
  for (const words of [['user'], ['user', 'add'], ['user', 'key', 'add']])
    t.is((await run('help', ...words)).output, (await run(...words, '--help')).output, words.join(' '));
  t.is((await run('help')).output, (await run()).output);
  const wrong = await run('help', 'user', 'ad');
  t.is(wrong.code, 2);
  t.is(wrong.errors, "entrepot: unknown command 'ad', did you mean 'add'?\n");
});

test('a command line that is wrong is told as every other failure, in JSON where that is asked for', async t => {
  for (const [words, message] of [
    [['user', 'list', '--json', '--bogus'], /^unknown option '--bogus'/],
    [['user', 'list', '--bogus', '--json'], /^unknown option '--bogus'/],
    [['nosuch', '--json'], /^unknown command 'nosuch'/],
    [['deliveries', 'list', '--state', 'foo', '--json'], /'foo' is invalid.*waiting, running, succeeded, dead, dismissed/],
    [['user', 'set', 'alice', '--json'], /nothing to change/],
    [['webhook', 'add', '--event', '*', '--json'], /^missing required argument 'url'/],
  ] as const) {
    const { code, output, errors } = await run(...words);
    t.is(code, 2, words.join(' '));
    t.is(output, '');
    const { error } = JSON.parse(errors) as { error: { code: string; message: string } };
    t.is(error.code, 'usage');
    t.regex(error.message, message);
    t.regex((await run(...words.filter(word => word !== '--json'))).errors, /^entrepot: .+\n$/);
  }
});
