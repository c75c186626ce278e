import test from 'ava';
import { parseHeader } from '#extensions/script/header.js';

const EVENT = 'upload.completed';
const GUARD = 'before.upload';

test('reads conditions, limit and what a failure means from the comments of the first 20 lines', t => {
  t.deepEqual(parseHeader('#!/bin/sh\n# @hook match=/in/**/*.csv users=a,b timeout=60s on-error=allow\n', GUARD), {
    conditions: { paths: ['/in/**/*.csv'], users: ['a', 'b'] },
    timeoutMs: 60_000,
    onError: 'allow',
  });
});

test('reads every usual style of comment, text before the mark, quotes and several lines', t => {
  for (const line of [
    '# @hook users=a',
    '// @hook users=a',
    '/* @hook users=a */',
    ' * @hook users=a',
    '-- @hook users=a',
    '# 10-scan.sh      @hook   users="a"',
    '#@hook users=a\r',
  ])
    t.deepEqual(parseHeader(`first\n${line}\n`, EVENT), { conditions: { users: ['a'] } }, line);
  t.deepEqual(parseHeader('# @hook match="/with space/*,/b"\n# @hook match=/c users=u\n', EVENT), {
    conditions: { paths: ['/with space/*', '/b', '/c'], users: ['u'] },
  });
});

test('finds nothing in code, after line 20, or without the mark', t => {
  const none = { conditions: {} };
  for (const text of [
    '',
    'echo "@hook users=a"\n',
    `${'\n'.repeat(20)}# @hook users=a\n`,
    '# @hooks users=a\n',
    '# hook users=a\n',
    '# @hook\n',
  ])
    t.deepEqual(parseHeader(text, EVENT), none, text);
  t.deepEqual(parseHeader(`${'\n'.repeat(19)}# @hook users=a\n`, EVENT), { conditions: { users: ['a'] } });
});

test('says what is wrong', t => {
  for (const [setting, hook, problem] of [
    ['mtach=/in/**', EVENT, /unknown setting 'mtach' after @hook, did you mean 'match'\?/],
    ['retries=5', EVENT, /unknown setting 'retries'/],
    ['constructor=1', EVENT, /unknown setting 'constructor'/],
    ['match=*.csv', EVENT, /starts with '\/' or '\*\*'/],
    [`match=/${'x'.repeat(300)}`, EVENT, /^match: a pattern may have \d+ characters$/],
    ['match=', EVENT, /needs a pattern/],
    ['users', EVENT, /needs a name/],
    ['timeout=60', EVENT, /expected a duration/],
    ['timeout=2h', EVENT, /expected a duration of at most 1h/],
    ['timeout=0s', EVENT, /expected a duration/],
    ['on-error=allow', EVENT, /only for before\.\* hooks/],
    ['on-error=ignore', GUARD, /expected 'allow' or 'refuse'/],
    ['match=/in/**', 'before.login', /before\.login, which has no path/],
    ['match=/in/**', 'login.failed', /login\.failed, which has no path/],
  ] as const) {
    const header = parseHeader(`# @hook ${setting}\n`, hook);
    t.regex(typeof header === 'string' ? header : 'nothing is wrong', problem, setting);
  }
});
