import test from 'ava';
import { compileGlob, MAX_GLOB_LENGTH } from '#core/glob.js';

const CASES: readonly [pattern: string, text: string, matches: boolean][] = [
  ['/in/a.csv', '/in/a.csv', true],
  ['/in/a.csv', '/in/a.csvx', false],
  ['/in/*', '/in/a.csv', true],
  ['/in/*', '/in/', true],
  ['/in/*', '/in/sub/a.csv', false],
  ['/in/**', '/in/sub/deep/a.csv', true],
  ['/in/**', '/in', false],
  ['/in/**/*.csv', '/in/a.csv', true],
  ['/in/**/*.csv', '/in/x/y/a.csv', true],
  ['/in/**/*.csv', '/in/x/y/a.txt', false],
  ['/in/**/*.csv', '/inn/a.csv', false],
  ['/in/**/b/c', '/in/xb/c', false],
  ['/in/**/b/c', '/in/x/b/c', true],
  ['**/a', 'a', true],
  ['**/a', 'x/a', true],
  ['**/a', 'xa', false],
  ['**', '/any/thing', true],
  ['/**', '/any/thing', true],
  ['a**b', 'a/x/b', true],
  ['?', 'a', true],
  ['?', '/', false],
  ['?', '\u{1f600}', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['*.exe', 'setup.exe', true],
  ['*.exe', 'setup.exe.txt', false],
  ['*a*b*c', 'xxaxxbxxc', true],
  ['*a*b*c', 'xxaxxcxxb', false],
  ['[ab]', '[ab]', true],
  ['[ab]', 'a', false],
  ['a.c', 'abc', false],
  ['*', '-rf \n"\u202e', true],
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['***', 'a/b', true],
];

for (const [pattern, text, matches] of CASES) {
  test(`'${pattern}' ${matches ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, t => {
    t.is(compileGlob(pattern)(text), matches);
  });
}

test('compares without regard to case only when told', t => {
  t.false(compileGlob('*.exe')('A.EXE'));
  t.true(compileGlob('*.eXe', { caseInsensitive: true })('A.ExE'));
  t.true(compileGlob('README', { caseInsensitive: true })('readme'));
});

test('refuses a pattern beyond the limit', t => {
  t.throws(() => compileGlob('*'.repeat(MAX_GLOB_LENGTH + 1)), { code: 'invalid-request' });
});

test('does no more work for a hostile pattern than its size allows', t => {
  const matches = compileGlob(`${'*a'.repeat(20)}b`);
  t.false(matches('a'.repeat(4_000)));
  t.false(compileGlob(`${'**/a'.repeat(60)}b`)('a/'.repeat(2_000)));
});
