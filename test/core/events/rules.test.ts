import 'reflect-metadata';
import test from 'ava';
import { z } from 'zod';
import { HubError } from '#core/errors.js';
import type { ActionType } from '#core/events/action.js';
import { ActionTypes } from '#core/events/actions.js';
import { DATABASE_RULES, type Rule, RuleTable } from '#core/events/rules.js';
import { EventSettings } from '#core/events/settings.js';
import type { HubEvent } from '#core/events/types.js';
import { Guards } from '#core/guards.js';
import { createLogger } from '#core/log.js';

const session = { id: 's', user: 'alice', protocol: 'sftp', tls: true, remoteAddress: '127.0.0.1', startedAt: '' };

function table() {
  const guards = new Guards(1_000);
  const actions = new ActionTypes();
  return { guards, actions, rules: new RuleTable(guards, actions, new EventSettings({ node: 'here', log: createLogger('silent') })) };
}

function rule(id: string, changes: Partial<Rule> = {}): Rule {
  return { id, name: id, enabled: true, events: ['*'], guards: [], conditions: {}, actions: [{ type: 'note', options: {} }], ...changes };
}

function event(type: string, data: object): HubEvent {
  return { type, data } as unknown as HubEvent;
}

function ids(rules: RuleTable, type: string, data: object = {}): readonly string[] {
  return rules.targetsFor(event(type, data)).map(({ id }) => id);
}

const asked = (decide?: ActionType['decide']): ActionType => ({
  name: 'note',
  options: z.strictObject({}),
  run: async () => undefined,
  ...(decide && { decide }),
});

test('gives each action of a rule that wants the type', t => {
  const { rules } = table();
  const twice = [
    { type: 'note', options: {} },
    { type: 'note', options: {} },
  ];
  rules.setRules(DATABASE_RULES, [
    rule('one', { events: ['upload.*'], actions: twice }),
    rule('two', { events: ['login.failed', 'upload.completed'] }),
  ]);
  t.deepEqual(ids(rules, 'upload.completed'), ['rule/one/0', 'rule/one/1', 'rule/two/0']);
  t.deepEqual(ids(rules, 'upload.failed'), ['rule/one/0', 'rule/one/1']);
  t.deepEqual(ids(rules, 'uploads.failed'), []);
});

test('asks for path and user of the event where a rule has conditions', t => {
  const { rules } = table();
  rules.setRules(DATABASE_RULES, [rule('r', { conditions: { paths: ['/in/**'], users: ['Alice'] } })]);
  t.deepEqual(ids(rules, 'upload.completed', { path: '/in/a', session }), ['rule/r/0']);
  t.deepEqual(ids(rules, 'upload.completed', { path: '/out/a', session }), []);
  t.deepEqual(ids(rules, 'upload.completed', { path: '/in/a', session: { ...session, user: 'bob' } }), []);
  t.deepEqual(ids(rules, 'login.failed', { user: 'alice' }), []);
  t.deepEqual(ids(rules, 'file.renamed', { path: '/tmp/a', target: '/in/a', session }), ['rule/r/0']);
});

test('leaves disabled rules out, and still knows what stands behind their targets', t => {
  const { rules } = table();
  rules.setRules(DATABASE_RULES, [rule('r', { enabled: false })]);
  t.deepEqual(ids(rules, 'upload.completed'), []);
  t.true(rules.isPaused('rule/r/0'));
  t.is(rules.find('rule/r/0')?.kind, 'action');
  rules.setRules(DATABASE_RULES, []);
  t.false(rules.isPaused('rule/r/0'));
  t.is(rules.find('rule/r/0'), undefined);
});

test('keeps the rules of each source apart', t => {
  const { rules } = table();
  rules.setRules(DATABASE_RULES, [rule('r')]);
  rules.setRules('script', [rule('r')]);
  t.deepEqual(ids(rules, 'upload.completed'), ['rule/r/0', 'rule/script:r/0']);
  rules.setRules('script', []);
  t.deepEqual(ids(rules, 'upload.completed'), ['rule/r/0']);
});

test('gives handlers of extensions, and refuses a name taken twice', t => {
  const { rules } = table();
  const handle = async (): Promise<void> => undefined;
  rules.handler('acme/notify', ['upload.completed'], handle);
  t.deepEqual(ids(rules, 'upload.completed'), ['handler/acme/notify']);
  t.deepEqual(ids(rules, 'upload.failed'), []);
  t.throws(() => rules.handler('acme/notify', ['*'], handle), { code: 'already-exists' });
});

test('leaves out a rule that it cannot understand, and keeps the others', t => {
  const { rules } = table();
  rules.setRules(DATABASE_RULES, [rule('bad', { conditions: { paths: ['*'.repeat(300)] } }), rule('good')]);
  t.deepEqual(ids(rules, 'upload.completed'), ['rule/good/0']);
});

test('asks the actions of a rule with guards, only where its conditions hold', async t => {
  const { guards, actions, rules } = table();
  actions.register(
    asked(async (_options, action) => {
      throw new HubError('permission-denied', `no ${action.action}`);
    }),
  );
  t.false(guards.has('upload'));
  rules.setRules(DATABASE_RULES, [rule('r', { events: [], guards: ['upload'], conditions: { paths: ['**/*.exe'] } })]);
  t.true(guards.has('upload'));
  t.false(guards.has('delete'));
  await t.throwsAsync(guards.ask('upload', { session, path: '/a.exe', replaces: false }), {
    code: 'permission-denied',
    message: 'no upload',
  });
  await t.notThrowsAsync(guards.ask('upload', { session, path: '/a.txt', replaces: false }));
  rules.setRules(DATABASE_RULES, []);
  await t.notThrowsAsync(guards.ask('upload', { session, path: '/a.exe', replaces: false }));
});

test('refuses what a rule guards by an action that cannot be asked', async t => {
  const { guards, actions, rules } = table();
  rules.setRules(DATABASE_RULES, [rule('r', { guards: ['delete'] })]);
  await t.throwsAsync(guards.ask('delete', { session, path: '/a' }), { code: 'unavailable' });
  actions.register(asked());
  await t.throwsAsync(guards.ask('delete', { session, path: '/a' }), { code: 'unavailable' });
});

test('says what is wrong with a rule that could not work', t => {
  const { actions, rules } = table();
  actions.register({ name: 'note', options: z.strictObject({ to: z.string() }), run: async () => 'noted' });
  const action = { type: 'note', options: { to: 'x' } };
  const check = (changes: Partial<Rule>) => () => rules.check(rule('r', { actions: [action], ...changes }));
  t.notThrows(check({}));
  t.throws(check({ actions: [{ type: 'nope', options: {} }] }), { code: 'invalid-request', message: /'nope'.*note/ });
  t.throws(check({ actions: [{ type: 'note', options: { to: 1 } }] }), { code: 'invalid-request', message: /to: / });
  t.throws(check({ guards: ['upload'] }), { code: 'invalid-request', message: /cannot decide/ });
  t.throws(check({ guards: ['fly'] }), { code: 'invalid-request', message: /'fly'.*upload/ });
  t.throws(check({ events: [] }), { code: 'invalid-request' });
  t.throws(check({ actions: [] }), { code: 'invalid-request' });
  t.throws(check({ conditions: { paths: ['*'.repeat(300)] } }), { code: 'invalid-request' });
});

test('refuses an action type whose name is taken, and hides secrets of options', t => {
  const { actions } = table();
  const secret = () => z.string().meta({ secret: true });
  const options = z.strictObject({
    url: z.string(),
    key: secret(),
    other: secret().optional(),
    more: z.array(z.string()).default([]).meta({ secret: true }),
  });
  actions.register({ name: 'send', options, run: async () => undefined });
  t.throws(() => actions.register({ name: 'send', options, run: async () => undefined }), { code: 'already-exists' });
  const masked = actions.masked({ type: 'send', options: { url: 'u', key: 'k', other: 'o', more: ['m'] } });
  t.deepEqual(masked.options, { url: 'u', key: '********', other: '********', more: '********' });
  t.deepEqual(actions.masked({ type: 'gone', options: { url: 'u' } }).options, { url: '********' });
});
