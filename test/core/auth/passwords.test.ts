import test from 'ava';
import { Passwords } from '#core/auth/passwords.js';

test('a password is the one that was hashed, and no other', async t => {
  const passwords = new Passwords();
  const kept = await passwords.hash('correct horse');
  t.regex(kept, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.true(await passwords.verify(kept, 'correct horse'));
  for (const wrong of ['Correct horse', 'correct horse ', '', 'x'.repeat(1_025)]) t.false(await passwords.verify(kept, wrong));
  t.false(await passwords.verify(undefined, 'a password that nobody has'));
  t.false(await passwords.verify('not a hash', 'x'));
});

test('refuses to keep an empty or an endless password', async t => {
  await t.throwsAsync(new Passwords().hash(''), { code: 'invalid-request' });
  await t.throwsAsync(new Passwords().hash('x'.repeat(1_025)), { code: 'invalid-request' });
});

test('more than 52 at once are refused, and the queue recovers', async t => {
  const passwords = new Passwords();
  const kept = await passwords.hash('x');
  const results = await Promise.allSettled(Array.from({ length: 60 }, () => passwords.verify(kept, 'x')));
  const refused = results.filter(result => result.status === 'rejected');
  t.is(refused.length, 8);
  for (const { reason } of refused as PromiseRejectedResult[]) t.is(reason.code, 'rate-limited');
  t.true(await passwords.verify(kept, 'x'));
});
